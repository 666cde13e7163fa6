import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

/** What of a table says nothing about anybody: keys, digests, states of our own work. */
const NOBODY = 'nobody';

const names = z.string().regex(/^[a-z_0-9]+( [a-z_0-9]+)*$/);
const rules = z.record(z.string(), names);

/**
 * Why a column is in no file of an export. key: it says whose the row is, which the account says once · secret: it opens
 * something or proves somebody · inner: a state of our own work · passing: it serves one request and is gone within hours ·
 * elsewhere: the same stands in another file · nobody-any-more: nothing links it to anybody.
 */
export const NOT_EXPORTED = ['key', 'secret', 'inner', 'passing', 'elsewhere', 'nobody-any-more'] as const;

/** What is said of a table beside its purposes, each under a name that no purpose has. */
const BESIDE = {
  /** By file of the export, or by the reason why it is in none, the columns. */
  exported: rules,
  /** What becomes of it when the account is deleted. */
  deleted: z.string().regex(/^(by [a-z-]+|with [a-z_]+|ends: .+|kept: .+)$/),
  /** How long it is kept. */
  retained: z
    .string()
    .regex(/^(account|by [a-z-]+: .+|with [a-z_]+)$/)
    .optional(),
} as const;

const tableSchema = z.record(z.string(), z.json()).transform((table, context) => {
  const { exported, deleted, retained, ...held } = table;
  const checked = z.object({ held: rules, ...BESIDE }).safeParse({ held, exported, deleted, retained });
  if (checked.success) return checked.data;
  context.addIssue(z.prettifyError(checked.error));
  return z.NEVER;
});

const catalogueSchema = z.strictObject({
  $comment: z.string().optional(),
  /** By table, then by purpose, its columns; and what stands beside them. */
  tables: z.record(z.string(), tableSchema),
  /** Tables that have nothing about people. */
  no_people: z.array(z.string()),
});

type Columns = Readonly<Record<string, string>>;

/** Which columns of which tables are held, why each is, and what becomes of it. */
export interface Catalogue {
  /** By table, then by purpose. */
  readonly tables: Readonly<Record<string, Columns>>;
  /** By table, then by file of the export, or by the reason why it is in none. */
  readonly exported: Readonly<Record<string, Columns>>;
  /**
   * By table, what becomes of it when the account is deleted. `by room`: that room removes it · `with table`: it hangs on rows of that
   * one and goes with them · `ends: why`: it is gone within hours by itself · `kept: why`.
   */
  readonly deleted: Readonly<Record<string, string>>;
  /**
   * By table, how long it is kept: as long as the `account` · `by job: how long`, where that job removes it · `with table`: as
   * long as what it hangs on.
   */
  readonly retained: Readonly<Record<string, string>>;
  readonly no_people: readonly string[];
}

let read: Catalogue | undefined;

/** The catalogue of columns, beside the declaration that names their purposes. */
export function listHeld(): Catalogue {
  if (!read) {
    const file = fileURLToPath(new URL('../../../../profile/held.json', import.meta.url));
    const { tables, no_people } = catalogueSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
    const each = <T>(of: (table: z.output<typeof tableSchema>) => T) =>
      Object.fromEntries(Object.entries(tables).map(([name, table]) => [name, of(table)]));
    read = {
      tables: each(({ held }) => held),
      exported: each(({ exported }) => exported),
      deleted: each(({ deleted }) => deleted),
      retained: each(({ retained = '' }) => retained),
      no_people,
    };
  }
  return read;
}

/** The purposes that tables are held for, whatever an operator declares. */
export function heldPurposes(): readonly string[] {
  const purposes = Object.values(listHeld().tables).flatMap(table => Object.keys(table));
  return [...new Set(purposes)].filter(purpose => purpose !== NOBODY).sort();
}
