import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { LATEST, LIVE } from '../../../src/domain/consents/store.js';
import { USES_BY_APP } from '../../../src/oidc/last-use.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';
import { inDatabase, type TestCluster } from '../../support/global-setup.js';

// However many people, consents and sign-ins there are, the apps of one person are found by an index.

const MANY = 20_000;
const OTHER = "lpad(to_hex(n % 5000), 32, '0')::uuid";

let database: TestDatabase;
const accountId = uuidv7();

beforeAll(async () => {
  database = await openTestDatabase();
  const { superuserUrl }: TestCluster = JSON.parse(process.env['KEYHOLD_TEST_CLUSTER'] ?? '{}');
  const connectionString = inDatabase(superuserUrl, new URL(database.url).pathname.slice(1));
  const owner = new pg.Client({ connectionString });
  await owner.connect();
  await owner.query(`SET session_replication_role = replica;
    INSERT INTO grants (id, account_id, client_id, issued_at, expires_at)
      SELECT 'g' || n, ${OTHER}, 'app', 1, 2000000000 FROM generate_series(1, ${MANY}) n;
    INSERT INTO refresh_tokens (digest, grant_id, account_id, client_id, issued_at, expires_at)
      SELECT sha256(('t' || n)::bytea), 'g' || n, ${OTHER}, 'app', 1, 2000000000 FROM generate_series(1, ${MANY}) n;
    INSERT INTO events (id, at, type, actor_kind, account_id)
      SELECT gen_random_uuid(), now(), 'session.authenticated', 'person', ${OTHER} FROM generate_series(1, ${MANY}) n;
    INSERT INTO consents (account_id, client_id, id, scopes, claims, refused_scopes, refused_claims, language, given_at)
      SELECT ${OTHER}, 'app_' || n, gen_random_uuid(), '{openid}', '{}', '{}', '{}', 'en', now() FROM generate_series(1, ${MANY}) n;
    INSERT INTO consent_subjects (account_id, subject, events)
      SELECT ${OTHER}, gen_random_uuid(), 4 FROM generate_series(1, 5000) n;
    INSERT INTO consent_ledger (subject, nr, id, client_id, event, state, at, by_kind, method)
      SELECT subject, nr, gen_random_uuid(), 'app', 'given', 'dpv:ConsentGiven', now(), 'person', 'consent_page'
      FROM consent_subjects, generate_series(1, 4) nr;
    ANALYZE grants, refresh_tokens, events, consents, consent_subjects, consent_ledger`);
  await owner.end();
}, 60_000);

afterAll(() => database?.close());

test.each([
  ['what somebody allows', LIVE, { clientId: null, after: null, limit: 51 }],
  ['what they allow after an app', LIVE, { clientId: null, after: 'app_7', limit: 51 }],
  ['what they answered about one app', LATEST, { clientId: 'app', before: 1_000, limit: 21 }],
  ['when they used which app', USES_BY_APP, { clientId: null }],
])('%s is read by an index, and no table of everybody from end to end', async (_what, sql, named) => {
  const { rows } = await database.db.raw(`EXPLAIN ${sql}`, { accountId, ...named });
  const plan = rows.map((row: Record<string, string>) => row['QUERY PLAN']).join('\n');
  expect(plan).toMatch(/Index/);
  expect(plan).not.toMatch(/Seq Scan on (?:grants|refresh_tokens|events|consent)/);
});
