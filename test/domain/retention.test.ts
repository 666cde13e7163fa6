import { randomBytes, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { listHeld } from '../../src/domain/purposes/purposes.js';
import { inDatabase, type TestCluster } from '../support/global-setup.js';
import { until } from '../support/jobs.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';

// profile/held.json says of each table how long it is kept. Here the jobs that it names run, and do just that.

const MINUTE = 60_000;
const DAY = 1_440 * MINUTE;
const at = (ms: number) => new Date(Date.now() + ms);
const seconds = (ms: number) => Math.floor((Date.now() + ms) / 1_000);

type Row = Readonly<Record<string, unknown>>;

/** Of each table a row whose time is over, and one whose time is not; and what both of them need to be rows at all. */
const ROWS: Readonly<Record<string, readonly [over: Row, kept: Row, both?: Row]>> = {
  access_tokens: [{ expires_at: seconds(-MINUTE) }, { expires_at: seconds(DAY) }],
  refresh_tokens: [{ expires_at: seconds(-MINUTE) }, { expires_at: seconds(DAY) }],
  device_codes: [{ expires_at: seconds(-MINUTE) }, { expires_at: seconds(DAY) }],
  grants: [{ expires_at: seconds(-MINUTE) }, { expires_at: seconds(DAY) }],
  sessions: [{ ended_at: at(-2 * DAY) }, { ended_at: at(-DAY / 2) }, { expires_at: seconds(DAY) }],
  attempts: [{ window_ends_at: at(-MINUTE) }, { window_ends_at: at(DAY) }],
  known_browsers: [{ expires_at: at(-MINUTE) }, { expires_at: at(DAY) }],
  email_proofs: [{ expires_at: at(-2 * 60 * MINUTE) }, { expires_at: at(-MINUTE) }, { purpose: 'sign-up' }],
  contact_changes: [
    { undo_until: at(-8 * DAY) },
    { undo_until: at(-6 * DAY) },
    { kind: 'email', what: 'added' },
  ],
  corrections: [{ settled_at: at(-366 * DAY) }, { settled_at: at(-364 * DAY) }, { state: 'done' }],
  objections: [{ expires_at: at(-31 * DAY) }, { expires_at: at(-29 * DAY) }, { about: 'recovery' }],
  passkey_challenges: [
    { expires_at: at(-MINUTE) },
    { expires_at: at(DAY) },
    { purpose: 'authentication', account_id: null },
  ],
  moves: [{ ended_at: at(-31 * DAY) }, { ended_at: at(-29 * DAY) }, { state: 'finished' }],
  messages: [
    { queued_at: at(-1_096 * DAY) },
    { queued_at: at(-1_094 * DAY) },
    { kind: 'account', channel: 'email', state: 'sent', topic: null, opt_in: null },
  ],
  recoveries: [{ ended_at: at(-91 * DAY) }, { ended_at: at(-89 * DAY) }, { state: 'stopped', look_at: null }],
  rights_mandates: [{ expires_at: at(-740 * DAY) }, { expires_at: at(-700 * DAY) }],
  rights_requests: [
    { decided_at: at(-740 * DAY) },
    { decided_at: at(-700 * DAY) },
    { kind: 'access', state: 'done' },
  ],
  remembered_browsers: [{ expires_at: at(-MINUTE) }, { expires_at: at(DAY) }],
  profile_attributes: [{ attribute: 'declared_no_more' }, { attribute: 'nickname', value: '"Ada"' }],
  profile_changes: [
    { asked_at: at(-400 * DAY) },
    { asked_at: at(-80 * DAY) },
    { state: 'done', value_before: null },
  ],
  federated_requests: [
    { expires_at: at(-2 * 60 * MINUTE) },
    { expires_at: at(-MINUTE) },
    { purpose: 'sign-in', provider_version: 1 },
  ],
  federated_sessions: [{ began_at: at(-32 * DAY) }, { began_at: at(-30 * DAY) }],
  federation_trials: [{ expires_at: at(-MINUTE) }, { expires_at: at(DAY) }],
  saml_requests: [{ expires_at: at(-MINUTE) }, { expires_at: at(DAY) }],
  disclosures: [{ replaces: null }, { replaces: null }],
};

/** Which test shows the same of a table whose end is more than one moment in one row. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  commands: 'test/domain/commands',
  consent_ledger: 'test/domain/consent-limitation.test.ts',
  consent_orphans: 'test/domain/consent-limitation.test.ts',
  deletions: 'test/journeys/privacy/deletion.test.ts',
  events: 'test/domain/audit/forgetting.test.ts',
  export_files: 'test/journeys/privacy/exports.test.ts',
  imports: 'test/journeys/privacy/import.test.ts',
  export_pieces: 'test/journeys/privacy/exports.test.ts',
  exports: 'test/journeys/privacy/exports.test.ts',
  mailbox: 'test/platform/mail.test.ts',
};

const { tables, retained } = listHeld();
const byJob = Object.entries(retained).flatMap(([table, rule]) => {
  const [, job] = /^by ([a-z-]+):/.exec(rule) ?? [];
  return job === undefined ? [] : [{ table, job, slotted: rule.includes('with its slot') }];
});

let keyhold: TestKeyhold;
let superuser: pg.Client;

beforeAll(async () => {
  keyhold = await startKeyhold();
  const cluster: TestCluster = JSON.parse(process.env['KEYHOLD_TEST_CLUSTER'] ?? '{}');
  const name = new URL(keyhold.config.databaseUrl).pathname.slice(1);
  superuser = new pg.Client({ connectionString: inDatabase(cluster.superuserUrl, name) });
  await superuser.connect();
  await superuser.query('SET session_replication_role = replica');
});

afterAll(async () => {
  await superuser?.end();
  await keyhold?.close();
});

test('every table about people says how long it is kept (profile/held.json), and by which of our jobs or with what', () => {
  const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(file =>
    file.endsWith('.ts'),
  );
  const text = sources.map(file => readFileSync(`src/${file}`, 'utf8')).join('\n');
  expect(Object.keys(tables).filter(table => !retained[table])).toEqual([]);
  expect(byJob.filter(({ job }) => !text.includes(`name: '${job}'`) && job !== 'send-mail')).toEqual([]);
  const with_ = Object.values(retained).flatMap(rule => /^with ([a-z_]+)$/.exec(rule)?.[1] ?? []);
  expect(with_.filter(table => retained[table] === undefined)).toEqual([]);
});

test('whatever a job is named for is tried here, or by a test that is named here', () => {
  const expected = byJob.filter(({ slotted }) => !slotted).map(({ table }) => table);
  expect([...Object.keys(ROWS), ...Object.keys(ELSEWHERE)].sort()).toEqual(expected.sort());
  for (const path of Object.values(ELSEWHERE)) {
    const files = path.endsWith('.ts') ? [path] : readdirSync(path).map(file => `${path}/${file}`);
    const said = files.map(file => readFileSync(file, 'utf8')).join('\n');
    const held = Object.entries(ELSEWHERE).filter(([, where]) => where === path);
    for (const [table] of held) expect([table, said.includes(table)]).toEqual([table, true]);
  }
});

test('what ends with its slot is among what is emptied with it', async () => {
  const { rows } = await keyhold.db.raw(
    `SELECT pg_get_functiondef('keyhold_empty_slot(smallint)'::regprocedure) AS source`,
  );
  for (const { table } of byJob.filter(({ slotted }) => slotted))
    expect(rows[0].source).toContain(`${table}_`);
});

/** Puts in a row of whatever the columns take, without asking what it belongs to. */
async function insert(table: string, row: Row): Promise<string> {
  const { rows } = await superuser.query(
    `SELECT column_name AS name, data_type AS type FROM information_schema.columns
     WHERE table_schema = 'public' AND table_name = $1 AND is_nullable = 'NO' AND column_default IS NULL`,
    [table],
  );
  const needed = Object.fromEntries(rows.map(({ name, type }) => [name, somethingOf(type)]));
  const all = Object.entries({ ...needed, ...row });
  const { rows: put } = await superuser.query(
    `INSERT INTO ${table} (${all.map(([name]) => name)}) VALUES (${all.map((_, nr) => `$${nr + 1}`)})
     RETURNING ${await keyOf(table)} AS key`,
    all.map(([, value]) => value),
  );
  return put[0].key;
}

/* An update moves a row; its primary key stays. */
async function keyOf(table: string): Promise<string> {
  const { rows } = await superuser.query(
    `SELECT string_agg(format('%I::text', a.attname), ', ') AS columns FROM pg_index i
     JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
     WHERE i.indrelid = $1::regclass AND i.indisprimary`,
    [table],
  );
  return `concat_ws(' ', ${rows[0].columns})`;
}

function somethingOf(type: string): unknown {
  if (type === 'uuid') return randomUUID();
  if (type === 'bytea') return randomBytes(32);
  if (type === 'boolean') return false;
  if (type.startsWith('timestamp')) return new Date();
  if (type === 'jsonb') return '{}';
  if (type === 'ARRAY') return [];
  return /int|numeric/.test(type) ? 1 : randomUUID();
}

test('the jobs remove what is over and leave what is not', async () => {
  const put = new Map<string, readonly string[]>();
  for (const [table, [over, kept, both = {}]] of Object.entries(ROWS)) {
    if (table === 'disclosures') continue;
    put.set(table, [await insert(table, { ...both, ...over }), await insert(table, { ...both, ...kept })]);
  }
  /* What was told first is over once it has been replaced for long enough. */
  const told = { account_id: randomUUID(), claim: 'name', way: 'userinfo', at: at(-1_200 * DAY) };
  const [first, second, third] = [randomUUID(), randomUUID(), randomUUID()];
  const over = await insert('disclosures', { ...told, id: first });
  const kept = await insert('disclosures', { ...told, id: second, replaces: first, at: at(-1_096 * DAY) });
  await insert('disclosures', { ...told, id: third, replaces: second, at: at(-1_094 * DAY) });
  put.set('disclosures', [over, kept]);

  const jobs = [...new Set(byJob.map(({ job }) => job))].filter(job => job !== 'send-mail');
  const specs = jobs.map(identifier => ({ identifier, payload: {}, jobKey: identifier }));
  await keyhold.db.raw('SELECT keyhold_add_jobs(?::jsonb)', [JSON.stringify(specs)]);
  const waiting = () =>
    keyhold.db('graphile_worker.jobs').whereIn('task_identifier', jobs).where('run_at', '<=', new Date());
  await until(async () => (await waiting()).length === 0);

  for (const [table, keys] of put) {
    const { rows } = await superuser.query(`SELECT ${await keyOf(table)} AS key FROM ${table}`);
    const left = rows.map(({ key }) => key);
    expect([table, ...keys.map(key => left.includes(key))]).toEqual([table, false, true]);
  }
});
