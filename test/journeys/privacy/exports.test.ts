import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { fetch } from 'undici';
import { freezeAccount, setAccountState } from '../../../src/domain/accounts/accounts.js';
import { askExport, findExport, openExport, sweepExports } from '../../../src/domain/exports/exports.js';
import { openSchema } from '../../../src/domain/profiles/profiles.js';
import { writePart } from '../../../src/journeys/privacy/export-part.js';
import { filesOf } from '../../../src/journeys/privacy/export-rooms.js';
import { manifestSchema } from '../../../src/journeys/privacy/manifest.js';
import { zipOf } from '../../../src/journeys/privacy/zip.js';
import { type Keyring, openKeyring } from '../../../src/platform/crypto/keyring.js';
import type { ExportScope } from '../../../src/platform/storage/export-file.js';
import { openWork } from '../../../src/platform/storage/work.js';
import { accountToken } from '../../support/account-api.js';
import { aTry, copyJob } from '../../support/copies.js';
import { until } from '../../support/jobs.js';
import { personAt } from '../../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf } from '../../support/ledger.js';
import { EVERY_SCOPE, headersOf } from '../../support/owner.js';
import { signInBeside } from '../../support/people.js';
import type { Person } from '../../support/person.js';
import { newMember } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';
import { csrfOf } from '../../support/steps.js';
import { drained, unzip } from '../../support/zip.js';

// Copies of what is held about somebody, from asking for one until it is gone: exports, export_files and export_pieces.

const EMAIL = 'ada@example.test';
const SECOND = 'ada.second@example.test';
const OTHER = 'bob@example.test';

let keyhold: TestKeyhold;
let keyring: Keyring;
let app: RelyingParty;
let ada: Person;
let bob: Person;
let accountId: string;

beforeAll(async () => {
  keyhold = await startKeyhold();
  keyring = openKeyring(keyhold.config.secret);
  app = await openRelyingParty(keyhold, { scope: `openid profile email ${EVERY_SCOPE}` });
  await newMember(keyhold, app, EMAIL);
  await newMember(keyhold, app, OTHER);
  accountId = await accountOf(keyhold.db, EMAIL);
  await keyhold.db('email_addresses').insert({
    account_id: accountId,
    address: SECOND,
    verified_at: new Date(),
    is_primary: false,
    added_at: new Date(),
  });
  [ada, bob] = [personAt(keyhold), personAt(keyhold)];
  await signInBeside(ada, app, EMAIL);
  await signInBeside(bob, app, OTHER);
}, 60_000);

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

const at = (path: string) => new URL(path, keyhold.origin);
const stateOf = async (id: string) => (await findExport(keyhold.db, { accountId, id }))?.state;
const eventsOf = (id: string) =>
  keyhold
    .db('events')
    .where({ account_id: accountId })
    .whereRaw(`type LIKE 'export.%' AND detail ->> 'export' = ?`, [id])
    .orderBy('id')
    .pluck('type');
const newestId = async () =>
  String((await keyhold.db('exports').where({ account_id: accountId }).orderBy('id', 'desc').first('id')).id);
const noticesOf = (kind: string) =>
  keyhold
    .db('messages')
    .where({ account_id: accountId, template: `notice/${kind}` })
    .count<{ count: string }[]>()
    .then(([row]) => Number(row?.count));

/** As if everybody had signed in so many seconds ago. */
const signedIn = (ago: number) =>
  keyhold.db('sessions').update({ login_ts: Math.floor(Date.now() / 1000) - ago });

/** As if what was asked for so far had been asked for the day before. */
const anotherDay = () =>
  keyhold.db.raw(`UPDATE exports SET asked_at = asked_at - interval '2 days' WHERE account_id = ?`, [
    accountId,
  ]);

async function fetched(person: Person, path: string) {
  const headers = await headersOf(person, keyhold.origin, path);
  const answer = await fetch(at(path), { redirect: 'manual', headers });
  return { answer, bytes: Buffer.from(await answer.arrayBuffer()) };
}

test('whoever asks for a copy has every address told, sees how far it is, and fetches it when it is ready', async () => {
  await ada.goto(at('/account/data'));
  expect(ada.page.text).toContain('You have not asked for a copy yet.');
  await ada.follow('Ask for a copy');
  expect(ada.page.heading).toBe('Ask for a copy of your data');
  await ada.press('Ask for a copy');
  expect(ada.page.text).toContain('We are making your copy.');
  const id = await newestId();
  await until(async () => (await stateOf(id)) === 'ready');
  for (const to of [EMAIL, SECOND]) {
    await until(async () => (await ada.newestMail(to, /data is ready/)) !== undefined);
    expect(await ada.newestMail(to, /asked for a copy/)).toBeDefined();
  }
  expect([await noticesOf('export_asked'), await noticesOf('export_ready')]).toEqual([2, 2]);
  await ada.goto(at('/account/data'));
  expect(ada.page.text).toContain('You can fetch it until');
  const { answer, bytes } = await fetched(ada, `/account/data/copies/${id}/file`);
  expect(answer.headers.get('content-type')).toBe('application/zip');
  expect(answer.headers.get('content-disposition')).toMatch(
    /^attachment; filename="keyhold-access-[\d-]+\.zip"$/,
  );
  const files = await unzip(bytes);
  const manifest = manifestSchema.parse(JSON.parse(String(files.get('manifest.json'))));
  expect(manifest).toMatchObject({ scope: 'access', issuer: keyhold.issuer, account: accountId });
  const beside = ['manifest.json', 'bagit.txt', 'manifest-sha256.txt', 'tagmanifest-sha256.txt'];
  expect(manifest.files.map(({ path }) => path).sort()).toEqual(
    [...files.keys()].filter(path => !beside.includes(path)).sort(),
  );
  for (const { path, sha256, bytes: size } of manifest.files) {
    const content = files.get(path) ?? Buffer.alloc(0);
    const found = [createHash('sha256').update(content).digest('hex'), content.length];
    expect([path, ...found]).toEqual([path, sha256, size]);
  }
  const sums = String(files.get('manifest-sha256.txt')).trim().split('\n');
  for (const line of sums) {
    const [sha256 = '', path = ''] = line.split('  ');
    const content = files.get(path) ?? Buffer.alloc(0);
    expect([path, createHash('sha256').update(content).digest('hex')]).toEqual([path, sha256]);
  }
  expect(answer.headers.get('cache-control')).toContain('no-store');
  expect(sums.length).toBe(manifest.files.filter(({ path }) => path.startsWith('data/')).length);
  expect(await eventsOf(id)).toEqual(['export.asked', 'export.ready', 'export.fetched']);
  await ada.goto(at('/account/history'));
  expect(ada.page.text).toContain('A copy of your data was fetched');
});

test('whoever is not freshly signed in proves anew who they are before anything is asked for or fetched', async () => {
  const id = await newestId();
  await signedIn(600);
  for (const path of ['/account/data/copy', `/account/data/copies/${id}/file`]) {
    const { answer } = await fetched(ada, path);
    expect([answer.status, new URL(String(answer.headers.get('location')), keyhold.origin).pathname]).toEqual(
      [303, '/authorize'],
    );
  }
  const before = await keyhold.db('exports').count();
  await ada.goto(at('/account/data'));
  const sent = { csrf: csrfOf(ada), for: accountId, scope: 'access' };
  await ada.post(at('/account/data/copy'), sent);
  expect(await keyhold.db('exports').count()).toEqual(before);
  await signedIn(0);
});

test('a copy is nobody elses: not its page, not its file, and nobody else does away with it', async () => {
  const id = await newestId();
  for (const path of ['file', 'state']) {
    const { answer } = await fetched(bob, `/account/data/copies/${id}/${path}`);
    expect([path, answer.status]).toEqual([path, 404]);
  }
  await bob.goto(at('/account/data'));
  const bobId = await accountOf(keyhold.db, OTHER);
  await bob.post(at(`/account/data/copies/${id}/drop`), { csrf: csrfOf(bob), for: bobId });
  expect(await stateOf(id)).toBe('ready');
  const token = await accountToken(keyhold, bob, app, EVERY_SCOPE);
  for (const [method, path] of [
    ['GET', id],
    ['DELETE', id],
    ['GET', `${id}/file`],
  ]) {
    const headers = { authorization: `Bearer ${token}` };
    const answer = await fetch(at(`/api/me/exports/${path}`), { method: String(method), headers });
    expect([method, answer.status]).toEqual([method, 404]);
  }
  expect(await eventsOf(id)).toHaveLength(3);
});

test('what lies in the database is sealed, and opens no more once the key of its person or its own is gone', async () => {
  const id = await newestId();
  const key = { accountId, id };
  const pieces = await keyhold.db('export_pieces').where({ export_id: id }).pluck('sealed');
  expect(pieces.length).toBeGreaterThan(60);
  for (const sealed of pieces) expect(String(sealed)).not.toMatch(/ada|example|account/);
  const copy = await openExport(keyhold.db, keyring, key);
  expect(copy).toBeDefined();
  /* A piece in another's place opens nothing. */
  const [first, second] = await keyhold
    .db('export_pieces')
    .where({ export_id: id, nr: 0 })
    .orderBy('file')
    .limit(2);
  const swap = (file: number, sealed: Buffer) =>
    keyhold.db('export_pieces').where({ export_id: id, nr: 0, file }).update({ sealed });
  await swap(first.file, second.sealed);
  if (copy) await expect(zipOf(keyhold.db, copy).then(drained)).rejects.toThrow(/authenticate/);
  await swap(first.file, first.sealed);
  const owner = await keyhold.db('subject_keys').where({ account_id: accountId }).first();
  await keyhold.db('subject_keys').where({ account_id: accountId }).delete();
  expect(await openExport(keyhold.db, keyring, key)).toBeUndefined();
  await keyhold.db('subject_keys').insert(owner);
});

test('after seven days it can be fetched no more, whether the job has run or not, and then nothing of it is left', async () => {
  const id = await newestId();
  await keyhold
    .db('exports')
    .where({ id })
    .update({ expires_at: new Date(Date.now() - 1000) });
  const { answer } = await fetched(ada, `/account/data/copies/${id}/file`);
  expect(answer.status).toBe(409);
  await sweepExports(keyhold.db).run({}, aTry());
  expect(await stateOf(id)).toBe('expired');
  for (const table of ['export_pieces', 'export_files']) {
    expect([table, await keyhold.db(table).where({ export_id: id })]).toEqual([table, []]);
  }
  expect((await keyhold.db('exports').where({ id }).first()).sealed).toBeNull();
  expect((await eventsOf(id)).at(-1)).toBe('export.expired');
  await keyhold
    .db('exports')
    .where({ id })
    .update({ ended_at: new Date(Date.now() - 366 * 86_400_000) });
  await sweepExports(keyhold.db).run({}, aTry());
  expect(await stateOf(id)).toBeUndefined();
});

test('an app that is let asks, looks, fetches and deletes by the API, and its asking is told of like any other', async () => {
  const token = await accountToken(keyhold, ada, app, EVERY_SCOPE);
  const call = async (method: string, path = '', body?: object) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const init = { method, headers, ...(body && { body: JSON.stringify(body) }) };
    return fetch(at(`/api/me/exports${path}`), init);
  };
  const told = await noticesOf('export_asked');
  const asked = await call('POST', '', { scope: 'portability' });
  expect(asked.status).toBe(202);
  const { id } = (await asked.json()) as { readonly id: string };
  expect(await noticesOf('export_asked')).toBe(told + 2);
  await until(async () => (await stateOf(id)) === 'ready');
  const file = await call('GET', `/${id}/file`);
  expect([...(await unzip(Buffer.from(await file.arrayBuffer()))).keys()]).toContain('data/profile.json');
  const left = await keyhold.db('disclosures').where({ account_id: accountId, claim: 'account:exports' });
  expect(left.length).toBeGreaterThan(0);
  expect((await call('DELETE', `/${id}`)).status).toBe(204);
  expect([(await call('GET', `/${id}/file`)).status, await stateOf(id)]).toEqual([409, 'removed']);
  await signedIn(600);
  const stale = await accountToken(keyhold, ada, app, EVERY_SCOPE);
  for (const [method, path] of [
    ['POST', '/api/me/exports'],
    ['GET', `/api/me/exports/${id}/file`],
  ] as const) {
    const headers = { authorization: `Bearer ${stale}`, 'content-type': 'application/json' };
    const body = method === 'POST' ? { body: JSON.stringify({ scope: 'access' }) } : {};
    expect([path, (await fetch(at(path), { method, headers, ...body })).status]).toEqual([path, 401]);
  }
  await signedIn(0);
});

/* From here on nobody runs jobs but the test. */

async function asked(scope: ExportScope = 'access') {
  await anotherDay();
  keyhold.retire();
  const [ended_at, over] = [new Date(), { account_id: accountId }];
  await keyhold
    .db('exports')
    .where(over)
    .whereIn('state', ['waiting', 'running'])
    .update({ state: 'cancelled', ended_at });
  const wish = { accountId, scope, language: 'en' };
  const done = await openWork(keyhold.db, { kind: 'person', id: accountId }, work =>
    askExport(work, keyring, wish),
  );
  if (done.outcome !== 'asked') throw new Error(done.outcome);
  return { accountId, id: done.id };
}

const aProcess = () => copyJob(keyhold.db, keyring, keyhold.issuer);

test('one at a time, three in a day, counted in the database', async () => {
  const first = await asked();
  await ada.goto(at('/account/data/copy'));
  await ada.press('Ask for a copy');
  expect([ada.page.status, ada.page.text.includes('A copy is being made already.')]).toEqual([409, true]);
  for (const _ of [1, 2]) {
    await ada.goto(at('/account/data'));
    await ada.press('Stop making it');
    expect(ada.page.text).toContain('It is not made any more.');
    await ada.goto(at('/account/data/copy'));
    await ada.press('Ask for a copy');
    expect(ada.page.status).toBe(200);
  }
  expect(await stateOf(first.id)).toBe('cancelled');
  await ada.goto(at('/account/data'));
  await ada.press('Stop making it');
  await ada.goto(at('/account/data/copy'));
  await ada.press('Ask for a copy');
  expect([ada.page.status, ada.page.text.includes('as many copies as we make in a day')]).toEqual([
    429,
    true,
  ]);
});

test('a try that is cut off anywhere leaves nothing half done: whoever goes on ends with the same, and tells once', async () => {
  const key = await asked();
  const before = await noticesOf('export_ready');
  for (let step = 1; (await stateOf(key.id)) !== 'ready' && step < 200; step += 1) {
    const cut = new AbortController();
    const run = aProcess().run(key, aTry(cut.signal));
    /* Cut as soon as one more step is on record. */
    const cutting = until(async () => {
      const { step: now, state } = await keyhold.db('exports').where({ id: key.id }).first();
      return now >= step * 9 || state === 'ready';
    }).finally(() => cut.abort());
    await Promise.all([run.catch(error => expect(error.name).toBe('AbortError')), cutting]);
  }
  const copy = await openExport(keyhold.db, keyring, key);
  expect(copy?.state).toBe('ready');
  if (!copy) return;
  const files = await unzip(await drained(await zipOf(keyhold.db, copy)));
  const manifest = manifestSchema.parse(JSON.parse(String(files.get('manifest.json'))));
  expect(new Set(manifest.files.map(({ path }) => path)).size).toBe(manifest.files.length);
  expect(await noticesOf('export_ready')).toBe(before + 2);
});

test('two processes that make the same copy at once make it once', async () => {
  const key = await asked();
  const before = await noticesOf('export_ready');
  await Promise.all([aProcess().run(key, aTry()), aProcess().run(key, aTry())]);
  for (let more = 0; (await stateOf(key.id)) !== 'ready' && more < 5; more += 1)
    await aProcess().run(key, aTry());
  expect(await stateOf(key.id)).toBe('ready');
  const files = await keyhold.db('export_files').where({ export_id: key.id }).pluck('path');
  expect(new Set(files).size).toBe(files.length);
  expect((await eventsOf(key.id)).filter(type => type === 'export.ready')).toHaveLength(1);
  expect(await noticesOf('export_ready')).toBe(before + 2);
});

test('a process that makes one copy puts another off', async () => {
  const key = await asked();
  const job = aProcess();
  const running = job.run(key, aTry());
  await job.run(key, aTry());
  const waiting = await keyhold
    .db('graphile_worker.jobs')
    .where({ task_identifier: 'make-export' })
    .pluck('run_at');
  expect(waiting.some(run => run > new Date())).toBe(true);
  await running;
  expect(await stateOf(key.id)).toBe('ready');
});

test('an account that is frozen or closed meanwhile is copied no further, and one that is gone leaves nothing', async () => {
  for (const end of ['frozen', 'closed'] as const) {
    const key = await asked();
    await openWork(keyhold.db, { kind: 'system' }, async work => {
      await (end === 'frozen' ? freezeAccount(work, accountId) : setAccountState(work, accountId, end));
    });
    await aProcess().run(key, aTry());
    expect([end, await stateOf(key.id)]).toEqual([end, 'stopped']);
    expect(await keyhold.db('export_files').where({ export_id: key.id })).toEqual([]);
    expect((await eventsOf(key.id)).at(-1)).toBe('export.stopped');
    await openWork(keyhold.db, { kind: 'system' }, work => setAccountState(work, accountId, 'active'));
  }
  const key = { accountId, id: '019f0000-0000-7000-8000-00000000000a' };
  await expect(aProcess().run(key, aTry())).resolves.toBeUndefined();
});

test('ten thousand things that happened are read and held in stretches of five hundred', async () => {
  await keyhold.db.raw(
    `INSERT INTO events (id, at, type, actor_kind, actor_id, account_id, detail)
     SELECT CAST(lpad(to_hex(1700000000000 + n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0') AS uuid),
       to_timestamp(1700000000 + n / 1000.0), 'session.authenticated', 'person', :accountId, CAST(:accountId AS uuid), '{}'
     FROM generate_series(1, 10000) n`,
    { accountId },
  );
  const reading = {
    db: keyhold.db,
    keyring,
    issuer: new URL(keyhold.issuer),
    profile: await openSchema(keyhold.db),
  };
  const history = (await filesOf(reading, { accountId, scope: 'access' })).find(
    ({ name }) => name === 'history',
  );
  if (!history) throw new Error('there is no history');
  const held: number[] = [];
  const counting: typeof history = {
    ...history,
    page: async (after, limit) => {
      const page = await history.page(after, limit);
      held.push(page.records.length);
      return page;
    },
  };
  const { files, rows } = await writePart(
    counting,
    { file: 'history', part: 1 },
    new AbortController().signal,
  );
  expect(rows).toBeGreaterThan(10_000);
  expect(Math.max(...held)).toBe(500);
  for (const { pieces } of files) for (const piece of pieces) expect(piece.length).toBeLessThan(600_000);
});
