import type { Metrics, Reading, Traces } from '../telemetry/telemetry.js';
import type { Db, NamedStatement, StatementPool } from './db.js';

interface KnexQuery {
  readonly sql?: string;
  readonly __knexQueryUid: string;
}

const SYSTEM = { 'db.system.name': 'postgresql' } as const;

/** Makes every statement a step of the trace it belongs to, by its verb and table or its name: never by its values. */
export function traceStatements(traces: Traces, db: Db, pool: StatementPool): void {
  const open = new Map<string, (error?: unknown) => void>();
  const over = (query: KnexQuery, error?: unknown) => {
    open.get(query.__knexQueryUid)?.(error);
    open.delete(query.__knexQueryUid);
  };
  db.on('query', (query: KnexQuery) => {
    const name = statementName(query.sql ?? '');
    const attributes = { ...SYSTEM, 'db.query.summary': name };
    open.set(query.__knexQueryUid, traces.begin(name, { kind: 'client', attributes }));
  });
  db.on('query-response', (_response: unknown, query: KnexQuery) => over(query));
  db.on('query-error', (error: unknown, query: KnexQuery) => over(query, error));

  const ask = pool.query.bind(pool) as (statement: NamedStatement) => Promise<never>;
  const traced = (statement: NamedStatement): Promise<never> => {
    const attributes = { ...SYSTEM, 'db.query.summary': statement.name };
    return traces.span(statement.name, { kind: 'client', attributes }, () => ask(statement));
  };
  Object.assign(pool, { query: traced });
}

/** `SELECT accounts`: the verb of a statement and the first table in it. */
export function statementName(sql: string): string {
  const verb = /[a-z]+/i.exec(sql)?.[0].toUpperCase() ?? 'SQL';
  const table = /\b(?:from|into|update|table)\s+(?:only\s+)?"?([a-z_][a-z0-9_]*)"?/i.exec(sql)?.[1];
  return table === undefined ? verb : `${verb} ${table}`;
}

interface TarnPool {
  numUsed(): number;
  numFree(): number;
  numPendingAcquires(): number;
}

/** Watches how many connections are in use and idle in each pool, and how many wait for one. */
export function watchPools(metrics: Metrics, db: Db, pool: StatementPool): void {
  const rooms = (db.client as { readonly pool: TarnPool }).pool;
  const connections = (): readonly Reading[] => [
    [rooms.numUsed(), { pool: 'rooms', state: 'used' }],
    [rooms.numFree(), { pool: 'rooms', state: 'idle' }],
    [pool.totalCount - pool.idleCount, { pool: 'protocol', state: 'used' }],
    [pool.idleCount, { pool: 'protocol', state: 'idle' }],
  ];
  metrics.watch({
    kind: 'gauge',
    name: 'keyhold_database_connections',
    help: 'Connections to the database by pool and state.',
    labels: ['pool', 'state'],
    read: connections,
  });
  metrics.watch({
    kind: 'gauge',
    name: 'keyhold_database_waiting',
    help: 'Who waits for a connection, by pool.',
    labels: ['pool'],
    read: () => [
      [rooms.numPendingAcquires(), { pool: 'rooms' }],
      [pool.waitingCount, { pool: 'protocol' }],
    ],
  });
}
