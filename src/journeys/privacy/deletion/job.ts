import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { listArchivedBefore } from '../../../domain/accounts/accounts.js';
import {
  type Deletion,
  type DeletionState,
  daysAfter,
  findDeletion,
  listDueDeletions,
  noteLook,
} from '../../../domain/deletions/deletions.js';
import { Refusal } from '../../../platform/errors.js';
import type { JobDefinition } from '../../../platform/jobs/jobs.js';
import { openWork } from '../../../platform/storage/work.js';
import { audit, finish, hear } from './answers.js';
import { askFor } from './ask.js';
import { begin, DELETION_ANSWERED, remove, type Saga, tell } from './saga.js';

/** What the jobs work by. */
export type SagaOptions = Omit<Saga, 'now' | 'signal'> & {
  readonly clock?: () => Date;
  /** Rests after each deletion for three times as long as that took, so that people who wait for a page come first. */
  readonly rests?: boolean;
};

type Step = (saga: Saga, deletion: Deletion) => Promise<boolean>;

/* What is due in each state; the last step of all leads nowhere. */
const STEPS: Readonly<Partial<Record<DeletionState, Step>>> = {
  waiting: begin,
  begun: tell,
  told: remove,
  removed: finish,
  finished: audit,
};

/**
 * Takes the steps of one deletion that are due. Each is a transaction of its own or more than one, each of which may be done again:
 * whoever is killed between two leaves it to the next look.
 */
export async function advance(saga: Saga, id: string): Promise<void> {
  for (let goes = true; goes && !saga.signal.aborted; ) {
    const deletion = await findDeletion(saga.db, id);
    const step = deletion && STEPS[deletion.state];
    if (!step || (deletion.lookAt ?? saga.now) > saga.now) return;
    goes = await step(saga, deletion);
  }
}

const MINUTE = 60_000;
const LONGEST = 6 * 60;

/* Ever more seldom; an operator sees by then that it does not go on, and why. */
async function noteTrouble(saga: Saga, id: string, error: unknown): Promise<void> {
  const { tries = 0 } = (await findDeletion(saga.db, id)) ?? {};
  const lookAt = new Date(saga.now.getTime() + Math.min(2 ** tries, LONGEST) * MINUTE);
  const trouble = error instanceof Refusal ? error.code : codeOf(error);
  await openWork(saga.db, { kind: 'system' }, work => noteLook(work.tx, id, lookAt, trouble));
}

function codeOf(error: unknown): string {
  const code = typeof error === 'object' && error && 'code' in error ? String(error.code) : '';
  return /^[A-Za-z0-9_]{1,40}$/.test(code) ? code : 'failed';
}

const BATCH = 50;
/* A job is cut off after three quarters of a minute; what is left then is for the next minute. */
const RUN_MS = 30_000;
const REST = 3;

/** Takes every step that is due, of every deletion. One that fails holds up no other. */
export function lookAfterDeletions({
  clock = () => new Date(),
  rests = false,
  ...options
}: SagaOptions): JobDefinition {
  return {
    name: 'look-after-deletions',
    every: '* * * * *',
    run: async (_payload, { signal }) => {
      const saga = { ...options, now: clock(), signal };
      const seen = new Set<string>();
      const failed: unknown[] = [];
      const began = performance.now();
      const isOver = () => signal.aborted || (rests && performance.now() - began > RUN_MS);
      for (;;) {
        const due = (await listDueDeletions(saga.db, saga.now, BATCH)).filter(id => !seen.has(id));
        for (const id of due) {
          if (isOver()) break;
          seen.add(id);
          const since = performance.now();
          await advance(saga, id).catch(async error => {
            failed.push(error);
            await noteTrouble(saga, id, error);
          });
          if (rests) await pause(REST * (performance.now() - since));
        }
        if (due.length === 0 || isOver()) break;
      }
      if (failed.length > 0) throw failed[0];
    },
  };
}

/** What of the settings a deletion goes by. */
export interface DeletionSettings {
  readonly deletionWait: number;
  readonly erasedList?: string;
  readonly commandsTried: number;
  readonly dormancy?: { readonly deleteAfter?: number };
}

/** Everything that happens later about deletions. */
export function deletionJobs(
  { deletionWait, erasedList, commandsTried: days, dormancy }: DeletionSettings,
  parts: Pick<Saga, 'db' | 'telling' | 'subjectOf'>,
): readonly JobDefinition[] {
  const options = { ...parts, erasedList, days };
  const after = dormancy?.deleteAfter;
  return [
    lookAfterDeletions({ ...options, rests: true }),
    hearAnswers(options),
    ...(after === undefined ? [] : [deleteDormant(options, { after, wait: deletionWait })]),
  ];
}

const DORMANT = 100;

/** Asks for the deletion of accounts that were put away so many days ago: their owners are told, and can call it off. */
export function deleteDormant(
  { clock = () => new Date(), db, telling }: Pick<SagaOptions, 'clock' | 'db' | 'telling'>,
  { after, wait }: { readonly after: number; readonly wait: number },
): JobDefinition {
  return {
    name: 'delete-dormant',
    every: '7 * * * *',
    run: async (_payload, { signal }) => {
      const at = clock();
      for (;;) {
        const ids = await listArchivedBefore(db, daysAfter(at, -after), DORMANT);
        for (const accountId of ids) {
          if (signal.aborted) return;
          await openWork(db, { kind: 'system' }, work =>
            askFor(work, telling, { accountId, cause: 'dormancy', days: wait, at }),
          );
        }
        if (ids.length < DORMANT) return;
      }
    },
  };
}

const answered = z.object({ reason: z.uuid() });

/** An app has answered: it is written down at once, and the statement is finished where it was the last. */
export function hearAnswers({ clock = () => new Date(), ...options }: SagaOptions): JobDefinition {
  return {
    name: DELETION_ANSWERED,
    run: async (payload, { signal }) => {
      const { reason: id } = answered.parse(payload);
      const saga = { ...options, now: clock(), signal };
      const deletion = await findDeletion(saga.db, id);
      if (deletion?.state === 'removed') await finish(saga, deletion);
      else if (deletion?.state === 'finished' && (deletion.auditsAt ?? saga.now) <= saga.now)
        await audit(saga, deletion);
      else if (deletion) await hear(saga, id);
    },
  };
}
