import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { openStatementPool, type StatementPool } from '../../src/platform/storage/db.js';
import { personAt, signIn, signUp } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

interface Statement {
  readonly name: string;
  readonly text: string;
}

const EMAIL = 'plans@example.test';
const heard = new Map<string, string>();
const original = pg.Client.prototype.query;
let keyhold: TestKeyhold;
let app: RelyingParty;
let pool: StatementPool;

/** Every named statement that the main job sends, by its name. */
function listen(): void {
  const listening = function (this: pg.Client, ...parameters: readonly unknown[]) {
    const [query] = parameters;
    if (
      query &&
      typeof query === 'object' &&
      'name' in query &&
      'text' in query &&
      String(query.name).startsWith('kh_')
    ) {
      heard.set(String(query.name), String(query.text));
    }
    return Reflect.apply(original, this, parameters);
  };
  Object.assign(pg.Client.prototype, { query: listening });
}

beforeAll(async () => {
  keyhold = await startKeyhold({ RATE_LIMITS: 'on' });
  app = await openRelyingParty(keyhold);
  listen();
  const first = personAt(keyhold);
  await signUp(first, app, EMAIL);
  await first.press('Allow');
  const person = personAt(keyhold);
  await person.goto(await app.authorizationUrl());
  await signIn(person, EMAIL);
  await person.goto(await app.authorizationUrl());
  const tokens = await app.refresh((await app.exchange()).refresh_token ?? '');
  await app.userInfo(tokens);
  await app.introspect(tokens.access_token);
  await app.revoke(tokens.access_token);
  Object.assign(pg.Client.prototype, { query: original });
  pool = openStatementPool(keyhold.config.databaseUrl);
}, 60_000);

afterAll(async () => {
  Object.assign(pg.Client.prototype, { query: original });
  await pool?.end();
  await app?.close();
  await keyhold?.close();
});

/** The statements whose plan, as the server makes it, reads a table from one end to the other. */
async function readingThrough(): Promise<readonly Statement[]> {
  const found: Statement[] = [];
  const client = await pool.connect();
  try {
    for (const [name, text] of heard) {
      await client.query(`PREPARE ${name} AS ${text}`);
      const { rows } = await client.query<{ count: number }>(
        `SELECT cardinality(parameter_types) AS count FROM pg_prepared_statements WHERE name = '${name}'`,
      );
      const nothing = Array(Number(rows[0]?.count)).fill('NULL').join(', ');
      const plan = await client.query<{ 'QUERY PLAN': string }>(
        `EXPLAIN EXECUTE ${name}${nothing === '' ? '' : `(${nothing})`}`,
      );
      const lines = plan.rows.map(row => row['QUERY PLAN']).join('\n');
      if (/Seq Scan/.test(lines)) found.push({ name, text: `${text}\n${lines}` });
      await client.query(`DEALLOCATE ${name}`);
    }
  } finally {
    client.release();
  }
  return found;
}

test('no hot statement reads a table through while tables are empty or nearly so', async () => {
  expect(heard.size).toBeGreaterThan(12);
  expect(await readingThrough()).toEqual([]);
});

test('nor where there are many rows, and the planner knows', async () => {
  const owner = new pg.Client({ connectionString: keyhold.config.migrationDatabaseUrl });
  await owner.connect();
  /* As many again of each, under other keys. */
  await owner.query(`
    INSERT INTO grants SELECT (jsonb_populate_record(g, jsonb_build_object('id', 'bench-' || i))).*
      FROM (SELECT g FROM grants g LIMIT 1) one, generate_series(1, 5000) i;
    INSERT INTO attempts (subject, count, window_ends_at)
      SELECT 'bench-' || i, 1, now() + interval '1 hour' FROM generate_series(1, 5000) i;
    INSERT INTO access_tokens SELECT (jsonb_populate_record(t, jsonb_build_object(
      'digest', '\\x' || md5(i::text) || md5(i::text)))).*
      FROM (SELECT t FROM access_tokens t LIMIT 1) one, generate_series(1, 5000) i;
    INSERT INTO refresh_tokens SELECT (jsonb_populate_record(t, jsonb_build_object(
      'digest', '\\x' || md5(i::text) || md5(i::text)))).*
      FROM (SELECT t FROM refresh_tokens t LIMIT 1) one, generate_series(1, 5000) i;
    INSERT INTO sessions SELECT (jsonb_populate_record(s, jsonb_build_object(
      'uid', 'bench-' || i, 'id_digest', '\\x' || md5(i::text) || md5(i::text)))).*
      FROM (SELECT s FROM sessions s LIMIT 1) one, generate_series(1, 5000) i;
    ANALYZE`);
  await owner.end();
  expect(await readingThrough()).toEqual([]);
});
