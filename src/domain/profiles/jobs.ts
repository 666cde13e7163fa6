import type { Keyring } from '../../platform/crypto/keyring.js';
import type { JobDefinition } from '../../platform/jobs/jobs.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import { touchAccount } from '../accounts/accounts.js';
import { secondsOf } from '../purposes/purposes.js';
import { bringAbout, type Decision } from './decisions.js';
import { reachOf } from './limits.js';
import { keptAttributes, type ProfileSchema, purposeOf } from './schema.js';
import { deleteExpired, deleteOldChanges, forgetBefore, listAttributeNames, listDue } from './store.js';

const BATCH = 500;
const DAY = 86_400;
/** So long a change is shown to its person after it was settled, whatever limits count. */
const SHOWN = 90 * DAY;

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

/** Removes what is held no longer: values before a change, counted changes, and values whose purpose has ended. */
export function sweepProfiles({
  db,
  schema: standing,
  now = () => new Date(),
}: Omit<ProfileJobs, 'keyring'>): JobDefinition {
  return {
    name: 'sweep-profiles',
    every: '*/10 * * * *',
    run: async (_payload, { signal }) => {
      const schema = await standing();
      const again = async (step: () => Promise<number>) => {
        while (!signal.aborted && (await step()) === BATCH);
      };
      await again(() => forgetBefore(db, now(), BATCH));
      const longest = Math.max(SHOWN, ...keptAttributes(schema).map(({ limits }) => reachOf(limits)));
      await again(() => deleteOldChanges(db, ago(now(), longest), BATCH));
      for (const [attribute, before, reason] of await endings(db, schema, now())) {
        await again(() => expire(db, attribute, before, reason));
      }
    },
  };
}

const ago = (at: Date, seconds: number) => new Date(at.getTime() - seconds * 1_000);

type Ending = readonly [attribute: string, before: Date, reason: 'retention' | 'not_held'];

/* What is not declared any more is held for nothing; of the rest, what is older than its purpose says. */
async function endings(db: Db, schema: ProfileSchema, at: Date): Promise<readonly Ending[]> {
  const declared = new Set(keptAttributes(schema).map(({ name }) => name));
  const gone = (await listAttributeNames(db)).filter(name => !declared.has(name));
  const limited = keptAttributes(schema).flatMap((attribute): Ending[] => {
    const { retention } = purposeOf(schema, attribute);
    return retention === 'account' ? [] : [[attribute.name, ago(at, secondsOf(retention)), 'retention']];
  });
  return [...gone.map((name): Ending => [name, at, 'not_held']), ...limited];
}

function expire(db: Db, attribute: string, before: Date, reason: Ending[2]): Promise<number> {
  return openWork(db, { kind: 'system' }, async work => {
    const accounts = await deleteExpired(work.tx, attribute, before, BATCH);
    for (const accountId of accounts) {
      await touchAccount(work.tx, accountId, work.at);
      work.record({ type: 'profile.expired', accountId, detail: { attribute, reason } });
    }
    return accounts.length;
  });
}
