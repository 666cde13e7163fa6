import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { newAccountId, openAccount } from '../../src/domain/accounts/accounts.js';
import {
  giveConsent,
  judgeConsents,
  listConsentEvents,
  recordOutdatedConsents,
} from '../../src/domain/consents/consents.js';
import { openSchema, standardSchema } from '../../src/domain/profiles/profiles.js';
import { listNotices, listNoticeTexts } from '../../src/domain/purposes/purposes.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openWork } from '../../src/platform/storage/work.js';
import { runPurposes } from '../../src/purpose-commands.js';
import { openTestDatabase, type TestDatabase } from '../support/database.js';

import { recordedDuring } from '../support/ledger.js';
import type { Draft } from '../support/profile.js';

let database: TestDatabase;
let folder: string;
let file: string;
let draft: Draft;
const said = { out: '', err: '' };

const findNotice = async (db: TestDatabase['db'], purpose: string, version: number, language: string) =>
  (await listNoticeTexts(db, { [purpose]: version }, language)).get(purpose);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keyhold-purposes-'));
  file = join(folder, 'purposes.json');
});

beforeEach(async () => {
  await database?.close();
  database = await openTestDatabase();
  await openSchema(database.db);
  draft = JSON.parse(standardSchema().text) as Draft;
  expect((await purposes('apply')).code).toBe(0);
});

afterAll(async () => {
  await database?.close();
  await rm(folder, { recursive: true });
});

async function purposes(verb: string, ...more: string[]) {
  await writeFile(file, JSON.stringify(draft));
  said.out = '';
  said.err = '';
  const code = await runPurposes([verb, ...(verb === 'show' ? [] : [file]), ...more], {
    db: database.db,
    telling: undefined as never,
    print: text => {
      said.out += text;
    },
    fail: text => {
      said.err += `${text}\n`;
    },
  });
  return { code, ...said };
}

const purpose = (id: string) => {
  const found = draft.purposes.find(each => each['id'] === id);
  if (!found) throw new Error(`no ${id}`);
  return found;
};

const standing = async (id: string) => {
  const notice = (await listNotices(database.db)).find(each => each.purpose === id);
  return notice && [notice.version, notice.countsFrom];
};

test('other words are another version: the plan says who is asked again, and the earlier words stay as they were', async () => {
  const before = await findNotice(database.db, 'naming', 1, 'en');
  purpose('naming')['why'] = { en: 'So that we know what to call you.' };
  const events = await recordedDuring(database.db, async () => {
    const { code, out } = await purposes('plan');
    expect(code).toBe(0);
    expect(out).toContain(
      'naming  version 2: the words changed; those who agreed to a version before 2 must be asked again (0 consents)',
    );
  });
  expect(events).toEqual([]);
  expect((await purposes('drift')).code).toBe(3);
  expect((await purposes('apply')).code).toBe(0);
  expect((await purposes('drift')).code).toBe(0);
  expect(await standing('naming')).toEqual([2, 2]);
  expect(await findNotice(database.db, 'naming', 1, 'en')).toEqual(before);
  expect((await findNotice(database.db, 'naming', 2, 'en'))?.text).toBe(
    'Calling you by your name\nSo that we know what to call you.',
  );
});

test('a typo is declared with its version and asks nobody again; the same version never says something else', async () => {
  purpose('naming')['why'] = { en: 'So that apps and messages can adress you properly.' };
  Object.assign(purpose('naming'), { version: 2, counts_from: 1 });
  expect((await purposes('apply')).out).toContain('the words changed; nobody is asked again');
  expect(await standing('naming')).toEqual([2, 1]);
  purpose('naming')['why'] = { en: 'For everything we like.' };
  const { code, err } = await purposes('apply');
  expect([code, err]).toEqual([1, expect.stringContaining('give it version 3, or leave the version out')]);
  expect(await standing('naming')).toEqual([2, 1]);
});

test.each([
  ['another basis', (it: Record<string, unknown>) => Object.assign(it, { basis: 'contract' })],
  [
    'somebody else who gets it',
    (it: Record<string, unknown>) => Object.assign(it, { recipients: ['apps', { name: 'A Broker' }] }),
  ],
  [
    'another time that it is kept',
    (it: Record<string, unknown>) => Object.assign(it, { retention: '400 days' }),
  ],
  [
    'somebody else who decides',
    (it: Record<string, unknown>) => Object.assign(it, { controllers: [{ name: 'Another' }] }),
  ],
  ['other law', (it: Record<string, unknown>) => Object.assign(it, { jurisdiction: ['EU', 'US'] })],
])('%s is never a trifle', async (what, change) => {
  change(purpose('naming'));
  if (what === 'somebody else who decides') {
    /* Said for the first time it changes nothing that anybody was told. */
    expect((await purposes('apply')).code).toBe(0);
    expect(await standing('naming')).toEqual([2, 1]);
    purpose('naming')['controllers'] = [{ name: 'Another' }, { name: 'A third' }];
  }
  const [now = 1] = (await standing('naming')) ?? [];
  Object.assign(purpose('naming'), { version: now + 1, counts_from: 1 });
  const { code, err } = await purposes('apply');
  expect([code, err]).toEqual([1, expect.stringContaining('everybody is asked again')]);
  delete purpose('naming')['counts_from'];
  expect((await purposes('apply')).code).toBe(0);
  expect(await standing('naming')).toEqual([now + 1, now + 1]);
});

test('an attribute that comes from another purpose asks again; a new one, or one less, does not', async () => {
  const attribute = (name: string) => draft.attributes.find(each => each['name'] === name) ?? {};
  draft.attributes.push({
    name: 'shoe_size',
    type: 'number',
    label: { en: 'Shoe size' },
    purpose: 'comfort',
    see: ['person', 'apps'],
    change: ['person'],
  });
  expect((await purposes('apply')).code).toBe(0);
  expect(await standing('comfort')).toEqual([2, 1]);
  attribute('birthdate')['purpose'] = 'comfort';
  expect((await purposes('apply')).code).toBe(0);
  expect([await standing('comfort'), await standing('age')]).toEqual([
    [3, 3],
    [2, 1],
  ]);
});

test('another language is no version of its own, and words that are there are never overwritten', async () => {
  purpose('naming')['why'] = { ...(purpose('naming')['why'] as object), it: 'Per chiamarti.' };
  expect((await purposes('apply')).code).toBe(0);
  expect(await standing('naming')).toEqual([1, 1]);
  expect((await findNotice(database.db, 'naming', 1, 'it'))?.text).toBe(
    'Calling you by your name\nPer chiamarti.',
  );
  for (const table of ['purpose_notices', 'purpose_versions']) {
    await expect(database.db(table).update({ version: 1 })).rejects.toThrow(/permission denied/);
    await expect(database.db(table).delete()).rejects.toThrow(/permission denied/);
  }
});

test('a file of purposes alone leaves what is held as it is, and what is shown can be applied', async () => {
  const { out } = await purposes('show');
  draft = JSON.parse(out) as Draft;
  expect(Object.keys(draft)).toEqual(['version', 'purposes']);
  expect((await purposes('plan')).out).toBe('Nothing changes: this is what stands already.\n');
  expect((await purposes('drift')).code).toBe(0);
  draft.purposes = draft.purposes.filter(({ id }) => id !== 'naming');
  const { code, err } = await purposes('apply');
  expect([code, err]).toEqual([1, expect.stringContaining('there is no purpose "naming" in this file')]);
});

test('what Keyhold itself holds keeps its purposes, also where a file leaves them out', async () => {
  draft.purposes = draft.purposes.filter(({ id }) => id !== 'security');
  expect((await purposes('apply')).code).toBe(0);
  expect(await standing('security')).toEqual([1, 1]);
});

test.each([
  ['consent that is required', { required: true }, 'cannot be, of what rests on consent'],
  [
    'a term of another basis',
    { dpv: { purposes: ['dpv:Marketing'], basis: 'eu-gdpr:A6-1-b' } },
    'the basis is eu-gdpr:A6-1-a',
  ],
  ['what is no term', { dpv: { purposes: ['marketing things'] } }, 'is no term such as'],
  ['counting from without a version', { counts_from: 1 }, 'needs the version'],
  ['a recipient without a name', { recipients: [{ country: 'DE' }] }, 'must be "apps" or a party'],
])('%s is refused with its line, and nothing has changed', async (_what, members, problem) => {
  Object.assign(purpose('naming'), members);
  const { code, err } = await purposes('apply');
  expect([code, err]).toEqual([1, expect.stringContaining(problem)]);
  expect(err).toMatch(/purposes\.json:\d+: purposes\[1\]/);
  expect(await standing('naming')).toEqual([1, 1]);
});

async function consenting(
  email: string,
  scopes: readonly string[],
  notices: Readonly<Record<string, number>>,
): Promise<string> {
  const accountId = newAccountId();
  const keyring = openKeyring('a secret of a test that is long enough');
  await openWork(database.db, { kind: 'person', id: accountId }, async work => {
    await openAccount(work, keyring, { id: accountId, email, language: 'en' });
    const nothing = { claims: [], refusedScopes: [], refusedClaims: [], language: 'en' };
    await giveConsent(work, { ...nothing, accountId, clientId: 'album', scopes, notices });
  });
  return accountId;
}

const ATTEMPT = { id: '1', attempt: 1, last: false, signal: new AbortController().signal };

test('whose consent a change of words made void is written down, once', async () => {
  const accountId = await consenting('ada@example.test', ['profile'], { naming: 1, presence: 1 });
  purpose('naming')['why'] = { en: 'Other words.' };
  expect((await purposes('plan')).out).toContain('(1 consent)');
  await purposes('apply');
  const run = async () => {
    await recordOutdatedConsents(database.db).run({}, ATTEMPT);
    return (await listConsentEvents(database.db, accountId)).map(({ event, notices, by }) => [
      event,
      notices,
      by,
    ]);
  };
  const events = [
    ['given', { naming: 1, presence: 1 }, 'person'],
    ['invalidated', { naming: 2 }, 'system'],
  ];
  expect(await run()).toEqual(events);
  expect(await run()).toEqual(events);
});

test('a consent is judged when it is given, and anew once the declarations have changed; reads say the same throughout', async () => {
  const { db } = database;
  const standing = await db('purposes').select('id', 'version');
  const notices = Object.fromEntries(standing.map(({ id, version }) => [id, version]));
  const people = [
    await consenting('cleo@example.test', ['profile'], notices),
    await consenting('dan@example.test', [], notices),
  ];
  const judged = async () => {
    const [{ version }] = await db('declared_version');
    const rows = await db('consents').whereIn('account_id', people).orderBy('account_id');
    return rows.map(row => Number(row.judged) / Number(version));
  };
  const read = () =>
    db('consent_snapshots')
      .whereIn('account_id', people)
      .orderBy('account_id')
      .select('outdated', 'withheld', 'uses');
  expect(await judged()).toEqual([1, 1]);
  purpose('naming')['why'] = { en: 'Words of another day.' };
  await purposes('apply');
  expect((await judged()).every(each => each > 0 && each < 1)).toBe(true);
  const before = await read();
  expect(before.map(({ outdated }) => outdated)).toEqual([['naming'], []]);
  await judgeConsents(db).run({}, ATTEMPT);
  expect(await judged()).toEqual([-1, 1]);
  expect(await read()).toEqual(before);
});

test('a purpose that an app declares is not taken away, and the app that does is named', async () => {
  const before = draft;
  const [created_at, metadata] = [new Date(), { client_name: 'Album', purposes: ['presence'] }];
  const app = { client_id: 'app_that_declares', metadata, created_at, updated_at: created_at };
  await database.db('clients').insert(app);
  const without = <Entry>(list: readonly Entry[], key: string) =>
    list.filter(each => (each as Record<string, unknown>)[key] !== 'presence');
  const { attributes } = draft as unknown as { attributes?: readonly object[] };
  draft = {
    ...draft,
    purposes: without(draft.purposes, 'id'),
    ...(attributes && { attributes: without(attributes, 'purpose') }),
  } as Draft;
  for (const verb of ['plan', 'apply']) {
    const refused = await purposes(verb, ...(verb === 'apply' ? ['--delete-values'] : []));
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('app_that_declares')]);
  }
  expect(await standing('presence')).toBeDefined();
  await database.db('clients').where('client_id', 'app_that_declares').delete();
  draft = before;
});
