import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { LIST_REMEMBERED } from '../../src/domain/factors/store.js';
import { LIST_LIVE_SESSIONS } from '../../src/oidc/live-sessions.js';
import { openTestDatabase, type TestDatabase } from '../support/database.js';
import { inDatabase, type TestCluster } from '../support/global-setup.js';

// However many sessions, tokens and remembered browsers there are, a page of a list reads about as many rows as it shows.

const MANY = 20_000;
const PAGE = 21;

let database: TestDatabase;
const accountId = uuidv7();
const now = Math.floor(Date.now() / 1000);

beforeAll(async () => {
  database = await openTestDatabase();
  const { db } = database;
  await db('accounts').insert({
    id: accountId,
    state: 'active',
    language: 'en',
    opened_at: new Date(),
    updated_at: new Date(),
  });
  await db.raw(
    `INSERT INTO sessions (uid, id_digest, id_sealed, account_id, device, login_ts, issued_at, expires_at, authorizations)
     SELECT 's' || n, sha256(('s' || n)::bytea), '', CASE WHEN n % 2 = 0 THEN :accountId::uuid ELSE gen_random_uuid() END,
       gen_random_uuid(), :now::bigint - n, :now, :now::bigint + 100000,
       jsonb_build_object('app', jsonb_build_object('grantId', 'g' || n))
     FROM generate_series(1, ${MANY}) n`,
    { accountId, now },
  );
  await db.raw(
    `INSERT INTO grants (id, account_id, client_id, issued_at, expires_at)
     SELECT 'g' || n, :accountId, 'app', :now, :now::bigint + 100000 FROM generate_series(1, ${MANY}) n`,
    { accountId, now },
  );
  await db.raw(
    `INSERT INTO refresh_tokens (digest, grant_id, account_id, client_id, issued_at, expires_at)
     SELECT sha256(('t' || n)::bytea), 'g' || (n % 40 + 1), :accountId, 'app', :now::bigint + n, :now::bigint + 100000
     FROM generate_series(1, ${MANY}) n`,
    { accountId, now },
  );
  await db.raw(
    `INSERT INTO remembered_browsers (account_id, digest, remembered_at, expires_at)
     SELECT :accountId, sha256(n::text::bytea), now(), now() + interval '1 day' FROM generate_series(1, ${MANY / 10}) n`,
    { accountId },
  );
  const { superuserUrl }: TestCluster = JSON.parse(process.env['KEYHOLD_TEST_CLUSTER'] ?? '{}');
  const owner = new pg.Client({
    connectionString: inDatabase(superuserUrl, new URL(database.url).pathname.slice(1)),
  });
  await owner.connect();
  await owner.query('VACUUM ANALYZE sessions, grants, refresh_tokens, remembered_browsers');
  await owner.end();
}, 60_000);

afterAll(() => database?.close());

interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly Plan[];
}

/** What was read of each table, whatever came of it, and which were read through. */
async function readBy(statement: string, bindings: object) {
  const explained = await database.db.raw(`EXPLAIN (ANALYZE, FORMAT JSON) ${statement}`, bindings as never);
  const read = new Map<string, number>();
  const through: string[] = [];
  const look = (plan: Plan) => {
    const table = plan['Relation Name'];
    const rows = (plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0)) * plan['Actual Loops'];
    if (table) read.set(table, (read.get(table) ?? 0) + rows);
    if (table && plan['Node Type'] === 'Seq Scan') through.push(table);
    for (const part of plan.Plans ?? []) look(part);
  };
  look(explained.rows[0]['QUERY PLAN'][0].Plan);
  return { read, through };
}

const asked = { accountId, device: null, first: 's2', from: now + 1, uid: '', limit: PAGE };

test.each([
  ['the first page', asked],
  ['a later page', { ...asked, from: now - 200, uid: 's200' }],
])('%s of sessions reads no more than it shows, of the tokens of each the newest', async (_, bindings) => {
  const { read, through } = await readBy(LIST_LIVE_SESSIONS, bindings);
  expect(through).toEqual([]);
  expect(read.get('grants')).toBeLessThanOrEqual(PAGE + 1);
  expect(read.get('refresh_tokens') ?? 0).toBeLessThanOrEqual(PAGE + 1);
  /* Beside the page itself, each of its sessions looks at the later ones of the account for one on the same device. */
  expect(read.get('sessions')).toBeLessThanOrEqual(PAGE * (PAGE + 100));
});

test('a page of remembered browsers reads no more than it shows', async () => {
  const { read, through } = await readBy(LIST_REMEMBERED, {
    accountId,
    since: new Date(0),
    before: 'ffffffff-ffff-ffff-ffff-ffffffffffff',
    limit: PAGE,
  });
  expect(through).toEqual([]);
  expect(read.get('remembered_browsers')).toBeLessThanOrEqual(PAGE);
});
