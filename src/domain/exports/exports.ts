import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';
import { v7 as uuidv7 } from 'uuid';
import type { Keyring } from '../../platform/crypto/keyring.js';
import { openBytesUnder, sealUnder } from '../../platform/crypto/sealing.js';
import type { Db } from '../../platform/storage/db.js';
import type { ExportScope } from '../../platform/storage/export-file.js';
import type { Work } from '../../platform/storage/work.js';
import { lockAccount } from '../accounts/accounts.js';
import {
  EXPORTS_A_DAY,
  type Export,
  expiryOf,
  isUnderWay,
  type KeptFile,
  type Making,
  mayAsk,
  type PackedFile,
  type Reached,
} from './export.js';
import * as store from './store.js';

export {
  EXPORT_DAYS,
  EXPORT_STATES,
  EXPORTS_A_DAY,
  type Export,
  type ExportState,
  isFetchable,
  isUnderWay,
  type KeptFile,
  type MadeFile,
  type Making,
  type PackedFile,
  type Reached,
} from './export.js';
export { exportExports } from './exported.js';
export { dropImport, keepImport, openImport } from './imports.js';
export { sweepExports } from './jobs.js';
export { type ExportKey, forgetExports, listResting } from './store.js';

/** The facts this room records. */
export const EXPORT_FACTS = [
  'export.asked',
  'export.ready',
  'export.fetched',
  'export.cancelled',
  'export.stopped',
  'export.failed',
  'export.removed',
  'export.expired',
] as const;

const FACT_OF = {
  cancelled: 'export.cancelled',
  stopped: 'export.stopped',
  failed: 'export.failed',
  removed: 'export.removed',
} as const;

const KEY_BYTES = 32;
const LISTED = 20;

/** What somebody wants a copy of, and in which language it explains itself. */
export interface ExportWish {
  readonly accountId: string;
  readonly scope: ExportScope;
  readonly language: string;
}

/** What became of a wish: `running`: there is one that is not ready yet · `too_many`: three in a day. */
export type AskedExport =
  | { readonly outcome: 'asked'; readonly id: string }
  | { readonly outcome: 'running' | 'too_many' };

/** Puts on record that somebody wants a copy; whoever makes it does so later. */
export async function askExport(
  work: Work,
  keyring: Keyring,
  { accountId, scope, language }: ExportWish,
): Promise<AskedExport> {
  await lockAccount(work, accountId);
  const before = await store.list(work.tx, accountId, EXPORTS_A_DAY);
  if (before.some(isUnderWay)) return { outcome: 'running' };
  if (
    !mayAsk(
      before.map(({ askedAt }) => askedAt),
      work.at,
    )
  )
    return { outcome: 'too_many' };
  const id = uuidv7();
  work.leave({
    into: store.INTO_EXPORTS,
    row: { account_id: accountId, id, scope, language, asked_at: work.at },
    personal: {
      keyring,
      accountId,
      context: store.contextOf(id),
      plain: randomBytes(KEY_BYTES).toString('base64'),
    },
  });
  work.record({ type: 'export.asked', accountId, detail: { export: id, scope } });
  return { outcome: 'asked', id };
}

/** The copies that somebody asked for, newest first. */
export function listExports(db: Db, accountId: string): Promise<readonly Export[]> {
  return store.list(db, accountId, LISTED);
}

/** One of them. */
export function findExport(db: Db, key: store.ExportKey): Promise<Export | undefined> {
  return store.find(db, key);
}

/** One that is being made or can be fetched, with what opens it; undefined where it is over, or its person's key is gone. */
export function openExport(db: Db, keyring: Keyring, key: store.ExportKey): Promise<Making | undefined> {
  return store.findOpen(db, keyring, key);
}

/** What a step made, and where the next one begins; nowhere when it was the last. */
export interface ExportStep {
  readonly files: readonly PackedFile[];
  readonly rows: number;
  readonly walked: number;
  readonly reached: Reached | undefined;
}

/* The piece of one file opens in no place of another. */
const placeOf = (id: string, file: number, nr: number) => `export ${id} ${file} ${nr}`;

/** Puts a step on record, with all that it made or nothing of it; false when another process took it, or the export is over. */
export async function keepStep(work: Work, making: Making, made: ExportStep): Promise<boolean> {
  const first = await store.updateStep(work.tx, {
    accountId: making.accountId,
    id: making.id,
    step: making.step,
    reached: made.reached,
    walked: made.walked,
    files: made.files.length,
    rows: made.rows,
    bytes: made.files.reduce((sum, { bytes }) => sum + bytes, 0),
    at: work.at,
  });
  if (first === undefined) return false;
  for (const [at, file] of made.files.entries()) {
    const nr = first + at;
    const sealed = file.pieces.map((piece, index) =>
      sealUnder(making.key, piece, placeOf(making.id, nr, index)),
    );
    await store.insertFile(work.tx, making, { ...file, nr }, sealed);
  }
  return true;
}

/** Says that a copy is whole and can be fetched from now on, once; undefined when it is over or was ready before. */
export async function readyExport(work: Work, making: Making): Promise<Date | undefined> {
  const expiresAt = expiryOf(work.at);
  const { accountId, id, step, scope } = making;
  const turn = { from: ['running'], to: 'ready', at: work.at, expiresAt, step } as const;
  if (!(await store.updateState(work.tx, making, turn))) return undefined;
  work.record({ type: 'export.ready', accountId, detail: { export: id, scope } });
  return expiresAt;
}

/** Ends one that is being made: its account may not act any more, or it cannot be made. False when it was over. */
export async function endExport(
  work: Work,
  key: store.ExportKey,
  to: 'stopped' | 'failed',
): Promise<boolean> {
  const turn = { from: ['waiting', 'running'], to, at: work.at } as const;
  if (!(await store.updateState(work.tx, key, turn))) return false;
  work.record({ type: FACT_OF[to], accountId: key.accountId, detail: { export: key.id } });
  return true;
}

/** Its person does not want it any more: it is not made, or can be fetched no more. `over` when it was so already. */
export async function dropExport(
  work: Work,
  key: store.ExportKey,
): Promise<'cancelled' | 'removed' | 'over' | 'none'> {
  for (const [from, to] of [
    [['waiting', 'running'], 'cancelled'],
    [['ready'], 'removed'],
  ] as const) {
    if (!(await store.updateState(work.tx, key, { from, to, at: work.at }))) continue;
    work.record({ type: FACT_OF[to], accountId: key.accountId, detail: { export: key.id } });
    return to;
  }
  return (await store.find(work.tx, key)) ? 'over' : 'none';
}

/** Puts on record that a copy is fetched; false when it cannot be, any more. */
export async function noteFetched(work: Work, key: store.ExportKey): Promise<boolean> {
  if (!(await store.updateFetched(work.tx, key, work.at))) return false;
  work.record({ type: 'export.fetched', accountId: key.accountId, detail: { export: key.id } });
  return true;
}

const AT_ONCE = 200;

/** The files of an export, in the order in which they were made, read as they are asked for. */
export async function* listFiles(db: Db, key: store.ExportKey): AsyncGenerator<KeptFile> {
  let after = -1;
  for (;;) {
    const files = await store.listFiles(db, key, after, AT_ONCE);
    yield* files;
    after = files.at(-1)?.nr ?? after;
    if (files.length < AT_ONCE) return;
  }
}

const inflate = promisify(inflateRaw);
/** No piece is larger than this before it is deflated. */
export const PIECE_BYTES = 512_000;

/** What is in a file, a piece at a time: none is read before the one before it was taken. */
export async function* readFile(
  db: Db,
  { accountId, id, key }: Pick<Making, 'accountId' | 'id' | 'key'>,
  { nr, pieces }: Pick<KeptFile, 'nr' | 'pieces'>,
): AsyncGenerator<Buffer> {
  for (let at = 0; at < pieces; at += 1) {
    const sealed = await store.findPiece(db, { accountId, id }, nr, at);
    if (!sealed) throw new Error('a piece of an export is gone');
    yield await inflate(openBytesUnder(key, sealed, placeOf(id, nr, at)), { maxOutputLength: PIECE_BYTES });
  }
}
