import { z } from 'zod';
import type { Keyring } from '../crypto/keyring.js';
import type { Db } from './db.js';

/** An instant as an export writes it. */
export const instant = z.iso.datetime();

/** One line of an export's file. */
export type ExportRecord = Readonly<Record<string, unknown>>;

/** Something that is no line: a picture, a signed receipt. */
export interface Attachment {
  readonly path: string;
  readonly bytes: Buffer;
}

/** So many lines as were asked for at most, and where to go on. */
export interface ExportPage {
  readonly records: readonly ExportRecord[];
  readonly attachments?: readonly Attachment[];
  /** Only this file knows what it means; undefined at the end. */
  readonly next: string | undefined;
}

/** What a person gave, which they may take elsewhere (GDPR 20), or all that is held about them (GDPR 15). */
export const EXPORT_SCOPES = ['access', 'portability'] as const;
export type ExportScope = (typeof EXPORT_SCOPES)[number];

/** From where something was asked, as an export writes it; null where nobody knows (any more). */
export const whence = z
  .strictObject({
    device: z.string().optional(),
    address: z.string().optional(),
    country: z.string().optional(),
    app: z.string().optional(),
  })
  .nullable();
export type Whence = z.output<typeof whence>;

/** Whose data are read, of them what, and what opens those that are sealed. */
export interface Exporting {
  readonly db: Db;
  readonly accountId: string;
  readonly scope: ExportScope;
  readonly keyring: Keyring;
  /** Opens what is sealed under the account's own key; undefined once that is destroyed. */
  open(context: string, sealed: unknown): string | undefined;
  /** Opens from where something was asked that a journey sealed by this name. */
  whence(name: string, sealed: unknown): Whence;
}

/** One file of an export, as the room that keeps it says: what a line is, and how it is read, never all at once. */
export interface ExportFile {
  readonly name: string;
  readonly record: z.ZodObject;
  /** Whether some of it is what its person gave. */
  readonly portable: boolean;
  /** By table, the members that each column is written as. */
  readonly holds: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
  page(after: string | undefined, limit: number): Promise<ExportPage>;
}

/** A file that is read from one table of a room, in the order of a unique key. */
export interface TableFile {
  readonly name: string;
  readonly table: string;
  /** The rest of the key, after whose it is. */
  readonly key: readonly string[];
  /** What a line is; its members are columns, unless `as` or `open` says otherwise. Nothing else is read. */
  readonly record: z.ZodObject;
  /** How a member is read that is no column by its own name. */
  readonly as?: Readonly<Record<string, string>>;
  /** Which rows are the person's; by `account_id` unless said otherwise. */
  readonly own?: string;
  /** Which of them the person gave, as SQL; a file without it is in no export of that scope. */
  readonly given?: string;
  /** Columns that are read to be opened, with the members that they are opened as. */
  readonly sealed?: Readonly<Record<string, readonly string[]>>;
  /** Those members. */
  readonly open?: (row: ExportRecord) => ExportRecord;
  /** What lies beside a line. */
  readonly attach?: (row: ExportRecord) => Attachment | undefined;
  /** So many rows at once at most, where they are large. */
  readonly atOnce?: number;
}

/** All of these are the person's. */
export const ALL_GIVEN = 'true';

/** A file of one table: an explicit list of columns, in stretches of a keyset. */
export function tableFile({ db, accountId, scope }: Exporting, file: TableFile): ExportFile {
  const { table, key, record, as = {}, own = 'account_id = :accountId', given, sealed = {}, open } = file;
  const opened = new Set(Object.values(sealed).flat());
  const members = Object.keys(record.shape).filter(member => !opened.has(member));
  const selection = [
    ...members.map(member => `${as[member] ?? `"${member}"`} AS "${member}"`),
    ...Object.keys(sealed).map(column => `"${column}" AS "~${column}"`),
    ...key.map((column, at) => `"${column}"::text AS "~key${at}"`),
  ].join(', ');
  const whose = scope === 'portability' ? `(${own}) AND (${given ?? 'false'})` : own;
  const past = `(${key.map(column => `"${column}"`).join(', ')}) > (${key.map((_, at) => `:key${at}`).join(', ')})`;
  return {
    name: file.name,
    record,
    portable: given !== undefined,
    holds: { [table]: { ...Object.fromEntries(members.map(one => [one, [one]])), ...sealed } },
    page: async (after, wanted) => {
      const limit = Math.min(wanted, file.atOnce ?? wanted);
      const keys: readonly string[] = after === undefined ? [] : JSON.parse(after);
      const { rows } = await db.raw<{ rows: ExportRecord[] }>(
        `SELECT ${selection} FROM ${table} WHERE ${whose} ${after === undefined ? '' : `AND ${past}`}
         ORDER BY ${key.map(column => `"${column}"`).join(', ')} LIMIT :limit`,
        { accountId, limit, ...Object.fromEntries(keys.map((value, at) => [`key${at}`, value])) },
      );
      const last = rows.length === limit ? rows.at(-1) : undefined;
      return {
        records: rows.map(row => ({ ...plainOf(members, row), ...open?.(sealedOf(row)) })),
        attachments: file.attach ? rows.flatMap(row => file.attach?.(sealedOf(row)) ?? []) : [],
        next: last && JSON.stringify(key.map((_, at) => last[`~key${at}`])),
      };
    },
  };
}

function plainOf(members: readonly string[], row: ExportRecord): ExportRecord {
  return Object.fromEntries(members.map(member => [member, plain(row[member])]));
}

/* What is opened, by the names of its columns, beside the members that were read as they are. */
function sealedOf(row: ExportRecord): ExportRecord {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name.replace(/^~/, ''), value]));
}

function plain(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString();
  if (Buffer.isBuffer(value)) return value.toString('base64url');
  return value ?? null;
}
