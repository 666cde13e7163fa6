import { createHash } from 'node:crypto';
import knex, { type Knex } from 'knex';
import pg from 'pg';

/** Where reads go. */
export type Db = Knex;
/** Where writes go: only inside a unit of work. */
export type Tx = Knex.Transaction;

/** The pool of the protocol's hot statements. */
export type StatementPool = pg.Pool;
/** A prepared statement: planned once for each connection under its name. */
export interface NamedStatement {
  readonly name: string;
  readonly text: string;
  readonly values: unknown[];
}

/* The text too: the driver compares it at each use, and the very same string is compared at a glance. */
const shapes = new Map<string, Omit<NamedStatement, 'values'>>();

/** A statement whose name follows from its text, so that each shape is planned once for a connection. */
export function statement(text: string, values: unknown[]): NamedStatement {
  let shape = shapes.get(text);
  if (!shape) {
    shape = { name: `kh_${createHash('sha256').update(text).digest('hex').slice(0, 24)}`, text };
    shapes.set(text, shape);
  }
  return { ...shape, values };
}

/** Binds a value of a Postgres type and gives the place that stands for it. */
export type Bind = (value: unknown, type: string) => string;

/** What another statement takes along: common table expressions with names of their own, and what is asked of them. */
export interface ClauseParts {
  readonly parts: readonly string[];
  readonly selected?: readonly string[];
}

/** Parts of a statement that another statement takes along. */
export type Clause = (bind: Bind) => ClauseParts;

/** Values and the places that stand for them, in the order in which they are bound. */
export function openBinder(): { readonly values: unknown[]; readonly bind: Bind } {
  const values: unknown[] = [];
  const bind: Bind = (value, type) => {
    values.push(value);
    return `$${values.length}::${type}`;
  };
  return { values, bind };
}

/** How large the pools are and how long anything may wait, in milliseconds. */
export interface DatabaseLimits {
  readonly poolSize: number;
  readonly acquireTimeout: number;
  readonly statementTimeout: number;
}

export const DATABASE_LIMITS: DatabaseLimits = {
  poolSize: 6,
  acquireTimeout: 2_000,
  statementTimeout: 5_000,
};

/** Opens the pool that rooms read and write through; `onTrouble` is told what knex itself has to say. */
export function openDatabase(
  url: string,
  limits: DatabaseLimits = DATABASE_LIMITS,
  onTrouble: (trouble: unknown) => void = () => undefined,
  name = 'keyhold',
): Db {
  return knex({
    client: 'pg',
    /* Else it would write to the console. */
    log: { error: onTrouble, warn: onTrouble, deprecate: () => undefined, debug: () => undefined },
    /* Else an error's message would carry the bound values into the log. */
    compileSqlOnError: false,
    connection: {
      connectionString: url,
      application_name: name,
      statement_timeout: limits.statementTimeout,
      keepAlive: true,
    },
    acquireConnectionTimeout: limits.acquireTimeout,
    pool: { min: 0, max: limits.poolSize },
  });
}

/**
 * Opens the pool of the protocol's hot statements: named, planned once, and only by index. The planner would otherwise
 * plan them while the short-lived tables are empty and keep a sequential scan for the life of the connection.
 */
export function openStatementPool(url: string, limits: DatabaseLimits = DATABASE_LIMITS): StatementPool {
  const planner = [
    'plan_cache_mode=force_generic_plan',
    'enable_seqscan=off',
    'enable_bitmapscan=off',
    'enable_hashjoin=off',
    'enable_mergejoin=off',
    'jit=off',
  ];
  return new pg.Pool({
    connectionString: url,
    application_name: 'keyhold',
    max: limits.poolSize,
    /* A connection that was closed after a quiet moment would have to plan everything anew for whoever comes next. */
    min: limits.poolSize,
    connectionTimeoutMillis: limits.acquireTimeout,
    statement_timeout: limits.statementTimeout,
    keepAlive: true,
    options: planner.map(setting => `-c ${setting}`).join(' '),
  });
}
