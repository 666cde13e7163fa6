import type { Keyring } from '../../platform/crypto/keyring.js';
import type { JobDefinition } from '../../platform/jobs/jobs.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import { bringAbout, type Decision } from './decisions.js';
import type { ProfileSchema } from './schema.js';
import { listDue } from './store.js';

const BATCH = 500;

/** What jobs of this room work with; the clock is another one in tests only. */
export interface ProfileJobs {
  readonly db: Db;
  readonly keyring: Keyring;
  /** The declaration that stands. */
  readonly schema: () => Promise<ProfileSchema>;
  readonly now?: () => Date;
  /** Tells the person, in the work of the change. */
  readonly tell?: (work: Work, decision: Decision) => Promise<void>;
}

/** Makes changes take effect whose day has come. */
export function bringAboutChanges(parts: ProfileJobs): JobDefinition {
  return {
    name: 'profile-changes-due',
    every: '* * * * *',
    run: async (_payload, { signal }) => {
      let taken = BATCH;
      while (taken === BATCH && !signal.aborted) taken = await bringAboutBatch(parts);
    },
  };
}

async function bringAboutBatch({
  db,
  keyring,
  schema: standing,
  now = () => new Date(),
  tell,
}: ProfileJobs): Promise<number> {
  const due = await listDue(db, now(), BATCH);
  if (due.length === 0) return 0;
  const schema = await standing();
  for (const row of due) {
    await openWork(db, { kind: 'system' }, async work => {
      const decision = await bringAbout({ ...work, at: now() }, { schema, keyring }, row, 'scheduled');
      if (decision) await tell?.(work, decision);
    });
  }
  return due.length;
}
