import { randomInt } from 'node:crypto';
import { z } from 'zod';
import { findAccount, lockAccount } from '../../domain/accounts/accounts.js';
import {
  type ExportKey,
  type ExportStep,
  endExport,
  findExport,
  keepStep,
  listResting,
  type Making,
  openExport,
  type Reached,
  readyExport,
} from '../../domain/exports/exports.js';
import type { ProfileSchema } from '../../domain/profiles/profiles.js';
import { mayAct } from '../../oidc/acting.js';
import type { JobDefinition } from '../../platform/jobs/jobs.js';
import type { Db } from '../../platform/storage/db.js';
import type { ExportFile } from '../../platform/storage/export-file.js';
import { type Job, openWork, type Work } from '../../platform/storage/work.js';
import { tellWithoutRequest } from '../notices/tell.js';
import { coverOf, type Indexing } from './cover.js';
import { writePart } from './export-part.js';
import { filesOf } from './export-rooms.js';
import { madeFiles, manifestOf } from './manifest.js';

const JOB = 'make-export';
const payloadSchema = z.object({ accountId: z.uuid(), id: z.uuid() });

/** A try goes on for so long, and then another one takes over: whatever else is due has its turn. */
const TRY_MS = 20_000;
/* What another copy of this process is in the way of comes again after so long, and many never all at once. */
const later = () => randomInt(3_000, 30_000);
/** Nobody has done anything about it for so long: its job was lost. */
const RESTING_MS = 10 * 60_000;

/** What making copies takes. */
export type ExportMaking = Omit<Indexing, 'db' | 'profile'> & {
  schema(): Promise<ProfileSchema>;
  readonly clock?: () => Date;
};

/** Makes an export later. */
export function exportJob({ accountId, id }: ExportKey, runAt?: Date): Job {
  return { name: JOB, payload: { accountId, id }, ...(runAt && { runAt }) };
}

/** Makes copies, one at a time in each process, a part at a time: each is on record whole or not at all, whoever goes on. */
export function makeExports(db: Db, making: ExportMaking): JobDefinition {
  let busy = false;
  return {
    name: JOB,
    run: async (payload, { signal, last }) => {
      const key = payloadSchema.parse(payload);
      if (busy) return enqueue(db, key, later());
      busy = true;
      try {
        await makeSome(db, making, key, signal);
      } catch (error) {
        if (last) await openWork(db, { kind: 'system' }, work => endExport(work, key, 'failed'));
        throw error;
      } finally {
        busy = false;
      }
    },
  };
}

function enqueue(db: Db, key: ExportKey, after: number): Promise<void> {
  return openWork(db, { kind: 'system' }, async work => {
    work.enqueue(exportJob(key, new Date(work.at.getTime() + after)));
  });
}

async function makeSome(db: Db, making: ExportMaking, key: ExportKey, signal: AbortSignal): Promise<void> {
  const end = Date.now() + TRY_MS;
  const indexing: Indexing = { ...making, db, profile: await making.schema() };
  while (Date.now() < end) {
    const copy = await openExport(db, making.keyring, key);
    if (!copy) return endWithoutKey(db, key);
    if (copy.state !== 'waiting' && copy.state !== 'running') return;
    if (!mayAct({ account: await findAccount(db, key.accountId) })) return stop(db, key);
    const files = await filesOf(indexing, copy);
    const place = copy.step === 0 ? beginOf(files) : copy.reached;
    const went = place
      ? await takeStep(db, copy, files, place, signal)
      : await finish(db, indexing, copy, making.clock?.() ?? new Date());
    if (!went || !place) return;
  }
  await enqueue(db, key, 0);
}

const beginOf = ([first]: readonly ExportFile[]): Reached | undefined =>
  first && { file: first.name, part: 1 };

/* Whose key is destroyed has nothing left that opens; somebody's whose account is gone has no export either. */
async function endWithoutKey(db: Db, key: ExportKey): Promise<void> {
  if (await findExport(db, key)) await stop(db, key);
}

async function stop(db: Db, key: ExportKey): Promise<void> {
  await openWork(db, { kind: 'system' }, work => endExport(work, key, 'stopped'));
}

/* False when somebody else took the step, or it is over. */
async function takeStep(
  db: Db,
  copy: Making,
  files: readonly ExportFile[],
  place: Reached,
  signal: AbortSignal,
): Promise<boolean> {
  const at = files.findIndex(({ name }) => name === place.file);
  const file = files[at];
  /* Another version of this server began it, and knew other files. */
  if (!file) throw new Error(`an export goes on in a file that is not known: ${place.file}`);
  const { after, ...part } = await writePart(file, place, signal);
  const next = files[at + 1];
  const reached =
    after !== undefined
      ? { file: file.name, part: place.part + 1, after }
      : next && { file: next.name, part: 1 };
  const step: ExportStep = { ...part, reached, walked: after === undefined ? at + 1 : at };
  return openWork(db, { kind: 'system' }, work => keepStep(work, copy, step));
}

/* What explains the rest, the moment from which it can be fetched, and the one mail that says so: all or nothing. */
async function finish(db: Db, indexing: Indexing, copy: Making, at: Date): Promise<boolean> {
  const files = await madeFiles(db, copy);
  const index = await coverOf(indexing, copy, files, at);
  const rest = [index, ...(await manifestOf(copy, indexing.issuer, [...files, index], at))];
  const step: ExportStep = { files: rest, rows: 0, walked: copy.walked, reached: undefined };
  return openWork(db, { kind: 'system' }, async work => {
    /* Whoever freezes it now comes before or after, and never between. */
    if (!mayAct({ account: await lockAccount(work, copy.accountId) })) {
      return endExport(work, copy, 'stopped');
    }
    if (!(await keepStep(work, copy, step))) return false;
    const until = await readyExport(work, { ...copy, step: copy.step + 1 });
    if (until) await tellReady(work, indexing, copy, until);
    return true;
  });
}

function tellReady(work: Work, indexing: Indexing, { accountId }: Making, until: Date): Promise<void> {
  const news = { accountId, kind: 'export_ready', until } as const;
  return tellWithoutRequest(work, indexing, news);
}

/** Takes up copies whose job was lost. */
export function resumeExports(db: Db, clock: () => Date = () => new Date()): JobDefinition {
  return {
    name: 'resume-exports',
    every: '*/5 * * * *',
    run: async () => {
      for (const key of await listResting(db, new Date(clock().getTime() - RESTING_MS), 100)) {
        await enqueue(db, key, 0);
      }
    },
  };
}
