import type { JobDefinition, JobLog } from '../../platform/jobs/jobs.js';
import { openWork } from '../../platform/storage/work.js';
import { auditKey } from './block.js';
import { type Checking, checkChain } from './checks.js';
import { appendHead, type Head, type HeadMaking, signEnd, signHead } from './heads.js';
import { type Sealing, sealEvents } from './seal.js';
import { insertCheckpoint, listForgettable, removeBlock } from './store.js';

/** What seals, writes and looks at the chain. */
export function auditJobs(parts: HeadWriting & Checking & Forgetting): readonly JobDefinition[] {
  return [sealing(parts), writingHeads(parts), checking(parts), forgetting(parts)];
}

/* A try may take 45 seconds in all. */
const BUDGET = 20_000;
/* A process that ends has ten seconds for everything. */
const LAST_BUDGET = 2_000;

const within = (signal: AbortSignal, milliseconds: number) =>
  AbortSignal.any([signal, AbortSignal.timeout(milliseconds)]);

/** Puts what happened into the chain, a minute later at most. */
function sealing(parts: Sealing): JobDefinition {
  return {
    name: 'seal-events',
    every: '* * * * *',
    run: async (_payload, { signal }) => void (await sealEvents(parts, within(signal, BUDGET))),
  };
}

/** Where heads go: to the log, and to a file of the operator's. */
export interface HeadWriting extends HeadMaking {
  readonly file: string | undefined;
  readonly log: JobLog;
}

/** Seals what waits, as far as there is time, and writes the end of the chain where nobody can change it who changes the database. */
async function writeHead({ file, log, ...parts }: HeadWriting, budget: number): Promise<Head | undefined> {
  await sealEvents(parts, AbortSignal.timeout(budget));
  const head = await signHead(parts);
  if (!head) return undefined;
  log.info({ head }, 'head of the chain of events');
  if (file !== undefined) await appendHead(file, head);
  return head;
}

/** Writes the end of the chain once a day. */
function writingHeads(parts: HeadWriting): JobDefinition {
  return {
    name: 'write-audit-head',
    every: '11 3 * * *',
    run: async () => void (await writeHead(parts, BUDGET)),
  };
}

/** Looks at the whole chain once a week, some hundred thousand events at a time. */
function checking(parts: Checking & { readonly log: JobLog }): JobDefinition {
  return {
    name: 'verify-audit',
    every: '*/10 * * * *',
    run: async (_payload, { signal }) => {
      const fault = await checkChain(parts, within(signal, BUDGET));
      if (fault) parts.log.error({ fault }, 'the chain of events is broken');
    },
  };
}

/** Tells outside what happened up to now, before this process is gone. */
export async function endAudit(parts: HeadWriting): Promise<void> {
  if (parts.file === undefined) return;
  await writeHead(parts, LAST_BUDGET).catch(error =>
    parts.log.warn({ err: error }, 'the head of the chain of events could not be written'),
  );
}

/** How long events are kept, in days. */
export interface Forgetting extends HeadMaking, Sealing {
  readonly kept: number;
}

const DAY = 86_400_000;
const BLOCKS = 20;

/** Forgets events from the start of the chain once they are old enough, and signs where it begins then. */
function forgetting(parts: Forgetting): JobDefinition {
  return {
    name: 'forget-events',
    every: '41 4 * * *',
    run: async (_payload, { signal }) => {
      while (!signal.aborted && (await forgetSome(parts)) === BLOCKS);
    },
  };
}

async function forgetSome(parts: Forgetting): Promise<number> {
  const { db, keyring, kept, now = () => new Date() } = parts;
  const due = await listForgettable(db, new Date(now().getTime() - kept * DAY), BLOCKS);
  const last = due.at(-1);
  if (!last) return 0;
  const { jws } = await signEnd(parts, last);
  await openWork(db, { kind: 'system' }, work =>
    insertCheckpoint(work.tx, { ...last, kid: auditKey(keyring).kid, jws }),
  );
  let events = 0;
  for (const { nr } of due)
    events += await openWork(db, { kind: 'system' }, work => removeBlock(work.tx, nr));
  await openWork(db, { kind: 'system' }, async work =>
    work.record({ type: 'audit.forgotten', detail: { events, before: last.at.toISOString() } }),
  );
  return due.length;
}
