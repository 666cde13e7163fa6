import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { openScope, type RequestScope } from '../../src/oidc/request-scope.js';
import { endSession } from '../../src/oidc/session.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { digest } from '../../src/platform/crypto/tokens.js';
import { openStatementPool, type StatementPool } from '../../src/platform/storage/db.js';
import { openWork } from '../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../support/database.js';

const keyring = openKeyring(randomBytes(32).toString('base64'));
const now = () => Math.floor(Date.now() / 1000);

let database: TestDatabase;
let pool: StatementPool;
let uid: string;
let browser: Buffer;

beforeAll(async () => {
  database = await openTestDatabase();
  pool = openStatementPool(database.url);
});

afterAll(async () => {
  await pool?.end();
  await database?.close();
});

beforeEach(async () => {
  browser = digest(randomBytes(32).toString('base64url'));
  uid = await newSession(browser);
});

const scopeOf = () => openScope(pool, keyring, {});
const rowOf = (id: string) => database.db('sessions').where({ uid: id }).first();
const end = () => openWork(database.db, { kind: 'operator' }, work => endSession(work, uid, 'operator'));

async function newSession(where: Buffer): Promise<string> {
  const id = randomBytes(12).toString('hex');
  const scope = scopeOf();
  scope.browser.renamed = where;
  const account = '019ac1d2-6f3c-7c1e-9d8a-2f6b8d7c1e55';
  scope.writes.putSession({
    uid: id,
    jti: randomBytes(16).toString('hex'),
    accountId: account,
    loginTs: now(),
    iat: now(),
    exp: now() + 600,
    authorizations: { first: { sid: '1' } },
  });
  await scope.flush();
  return id;
}

/** A request that has read the session and lets one more app in, and is not written yet. */
async function joining(client: string, scope: RequestScope = scopeOf()): Promise<RequestScope> {
  const session = await scope.sessionByUid(uid);
  const authorizations = { ...(session?.['authorizations'] as object), [client]: { sid: client } };
  scope.writes.putSession({ ...session, authorizations });
  return scope;
}

test('apps that two requests let in at once are both kept', async () => {
  const requests = [await joining('second'), await joining('third')];
  for (const request of requests) await request.flush();
  expect(Object.keys((await rowOf(uid)).authorizations).sort()).toEqual(['first', 'second', 'third']);
  const again = [await joining('fourth'), await joining('fifth')];
  await Promise.all(again.map(request => request.flush()));
  expect(Object.keys((await rowOf(uid)).authorizations)).toHaveLength(5);
});

test('a session that has ended is not revived by a request that read it before', async () => {
  const request = await joining('second');
  expect(await end()).toBe(true);
  const before = await rowOf(uid);
  await expect(request.flush()).rejects.toMatchObject({ name: 'FlushConflict', model: 'Session' });
  expect(await rowOf(uid)).toEqual(before);
  expect(before.ended_reason).toBe('operator');
  expect(await scopeOf().sessionByUid(uid)).toBeUndefined();
  expect(await end()).toBe(false);
});

/** A request in which somebody signs in again, or somebody else does: the browser gets a new name. */
async function signingIn(mine: string | undefined, from: Buffer): Promise<RequestScope> {
  const scope = scopeOf();
  scope.browser.people = from;
  scope.browser.renamed = digest(randomBytes(32).toString('base64url'));
  const session = mine === undefined ? undefined : await scope.sessionByUid(mine);
  scope.writes.putSession({
    uid: randomBytes(12).toString('hex'),
    iat: now(),
    exp: now() + 600,
    accountId: '019ac1d2-6f3c-7c1e-9d8a-2f6b8d7c1e56',
    loginTs: now(),
    ...session,
    jti: randomBytes(16).toString('hex'),
  });
  return scope;
}

test('everybody moves along when a browser is renamed, and whoever comes under a former name is turned back', async () => {
  const other = await newSession(browser);
  const [first, late] = [await signingIn(undefined, browser), await signingIn(undefined, browser)];
  await first.flush();
  const moved = first.browser.renamed as Buffer;
  for (const id of [uid, other]) {
    const row = await rowOf(id);
    expect([row.browser.equals(moved), row.browser_before.equals(browser)]).toEqual([true, true]);
  }
  await expect(late.flush()).rejects.toMatchObject({ model: 'Browser' });
  await (await signingIn(undefined, moved)).flush();
});

test('two who rename a browser at the same moment do so one after the other', async () => {
  const results = await Promise.allSettled(
    (await Promise.all([signingIn(undefined, browser), signingIn(undefined, browser)])).map(each =>
      each.flush(),
    ),
  );
  expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
});

test('whoever signs in again moves to the new name alone; under the former one they are gone at once', async () => {
  const other = await newSession(browser);
  const [again, late] = [await signingIn(uid, browser), await signingIn(uid, browser)];
  await again.flush();
  const row = await rowOf(uid);
  expect(row.browser.equals(again.browser.renamed as Buffer)).toBe(true);
  expect(row.browser_before).toBeNull();
  await expect(late.flush()).rejects.toMatchObject({ name: 'FlushConflict' });
  const formerly = scopeOf();
  formerly.browser.people = browser;
  expect(await formerly.people(false)).toEqual([]);
  const silent = scopeOf();
  silent.browser.people = browser;
  expect(await silent.people(true)).toEqual([other]);
});
