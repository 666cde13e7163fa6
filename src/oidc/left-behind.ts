import type { Db, Tx } from '../platform/storage/db.js';
import { openWork } from '../platform/storage/work.js';

/** Requests that nobody finished, and how far they came: which notes there are, and never what they say about anybody. */
export interface LeftBehind {
  readonly prompt: string;
  /** The notes of the way, with `x` for whatever was typed or names somebody. */
  readonly progress: Readonly<Record<string, unknown>>;
  readonly count: number;
}

/** Told of what is about to be removed, in the same transaction. */
export type NoteLeftBehind = (tx: Tx, left: readonly LeftBehind[], hour: Date) => Promise<void>;

/* Yes, no and words of our own are told; everything else was typed, or names somebody. */
const LEFT = `
  SELECT i.prompt ->> 'name' AS prompt, told.progress, count(*)::int AS count
  FROM interactions i CROSS JOIN LATERAL (
    SELECT coalesce(jsonb_object_agg(n.key, CASE
      WHEN jsonb_typeof(n.value) = 'boolean' OR n.key = 'way' THEN n.value
      WHEN jsonb_typeof(n.value) <> 'object' THEN '"x"'
      ELSE (SELECT coalesce(jsonb_object_agg(o.key, CASE
        WHEN jsonb_typeof(o.value) = 'boolean' OR o.key IN ('stage', 'second', 'by', 'because') THEN o.value ELSE '"x"' END), '{}')
        FROM jsonb_each(n.value) o) END), '{}') AS progress
    FROM jsonb_each(coalesce(i.progress, '{}')) n
  ) told
  WHERE i.slot = ? AND i.result IS NULL GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 1000`;

/* Else two processes would count the same requests before either has removed them. */
const LOCK = 7_203_115;

/** Empties a slot, and tells before what was left behind in it. */
export async function emptySlot(
  db: Db,
  slot: number,
  hour: Date,
  note: NoteLeftBehind | undefined,
): Promise<void> {
  await openWork(db, { kind: 'system' }, async ({ tx }) => {
    await tx.raw('SELECT pg_advisory_xact_lock(?)', [LOCK]);
    const { rows } = await tx.raw<{ rows: LeftBehind[] }>(LEFT, [slot]);
    if (rows.length > 0) await note?.(tx, rows, hour);
    await tx.raw('SELECT keyhold_empty_slot(?::smallint)', [slot]);
  });
}
