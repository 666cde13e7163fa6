import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import type { Keyring } from '../../platform/crypto/keyring.js';
import type { JobDefinition } from '../../platform/jobs/jobs.js';
import type { Db, Tx } from '../../platform/storage/db.js';
import { type ExportFile, type Exporting, instant, tableFile } from '../../platform/storage/export-file.js';
import { removeFirst, removeRows } from '../../platform/storage/removing.js';
import type { Work } from '../../platform/storage/work.js';
import { lockAccount } from '../accounts/accounts.js';

/** The facts this room records. */
export const CORRECTION_FACTS = ['correction.asked', 'correction.settled', 'correction.withdrawn'] as const;

/** open: nobody has answered yet · done: it was corrected · refused · withdrawn by the person. */
export type CorrectionState = 'open' | 'done' | 'refused' | 'withdrawn';

/** What somebody asked to have corrected, in their own words, and what became of it. */
export interface Correction {
  readonly id: string;
  readonly accountId: string;
  readonly attribute: string;
  readonly wish: string;
  readonly state: CorrectionState;
  readonly answer: string | undefined;
  readonly askedAt: Date;
  readonly settledAt: Date | undefined;
}

interface CorrectionRow {
  readonly id: string;
  readonly account_id: string;
  readonly attribute: string;
  readonly wish: Buffer;
  readonly state: CorrectionState;
  readonly answer: string | null;
  readonly asked_at: Date;
  readonly settled_at: Date | null;
}

const COLUMNS = [
  'id',
  'account_id',
  'attribute',
  'wish',
  'state',
  'answer',
  'asked_at',
  'settled_at',
] as const;
const SEAL = 'correction';
/** So long a wish may be, in characters. */
export const LONGEST_WISH = 1_000;
/** So many of one person may be open at a time. */
const MOST_OPEN = 10;

function present(keyring: Keyring, row: CorrectionRow): Correction {
  return {
    id: row.id,
    accountId: row.account_id,
    attribute: row.attribute,
    wish: opened(keyring, row),
    state: row.state,
    answer: row.answer ?? undefined,
    askedAt: row.asked_at,
    settledAt: row.settled_at ?? undefined,
  };
}

/* Under a secret that is lost nobody reads it any more, and it belongs to its own row only. */
function opened(keyring: Keyring, row: CorrectionRow): string {
  try {
    const [id, wish] = JSON.parse(keyring.open(SEAL, row.wish)) as [string, string];
    return id === row.id ? wish : '';
  } catch {
    return '';
  }
}

/** Puts on record what somebody asks to have corrected; of one attribute once at a time, and not without end. */
export async function askCorrection(
  work: Work,
  keyring: Keyring,
  { accountId, attribute, wish }: Pick<Correction, 'accountId' | 'attribute' | 'wish'>,
): Promise<{ readonly id: string } | 'open_already' | 'too_many'> {
  await lockAccount(work, accountId);
  const open = await work
    .tx('corrections')
    .where({ account_id: accountId, state: 'open' })
    .select('attribute');
  if (open.some(row => row.attribute === attribute)) return 'open_already';
  if (open.length >= MOST_OPEN) return 'too_many';
  const id = uuidv7();
  await work.tx('corrections').insert({
    account_id: accountId,
    id,
    attribute,
    wish: keyring.seal(SEAL, JSON.stringify([id, wish])),
    state: 'open',
    asked_at: work.at,
  });
  work.record({ type: 'correction.asked', accountId, detail: { attribute, correction: id } });
  return { id };
}

/** What somebody asked for, newest first. */
export async function listCorrections(
  db: Db,
  keyring: Keyring,
  accountId: string,
): Promise<readonly Correction[]> {
  const rows = await db('corrections')
    .select<CorrectionRow[]>(...COLUMNS)
    .where({ account_id: accountId })
    .orderBy('id', 'desc')
    .limit(50);
  return rows.map(row => present(keyring, row));
}

/** What nobody has answered yet, oldest first. */
export async function listOpenCorrections(
  db: Db,
  keyring: Keyring,
  { after, limit }: { readonly after?: string | undefined; readonly limit: number },
): Promise<readonly Correction[]> {
  const open = db('corrections')
    .select<CorrectionRow[]>(...COLUMNS)
    .where({ state: 'open' });
  const rows = await (after === undefined ? open : open.andWhere('id', '>', after))
    .orderBy('id')
    .limit(limit);
  return rows.map((row: CorrectionRow) => present(keyring, row));
}

/** One that nobody has answered yet. */
export async function findOpenCorrection(
  db: Db,
  keyring: Keyring,
  id: string,
): Promise<Correction | undefined> {
  const row = await db('corrections')
    .select<CorrectionRow[]>(...COLUMNS)
    .where({ id, state: 'open' })
    .first();
  return row && present(keyring, row as CorrectionRow);
}

/** Says what became of it, once; false when somebody was quicker. */
export async function settleCorrection(
  work: Work,
  { accountId, id, attribute }: Pick<Correction, 'accountId' | 'id' | 'attribute'>,
  { state, answer }: { readonly state: 'done' | 'refused'; readonly answer?: string | undefined },
): Promise<boolean> {
  const settled = await work
    .tx('corrections')
    .where({ account_id: accountId, id, state: 'open' })
    .update({ state, answer: answer ?? null, settled_at: work.at });
  if (settled === 0) return false;
  work.record({ type: 'correction.settled', accountId, detail: { attribute, correction: id, state } });
  return true;
}

/** Takes it back: `over` when it was settled before, and `none` where there is none of theirs. */
export async function withdrawCorrection(
  work: Work,
  accountId: string,
  id: string,
): Promise<'withdrawn' | 'over' | 'none'> {
  const gone = await work
    .tx('corrections')
    .where({ account_id: accountId, id, state: 'open' })
    .update({ state: 'withdrawn', settled_at: work.at });
  if (gone === 0) {
    const own = await work.tx('corrections').where({ account_id: accountId, id }).first('id');
    return own ? 'over' : 'none';
  }
  work.record({ type: 'correction.withdrawn', accountId, detail: { correction: id } });
  return 'withdrawn';
}

const BATCH = 1_000;

/** Forgets what was settled a year ago. */
export function sweepCorrections(db: Db): JobDefinition {
  const settled = `state <> 'open' AND settled_at < now() - interval '365 days'`;
  const sweep = () => removeFirst(db, 'corrections', { where: settled, by: 'settled_at' }, BATCH);
  return {
    name: 'sweep-corrections',
    every: '37 3 * * *',
    run: async (_payload, { signal }) => {
      while (!signal.aborted && (await sweep()) === BATCH);
    },
  };
}

/** Removes for good, a batch at a time: what somebody asked to have corrected. */
export function forgetCorrections(tx: Tx, accountId: string, most: number): Promise<number> {
  return removeRows(tx, ['corrections'], accountId, most);
}

const record = z.strictObject({
  id: z.uuid(),
  attribute: z.string(),
  wish: z.string(),
  state: z.string(),
  answer: z.string().nullable(),
  asked_at: instant,
  settled_at: instant.nullable(),
});

/** What this room holds about what somebody asked to have corrected. */
export function exportCorrections(from: Exporting): readonly ExportFile[] {
  const file = {
    name: 'corrections',
    table: 'corrections',
    key: ['id'],
    record,
    sealed: { wish: ['wish'] },
    open: (row: object) => ({ wish: opened(from.keyring, row as CorrectionRow) }),
  };
  return [tableFile(from, file)];
}
