import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import {
  discloses,
  listDisclosures,
  listStatement,
  listTold,
  openHashing,
  PROTOCOL_CLAIMS,
  personalOf,
  type Told,
  type Way,
} from '../../src/domain/disclosures/disclosures.js';
import { readSchema, standardSchema } from '../../src/domain/profiles/profiles.js';
import {
  openBinder,
  openDatabase,
  openStatementPool,
  type StatementPool,
  statement,
} from '../../src/platform/storage/db.js';
import { openTestDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;
let pool: StatementPool;

beforeAll(async () => {
  database = await openTestDatabase();
  pool = openStatementPool(database.url);
});

afterAll(async () => {
  await pool?.end();
  await database?.close();
});

const hash = openHashing(Buffer.alloc(32, 1));

async function newAccount(): Promise<string> {
  const id = uuidv7();
  const at = new Date();
  await database
    .db('accounts')
    .insert({ id, state: 'active', language: 'en', opened_at: at, updated_at: at });
  return id;
}

/** Tells an app something, as an answer does that knows nothing of what was told before. */
async function tell(accountId: string, told: Told, way: Way = 'userinfo'): Promise<void> {
  const recipient = { accountId, clientId: 'shop', consentId: undefined, hash, purposeOf: () => 'account' };
  const clause = discloses(recipient, [{ way, told, digest: JSON.stringify(told) }]);
  const { values, bind } = openBinder();
  const sql = `WITH ${clause(bind).parts.join(',\n')} SELECT 1`;
  await pool.query(statement(sql, values));
}

const claimsOf = async (accountId: string) =>
  (await listDisclosures(database.db, { accountId }, 1_000)).map(({ claim }) => claim);

test('the protocol’s own claims are no attributes, so that no attribute can leave unseen', () => {
  const { text } = standardSchema();
  for (const name of PROTOCOL_CLAIMS) {
    const file = JSON.parse(text);
    const attribute = {
      name,
      type: 'text',
      label: { en: 'x' },
      purpose: 'account',
      see: ['apps'],
      change: [],
    };
    const read = readSchema(JSON.stringify({ ...file, attributes: [...file.attributes, attribute] }));
    expect([name, 'problems' in read]).toEqual([name, true]);
  }
  expect(personalOf({ active: true, iss: 'x', sub: 'y' }, 'introspection')).toEqual({ sub: 'y' });
  expect(personalOf({ active: true, iss: 'x', sub: 'y' }, 'userinfo')).toEqual({ active: true, sub: 'y' });
});

test('a claim is on record once for each of its values, also when it changes back', async () => {
  const accountId = await newAccount();
  for (const name of ['Ada', 'Ada', 'Grace', 'Grace', 'Ada']) await tell(accountId, { name, sub: '1' });
  expect((await claimsOf(accountId)).sort()).toEqual(['name', 'name', 'name', 'sub']);
  await tell(accountId, { sub: '1' });
  await tell(accountId, { name: 'Ada' });
  expect(await claimsOf(accountId)).toHaveLength(4);
  await tell(accountId, { name: 'Ada' }, 'id_token');
  expect(await claimsOf(accountId)).toHaveLength(5);
});

test('an answer is known until a value in any answer changes; at most eight are', async () => {
  const accountId = await newAccount();
  const known = async () => {
    const [row] = await database.db('disclosed').where({ account_id: accountId, way: 'userinfo' });
    return row.answers.map((text: string) => JSON.parse(text));
  };
  const [one, both, other] = [{ name: 'Ada' }, { name: 'Ada', sub: '1' }, { sub: '1' }];
  for (const told of [one, both, one]) await tell(accountId, told);
  expect(await known()).toEqual([one, both]);
  for (const told of [both, other, one]) await tell(accountId, told);
  expect(await known()).toEqual([one, other, both]);
  await tell(accountId, one, 'id_token');
  await tell(accountId, { name: 'Grace' }, 'id_token');
  expect(await known()).toEqual([one, other, both]);
  await tell(accountId, { name: 'Grace' });
  expect(await known()).toEqual([{ name: 'Grace' }]);
  for (let more = 0; more < 9; more++) await tell(accountId, { name: 'Grace', [`c${more}`]: 1 });
  for (let more = 0; more < 9; more++) await tell(accountId, { [`c${more}`]: 1 });
  expect(await known()).toHaveLength(8);
});

test('members of a value in another order are the same value', () => {
  expect(hash('address', { a: '1', b: ['2'] })).toBe(hash('address', { b: ['2'], a: '1' }));
  expect(hash('address', { a: '1', b: ['2', '3'] })).not.toBe(hash('address', { a: '1', b: ['3', '2'] }));
  expect(hash('name', 'x')).not.toBe(hash('nickname', 'x'));
  expect(hash('name', '1')).not.toBe(hash('name', 1));
  expect(openHashing(Buffer.alloc(32, 2))('name', 'x')).not.toBe(hash('name', 'x'));
});

test('of many who tell the same at once one leaves a row, and each claim is told last what stands in it', async () => {
  const accountId = await newAccount();
  const values = Array.from({ length: 40 }, (_, index) => ({
    name: `Name ${index % 4}`,
    [`c${index % 7}`]: 1,
  }));
  await Promise.all(values.map(told => tell(accountId, told)));
  const rows = await listDisclosures(database.db, { accountId }, 1_000);
  for (let claim = 0; claim < 7; claim++)
    expect(rows.filter(row => row.claim === `c${claim}`)).toHaveLength(1);
  const [told] = await listTold(database.db, accountId);
  const names = await database.db('disclosures').where({ account_id: accountId, claim: 'name' });
  const replaced = new Set(names.map(({ replaces }) => replaces));
  const latest = names.filter(({ id }) => !replaced.has(id));
  expect(latest.map(({ id }) => id)).toEqual([told?.ids['name']]);
  const byId = new Map(names.map(row => [row.id, row.value_hash.toString('hex')]));
  for (const { id, replaces } of names) if (replaces) expect(byId.get(id)).not.toBe(byId.get(replaces));
});

test('what a disclosure says cannot be changed, and they cannot be emptied', async () => {
  const accountId = await newAccount();
  await tell(accountId, { name: 'Ada' });
  const own = database.db('disclosures').where({ account_id: accountId });
  for (const change of [
    { client_id: 'x' },
    { value_hash: Buffer.alloc(1) },
    { at: new Date(0) },
    { purpose: null },
  ])
    await expect(own.clone().update(change)).rejects.toThrow();
  await expect(database.db.raw('TRUNCATE disclosures')).rejects.toThrow();
  expect(await claimsOf(accountId)).toEqual(['name']);
});

interface Plan {
  readonly 'Node Type': string;
  readonly 'Actual Rows': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly Plan[];
}

const nodesOf = (plan: Plan): readonly Plan[] => [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];

test('a page of few among many reads its own rows and no others', async () => {
  const accounts = [await newAccount(), await newAccount()];
  for (const accountId of accounts) {
    await database.db.raw(
      `INSERT INTO disclosures (account_id, id, claim, client_id, way, value_hash, at)
       SELECT ?, ('00000000-0000-7000-8000-' || lpad((n / 4)::text, 12, '0'))::uuid, 'claim ' || n % 4,
         CASE WHEN n % 1000 < 4 THEN 'rare' ELSE 'often ' || (n / 4) % 3 END, 'userinfo', '\\x00', now()
       FROM generate_series(1, 30000) n`,
      [accountId],
    );
  }
  const owner = openDatabase(database.migrationUrl);
  await owner.raw('ANALYZE disclosures');
  await owner.destroy();
  const [accountId = ''] = accounts;
  const middle = '00000000-0000-7000-8000-000000003000';
  for (const filter of [
    {},
    { before: middle },
    { clientId: 'rare' },
    { clientId: 'often 1', before: middle },
    { claim: 'claim 2' },
    { claim: 'claim 2', before: middle },
    { clientId: 'never' },
  ]) {
    const { sql, named } = listStatement({ accountId, ...filter }, 61);
    const { rows } = await database.db.raw(
      `EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) ${sql}`,
      named as never,
    );
    const nodes = nodesOf(rows[0]['QUERY PLAN'][0].Plan);
    expect([
      filter,
      nodes.filter(node => /Seq Scan/.test(node['Node Type']) && node['Actual Rows'] > 10),
    ]).toEqual([filter, []]);
    const most = Math.max(...nodes.map(node => node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)));
    expect([filter, most <= 125]).toEqual([filter, true]);
  }
});
