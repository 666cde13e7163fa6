import type { JobDefinition, JobLog } from '../../platform/jobs/jobs.js';
import { type Checking, checkChain } from './checks.js';
import { appendHead, type Head, type HeadMaking, signHead } from './heads.js';
import { type Sealing, sealEvents } from './seal.js';

/** What seals, writes and looks at the chain. */
export function auditJobs(parts: HeadWriting & Checking): readonly JobDefinition[] {
  return [sealing(parts), writingHeads(parts), checking(parts)];
}

/** Puts what happened into the chain, a minute later at most. */
function sealing(parts: Sealing): JobDefinition {
  return {
    name: 'seal-events',
    every: '* * * * *',
    run: async (_payload, { signal }) => void (await sealEvents(parts, signal)),
  };
}

/** Where heads go: to the log, and to a file of the operator's. */
export interface HeadWriting extends HeadMaking {
  readonly file: string | undefined;
  readonly log: JobLog;
}

/** Seals what waits and writes the end of the chain where nobody can change it who changes the database. */
export async function writeHead({ file, log, ...parts }: HeadWriting): Promise<Head | undefined> {
  await sealEvents(parts);
  const head = await signHead(parts);
  if (!head) return undefined;
  log.info({ head }, 'head of the chain of events');
  if (file !== undefined) await appendHead(file, head);
  return head;
}

/** Writes the end of the chain once a day. */
function writingHeads(parts: HeadWriting): JobDefinition {
  return { name: 'write-audit-head', every: '11 3 * * *', run: async () => void (await writeHead(parts)) };
}

/* A try may take 45 seconds in all. */
const BUDGET = 20_000;

/** Looks at the whole chain once a week, some hundred thousand events at a time. */
function checking(parts: Checking & { readonly log: JobLog }): JobDefinition {
  return {
    name: 'verify-audit',
    every: '*/10 * * * *',
    run: async (_payload, { signal }) => {
      const stop = AbortSignal.any([signal, AbortSignal.timeout(BUDGET)]);
      const fault = await checkChain(parts, stop);
      if (fault) parts.log.error({ fault }, 'the chain of events is broken');
    },
  };
}

/** Tells outside what happened up to now, before this process is gone. */
export async function endAudit(parts: HeadWriting): Promise<void> {
  if (parts.file === undefined) return;
  await writeHead(parts).catch(error =>
    parts.log.warn({ err: error }, 'the head of the chain of events could not be written'),
  );
}
