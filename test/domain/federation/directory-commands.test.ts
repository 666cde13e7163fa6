import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Config } from '../../../src/config.js';
import { runTrial } from '../../../src/directory-commands.js';
import { runFederation } from '../../../src/federation-commands.js';
import { watchProviders } from '../../../src/federation-watch.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';
import { declareDirectory, inhabitant, openDirectory, type TestDirectory } from '../../support/directory.js';
import { peopleOnRecord, recordedDuring } from '../../support/ledger.js';
import { claimDomain } from '../../support/upstream.js';

const PASSWORD = 'correct horse';
const config = {
  secret: 'a secret that is only good for tests',
  issuer: new URL('https://id.example'),
  allowPrivateNetwork: true,
} as Config;

let database: TestDatabase;
let directory: TestDirectory;

beforeAll(async () => {
  database = await openTestDatabase();
  directory = await openDirectory();
  directory.people.push(inhabitant('ada', PASSWORD, { givenName: 'Ada' }));
  const attributes = {
    given_name: { from: 'givenName' },
    family_name: { from: 'sn' },
    shoe: { from: 'givenName' },
  };
  const at = { db: database.db, config };
  await declareDirectory(at, directory, { id: 'acme', state: 'disabled', mapping: { attributes } });
  await claimDomain(at, 'acme.test', 'acme');
});

afterAll(async () => {
  await directory?.close();
  await database?.close();
});

async function run(words: string, typed = `${PASSWORD}\n`) {
  const out: string[] = [];
  const err: string[] = [];
  const shell = {
    db: database.db,
    print: (text: string) => void out.push(text),
    fail: (text: string) => void err.push(text),
  };
  const code = await runTrial(words.split(' '), { ...shell, config, typed: async () => typed });
  return { code, err: err.join(' '), answer: out.length > 0 ? JSON.parse(out.join('')) : undefined };
}

test('a sign-in is tried out from the shell, also before the provider is enabled: what came, and what would be made of it', async () => {
  const before = await peopleOnRecord(database.db);
  const events = await recordedDuring(database.db, async () => {
    const { code, answer } = await run('acme Ada@acme.test');
    expect([code, answer]).toEqual([
      0,
      {
        came: true,
        subject: '00000000-0000-4000-8000-6164612d2d2d',
        email: { address: 'ada@acme.test', proved: true, counts: true },
        strength: { counts: 'aal1' },
        attributes: [
          { attribute: 'family_name', from: 'sn' },
          { attribute: 'given_name', from: 'givenName', value: 'Ada' },
          { attribute: 'shoe', from: 'givenName', value: 'Ada', left: 'unknown' },
        ],
        claims: { givenName: 'Ada' },
      },
    ]);
  });
  expect(events.map(({ type, detail }) => [type, detail])).toEqual([
    ['identity_provider.tried', { provider: 'acme', came: true }],
  ]);
  expect(await peopleOnRecord(database.db)).toBe(before);
});

test('why nobody came is said, and the password nowhere', async () => {
  const { answer } = await run('acme ada@acme.test', 'not it');
  expect(answer).toEqual({ came: false, trouble: 'refused', reason: 'password_wrong' });
  expect(JSON.stringify(await database.db('events').select('detail'))).not.toContain('not it');
});

test.each([
  ['acme ada', 2, 'no e-mail address'],
  ['acme ada@acme.test more', 2, 'keyhold federation test'],
  ['nowhere ada@acme.test', 1, 'no identity provider nowhere'],
])('"test %s" is not understood or refused', async (words, code, why) => {
  expect(await run(words)).toMatchObject({ code, err: expect.stringContaining(why) });
});

test('whoever leaves the address out is told how a directory is tried', async () => {
  const err: string[] = [];
  const shell = { db: database.db, print: () => undefined, fail: (text: string) => void err.push(text) };
  expect(await runFederation(['test', 'acme'], { ...shell, config, env: {} })).toBe(2);
  expect(err.join()).toContain('keyhold federation test acme ADDRESS');
});

test('doctor binds as ourselves, and says why nobody can sign in', async () => {
  await database.db('identity_providers').update({ state: 'enabled' });
  expect(await watchProviders(database.db, config)).toEqual([['ok', expect.stringContaining('acme')]]);
  directory.behave('busy');
  expect(await watchProviders(database.db, config)).toEqual([
    ['problem', expect.stringContaining('no_answer')],
  ]);
  directory.behave('well');
});
