import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { openKeyring } from '../../../src/platform/crypto/keyring.js';
import {
  findEvent,
  idAt,
  type PastEvent,
  READ_EVENTS,
  READ_RUNS,
  readEvents,
  readRuns,
} from '../../../src/platform/storage/events.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';

// Reading what happened about an account takes the same few steps however much that is.

const keyring = openKeyring('a secret of sixty-four characters, for tests of reading events 6');
const ADA = uuidv7();
const BEA = uuidv7();
const MANY = 10_000;
const START = Date.UTC(2026, 0, 1);
let database: TestDatabase;

/** One event a minute: tries by the thousand, a sign-in every hundredth, a recovery long ago; and as many of somebody else. */
beforeAll(async () => {
  database = await openTestDatabase();
  await database.db.raw(
    `INSERT INTO events (id, at, type, actor_kind, account_id, detail)
     SELECT CAST(lpad(to_hex(CAST(:start AS bigint) + CAST(i AS bigint) * 60000), 12, '0') || '7000' || '8' || lpad(to_hex(i), 15, '0') AS uuid),
       to_timestamp((CAST(:start AS bigint) + CAST(i AS bigint) * 60000) / 1000.0),
       CASE WHEN i = 7 THEN 'account.recovered' WHEN i % 100 = 0 THEN 'session.authenticated' ELSE 'sign_in.failed' END,
       'person', CASE WHEN i % 2 = 1 OR i % 100 = 0 THEN CAST(:ada AS uuid) ELSE CAST(:bea AS uuid) END, '{}'
     FROM generate_series(0, 2 * CAST(:many AS integer) - 1) AS i`,
    { start: START, many: MANY, ada: ADA, bea: BEA },
  );
  const owner = new pg.Client({ connectionString: database.migrationUrl });
  await owner.connect();
  await owner.query('ANALYZE events');
  await owner.end();
}, 60_000);

afterAll(async () => {
  await database?.close();
});

const read = (more: object = {}) => readEvents(database.db, keyring, { accountId: ADA, limit: 50, ...more });
const types = (events: readonly PastEvent[]) => [...new Set(events.map(({ type }) => type))];

test('newest first, page by page, every event once and nobody else’s', async () => {
  const seen: string[] = [];
  let before: string | undefined;
  for (;;) {
    const page = await read({ limit: 500, before });
    if (page.length === 0) break;
    seen.push(...page.map(({ id }) => id));
    before = page.at(-1)?.id;
  }
  expect(seen).toEqual([...new Set(seen)].sort().reverse());
  const own = await database.db('events').where({ account_id: ADA }).count({ count: '*' });
  expect(seen).toHaveLength(Number(own[0]?.count));
});

test('these types alone, every type but these, and both', async () => {
  expect(types(await read({ only: ['account.recovered'] }))).toEqual(['account.recovered']);
  expect(types(await read({ except: ['sign_in.failed'], limit: 500 }))).toEqual([
    'session.authenticated',
    'account.recovered',
  ]);
  expect(await read({ only: ['account.recovered'], except: ['account.recovered'] })).toEqual([]);
  expect(await read({ only: ['no.such'] })).toEqual([]);
  expect(await read({ only: [] })).toEqual([]);
});

test('from an instant on, and before another', async () => {
  const from = new Date(START + 60 * 60_000);
  const to = new Date(START + 120 * 60_000);
  const between = await read({ from, to, limit: 500 });
  expect(between.map(({ at }) => at.getTime()).every(at => at >= from.getTime() && at < to.getTime())).toBe(
    true,
  );
  expect(between).toHaveLength(31);
  expect(await read({ from: to, to: from })).toEqual([]);
  for (const odd of [new Date(-1), new Date(8.64e15)]) expect(idAt(odd)).toMatch(/^[\da-f-]{36}$/);
});

test('one event is found by its id, by its owner', async () => {
  const [event] = await read();
  const id = event?.id ?? '';
  expect(await findEvent(database.db, keyring, { accountId: ADA, id })).toEqual(event);
  expect(await findEvent(database.db, keyring, { accountId: BEA, id })).toBeUndefined();
  expect(await findEvent(database.db, keyring, { accountId: ADA, id: uuidv7() })).toBeUndefined();
});

test('what lies between is counted up to a bound, with its newest', async () => {
  const [last, second] = await read({ only: ['session.authenticated'] });
  const only = ['sign_in.failed'];
  const gaps = [
    { after: last?.id },
    { after: second?.id, before: last?.id },
    { before: idAt(new Date(START)) },
  ];
  const runs = await readRuns(database.db, keyring, { accountId: ADA, only, most: 20, gaps });
  expect(runs.map(run => run && [run.count, run.more])).toEqual([[20, true], [20, true], undefined]);
  const exact = await readRuns(database.db, keyring, { accountId: ADA, only, most: 100, gaps });
  expect(exact.map(run => run && [run.count, run.more])).toEqual([[50, false], [50, false], undefined]);
  const [newest] = await read();
  expect(exact[0]?.newest).toEqual(newest);
});

interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly Plans?: readonly Plan[];
}

/** How many rows of the table a statement touched, and whether it went through the table. */
async function touched(statement: string, more: object): Promise<{ rows: number; through: boolean }> {
  const first = '00000000-0000-0000-0000-000000000000';
  const last = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
  const plain = { accountId: ADA, only: null, except: [], low: first, high: last, limit: 50, ...more };
  const { rows } = await database.db.raw(`EXPLAIN (ANALYZE, FORMAT JSON) ${statement}`, plain);
  const nodes: Plan[] = [];
  const walk = (plan: Plan): void => {
    nodes.push(plan);
    for (const inner of plan.Plans ?? []) walk(inner);
  };
  walk((rows[0]['QUERY PLAN'] as { Plan: Plan }[])[0]?.Plan as Plan);
  const own = nodes.filter(node => node['Relation Name'] === 'events');
  return {
    rows: own.reduce((sum, node) => sum + node['Actual Rows'] * node['Actual Loops'], 0),
    through: own.some(node => node['Node Type'] === 'Seq Scan'),
  };
}

test('a list touches a few rows of ten thousand, with and without a filter, at both ends', async () => {
  const old = { high: idAt(new Date(START + 10 * 60_000)) };
  for (const more of [
    {},
    { except: ['sign_in.failed'] },
    { only: ['account.recovered'] },
    { only: ['no.such'] },
    { ...old },
    { ...old, except: ['sign_in.failed'] },
    { low: idAt(new Date(START + MANY * 60_000)) },
  ]) {
    const { rows, through } = await touched(READ_EVENTS, more);
    expect({ more, through, few: rows <= 3 * 50 + 50 + 10 }).toEqual({ more, through: false, few: true });
  }
});

test('so does counting what lies between', async () => {
  const signIns = (await read({ only: ['session.authenticated'], limit: 26 })).map(({ id }) => id);
  const { rows, through } = await touched(READ_RUNS, {
    only: ['sign_in.failed'],
    lows: signIns.slice(1),
    highs: signIns.slice(0, -1),
    limit: 21,
  });
  expect({ through, few: rows <= 25 * 21 + 25 + 10 }).toEqual({ through: false, few: true });
});
