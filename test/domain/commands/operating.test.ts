import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { runCommands } from '../../../src/app-commands.js';
import { sendCommand, settleCommand } from '../../../src/domain/commands/commands.js';
import { openKeyring } from '../../../src/platform/crypto/keyring.js';
import { openWork, type Work } from '../../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';
import { register } from '../../support/keyhold.js';

const secret = 'a secret that is only good for tests';
const keyring = openKeyring(secret);
let database: TestDatabase;
let clientId: string;

beforeAll(async () => {
  database = await openTestDatabase();
  const config = { issuer: new URL('http://localhost:4000'), allowPrivateNetwork: true };
  const metadata = { redirect_uris: ['http://127.0.0.1:9/back'], webhook_uri: 'http://127.0.0.1:9999/hook' };
  clientId = (await register(database.db, config, metadata)).client_id;
});

afterAll(() => database?.close());

const working = <T>(act: (work: Work) => Promise<T>) => openWork(database.db, { kind: 'system' }, act);

async function run(...words: string[]) {
  let printed = '';
  let failed = '';
  const code = await runCommands(words, {
    db: database.db,
    config: { secret, commandsTried: 3 },
    print: text => {
      printed += text;
    },
    fail: text => {
      failed += text;
    },
  });
  return { code, failed, answer: printed === '' ? undefined : JSON.parse(printed) };
}

async function stuck(): Promise<string> {
  const reason = { kind: 'deletion', id: uuidv7() };
  const id = await working(work =>
    sendCommand(work, keyring, {
      clientId,
      command: 'delete',
      reason,
      subject: 'somebody',
      accountId: uuidv7(),
    }),
  );
  await working(work =>
    settleCommand(work, id ?? '', ['waiting'], { state: 'unreachable', answer: 'no_answer' }),
  );
  return id ?? '';
}

test('an operator sees what is stuck first, and never whom it is about', async () => {
  const id = await stuck();
  const { code, answer } = await run('list');
  expect(code).toBe(0);
  expect(answer).toMatchObject({
    counted: { open: 0, stuck: 1 },
    commands: [{ id, client_id: clientId, answer: 'no_answer' }],
  });
  expect(JSON.stringify(answer)).not.toMatch(/somebody|accountId/);
  expect((await run('list', '--open')).answer.commands).toEqual([]);
});

test('an operator has an app told anew for as long as is set, or gives it up', async () => {
  const id = await stuck();
  const { answer } = await run('retry', id);
  expect(answer).toMatchObject({ id, state: 'waiting', round: 2 });
  expect(Math.round((Date.parse(answer.until) - Date.now()) / 86_400_000)).toBe(3);
  expect((await run('give-up', id)).answer).toMatchObject({ state: 'unreachable', answer: 'given_up' });
  expect(await run('retry', id)).toMatchObject({ code: 1, failed: expect.stringContaining('nothing left') });
  const row = await database.db('commands').where({ id }).first();
  expect(row.sealed).toBeNull();
  expect(await run('give-up', uuidv7())).toMatchObject({
    code: 1,
    failed: expect.stringContaining('no command'),
  });
});

test('the secret of an app is printed as libraries take it, and replaced', async () => {
  const first = (await run('webhook-secret', clientId)).answer;
  expect(first).toEqual({
    client_id: clientId,
    webhook_secret: `whsec_${keyring.mac('webhook', `${clientId}\n1`).toString('base64')}`,
    generation: 1,
  });
  const second = (await run('webhook-secret', clientId, '--rotate')).answer;
  expect([second.generation, second.webhook_secret === first.webhook_secret]).toEqual([2, false]);
  expect((await run('webhook-secret', 'app_none')).code).toBe(1);
});

test('what makes no sense is not done', async () => {
  for (const words of [[], ['list', '--open', '--all'], ['retry', 'x'], ['retry'], ['forget', uuidv7()]]) {
    expect((await run(...words)).code).toBe(2);
  }
});
