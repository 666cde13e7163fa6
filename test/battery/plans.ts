import * as openid from 'openid-client';
import pg from 'pg';
import { openStatementPool } from '../../src/platform/storage/db.js';
import { personAt, signIn, signUp } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { postScript, postStep, signUpWithPasskey, toRecoveryCredential } from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';
import type { Rig } from './rig.js';

const ADA = 'ada@plans.test';
const BEA = 'bea@plans.test';

/** What the pages and the protocol asked of the database: the protocol's named statements, and all others. */
export interface Heard {
  readonly named: ReadonlyMap<string, string>;
  readonly others: ReadonlySet<string>;
}

/** Runs `act` and keeps each shape of statement that the server's own pools send meanwhile. */
export async function hearStatements(act: () => Promise<unknown>): Promise<Heard> {
  const named = new Map<string, string>();
  const others = new Set<string>();
  const original = pg.Client.prototype.query;
  const listening = function (this: pg.Client, ...parameters: readonly unknown[]) {
    const { connectionParameters } = this as unknown as {
      connectionParameters: { application_name?: string };
    };
    const query = (parameters[0] ?? {}) as { readonly name?: string; readonly text?: string };
    if (connectionParameters.application_name === 'keyhold' && query.text) {
      if (query.name?.startsWith('kh_')) named.set(query.name, query.text);
      else if (/^\s*(with|select|insert|update|delete)\b/i.test(query.text)) others.add(query.text);
    }
    return Reflect.apply(original, this, parameters);
  };
  Object.assign(pg.Client.prototype, { query: listening });
  try {
    await act();
  } finally {
    Object.assign(pg.Client.prototype, { query: original });
  }
  return { named, others };
}

/* "May I, now, for this purpose?" */
async function mayUse({ origin }: TestKeyhold, { client }: RelyingParty, sub: string): Promise<void> {
  const answer = await fetch(`${origin}/access/v1/evaluation`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Basic ${btoa(`${client.client_id}:${client.client_secret}`)}`,
    },
    body: JSON.stringify({
      subject: { type: 'user', id: sub },
      action: { name: 'use' },
      resource: { type: 'purpose', id: 'account' },
    }),
  });
  if (answer.status !== 200) throw new Error(await answer.text());
}

/** Signs up, in, on and out, recovers, chooses, lets a device in and pushes a request: what happens all day. */
export async function liveADay(keyhold: TestKeyhold): Promise<void> {
  const app = await openRelyingParty(keyhold, {
    grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  });
  const first = personAt(keyhold);
  await signUp(first, app, ADA);
  await first.press('Allow');
  const person = personAt(keyhold);
  await person.goto(await app.authorizationUrl());
  await signIn(person, ADA);
  await person.goto(await app.authorizationUrl());
  const tokens = await app.refresh((await app.exchange()).refresh_token ?? '');
  await app.userInfo(tokens);
  await app.introspect(tokens.access_token);
  await mayUse(keyhold, app, String(tokens.claims()?.sub));
  await app.revoke(tokens.access_token);
  const { searchParams } = await app.authorizationUrl();
  await person.goto(await openid.buildAuthorizationUrlWithPAR(app.configuration, searchParams));
  const device = await openid.initiateDeviceAuthorization(app.configuration, { scope: 'openid' });
  await openid
    .pollDeviceAuthorizationGrant(app.configuration, { ...device, interval: 0.01, expires_in: 1 })
    .catch(() => undefined);
  await person.goto(device.verification_uri_complete ?? '');
  await person.press('Continue');
  await person.press('Yes, this is my device');
  await person.goto(await app.authorizationUrl({ prompt: 'create' }));
  await signUp(person, app, BEA);
  await person.press('Allow');
  await person.goto(await app.authorizationUrl());
  await postScript(person, '/passkey/options');
  await person.press(person.page.buttons.find(button => button.includes(ADA)) ?? '');
  await person.goto(app.endSessionUrl());
  await person.goto(keyhold.origin);
  await person.press(`Sign out ${ADA}`);
  const lost = personAt(keyhold);
  await toRecoveryCredential(lost, app, ADA);
  await postStep(lost, '/recovery/password', { password: GOOD_PASSWORD });
  await signUpWithPasskey(personAt(keyhold), app, keyhold.origin, 'cleo@plans.test');
  const DPoP = openid.getDPoPHandle(app.configuration, await openid.randomDPoPKeyPair());
  await person.goto(await app.authorizationUrl());
  if (person.page.buttons.includes('Allow')) await person.press('Allow');
  const bound = await app.exchange(undefined, { DPoP });
  await app.userInfo(bound, { DPoP });
  await person.goto(await app.authorizationUrl());
  const kept = await app.refresh((await app.exchange()).refresh_token ?? '');
  await app.userInfo(kept);
  await openid.initiateDeviceAuthorization(app.configuration, { scope: 'openid' });
  await app.close();
}

/** Tables that hold as many rows as there are apps, keys, APIs and languages, and not people. */
const FEW =
  /^(keyhold_migrations.*|signing_keys|clients|resource_servers|mailbox|blocked_passwords|purposes.*|purpose_.*|consent_wordings|profile_declarations|battery_.*)$/;

interface Column {
  readonly table: string;
  readonly column: string;
  readonly type: string;
  readonly indexed: boolean;
  readonly checked: boolean;
}

const COLUMNS = `
  SELECT c.oid::regclass::text AS "table", quote_ident(a.attname) AS "column", format_type(a.atttypid, NULL) AS type,
    EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND a.attnum = ANY (i.indkey)) AS indexed,
    EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c' AND a.attnum = ANY (k.conkey)) AS checked
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
  ORDER BY c.oid, a.attnum`;

const OTHER: Readonly<Record<string, string>> = {
  uuid: `md5('other ' || i)::uuid`,
  text: `'other-' || i`,
  bytea: `decode(md5(i::text) || md5('x' || i), 'hex')`,
};

/** Adds so many rows beside the first of every table that has one, each about somebody else; gives how many each has. */
export async function fillTables(superuserUrl: string, rows: number): Promise<ReadonlyMap<string, number>> {
  const client = new pg.Client({ connectionString: superuserUrl });
  await client.connect();
  const filled = new Map<string, number>();
  try {
    /* Neither foreign keys nor rules against change hold: only what the planner knows matters here. */
    await client.query('SET session_replication_role = replica');
    const columns = (await client.query<Column>(COLUMNS)).rows;
    for (const table of new Set(columns.map(each => each.table))) {
      if (FEW.test(table)) continue;
      const own = columns.filter(each => each.table === table);
      const varied = own.filter(
        ({ indexed, checked, type }) => indexed && OTHER[type] && (!checked || type === 'bytea'),
      );
      if (varied.length === 0) continue;
      const values = own.map(each => (varied.includes(each) ? OTHER[each.type] : `r.${each.column}`));
      const { rowCount } = await client.query(
        `INSERT INTO ${table} (${own.map(({ column }) => column).join(', ')}) OVERRIDING SYSTEM VALUE
         SELECT ${values.join(', ')} FROM (SELECT * FROM ${table} LIMIT 1) r, generate_series(1, ${rows}) i`,
      );
      if (rowCount) filled.set(table, rowCount);
    }
    await client.query('ANALYZE');
  } finally {
    await client.end();
  }
  return filled;
}

/** The plans that read a table from one end to the other, in words: of the named statements any but the one-row table, of others filled ones. */
export async function readingThrough(
  url: string,
  { named, others }: Heard,
  filled: ReadonlyMap<string, number> = new Map(),
): Promise<readonly string[]> {
  const found: string[] = [];
  const pool = openStatementPool(url);
  const plain = new pg.Client({ connectionString: url });
  await plain.connect();
  const client = await pool.connect();
  try {
    for (const [name, text] of named) {
      const plan = await planOf(client, name, text);
      if (/Seq Scan on (?!declared_version\b)/.test(plan)) found.push(`${text}\n${plan}`);
    }
    for (const text of others) {
      const { rows } = await plain.query<{ 'QUERY PLAN': string }>(`EXPLAIN (GENERIC_PLAN) ${text}`);
      const plan = rows.map(row => row['QUERY PLAN']).join('\n');
      const through = [...plan.matchAll(/Seq Scan on (\w+)/g)].map(([, table = '']) => table);
      if (through.some(table => filled.has(table.replace(/_\d+$/, '')))) found.push(`${text}\n${plan}`);
    }
  } finally {
    client.release();
    await pool.end();
    await plain.end();
  }
  return found;
}

async function planOf(client: pg.PoolClient, name: string, text: string): Promise<string> {
  await client.query(`PREPARE ${name} AS ${text}`);
  const { rows } = await client.query<{ count: number }>(
    `SELECT cardinality(parameter_types) AS count FROM pg_prepared_statements WHERE name = '${name}'`,
  );
  const nothing = Array(Number(rows[0]?.count)).fill('NULL').join(', ');
  const plan = await client.query<{ 'QUERY PLAN': string }>(
    `EXPLAIN EXECUTE ${name}${nothing === '' ? '' : `(${nothing})`}`,
  );
  await client.query(`DEALLOCATE ${name}`);
  return plan.rows.map(row => row['QUERY PLAN']).join('\n');
}

/** How the plans came out. */
export interface PlansResult {
  readonly statements: number;
  readonly tables: number;
  readonly rows: number;
  readonly problems: readonly string[];
}

/** Looks at the plan of every statement of a day with a million rows in each table that grows with people. */
export async function runPlans(
  rig: Rig,
  rows: number,
  progress: (sentence: string) => void,
): Promise<PlansResult> {
  /* One process is enough, and it is this one, which can be listened to. */
  for (const server of rig.servers) await server.end('SIGKILL');
  const { url, migrationUrl, superuserUrl, db } = rig.place;
  const database = { url, migrationUrl, db, close: async () => undefined };
  const keyhold = await startKeyhold(
    { RATE_LIMITS: 'on', LOG_LEVEL: 'silent', SECRET: rig.secret },
    { database },
  );
  try {
    const heard = await hearStatements(() => liveADay(keyhold));
    const filled = await fillTables(superuserUrl, rows);
    progress(`${filled.size} tables with ${rows} rows more each: ${[...filled.keys()].join(', ')}`);
    const problems = await readingThrough(url, heard, filled);
    const statements = heard.named.size + heard.others.size;
    return { statements, tables: filled.size, rows, problems };
  } finally {
    await keyhold.close();
  }
}
