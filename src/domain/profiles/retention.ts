import type { JobDefinition } from '../../platform/jobs/jobs.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import { touchAccount } from '../accounts/accounts.js';
import { secondsOf } from '../purposes/purposes.js';
import type { KeptAttribute } from './attribute.js';
import { countBefore, deleteExpired, type Expired, noteTold } from './ending-store.js';
import { reachOf } from './limits.js';
import { keptAttributes, type ProfileSchema, purposeOf } from './schema.js';
import { deleteOldChanges, forgetBefore, listAttributeNames } from './store.js';

const BATCH = 500;
/* Each is a mail to every address of somebody. */
const TOLD_AT_ONCE = 50;
const DAY = 86_400;
/** So long a change is shown to its person after it was settled, whatever limits count. */
const SHOWN = 90 * DAY;
/** So long before a value is removed its person is told, where it was kept for twice as long at least. */
const NOTICE = 14 * DAY;

/** Tells somebody, in the work that notes it, which attributes of theirs are removed in two weeks. */
export type TellEnding = (work: Work, ending: Ending) => Promise<void>;

/** Whose values end, and which. */
export interface Ending {
  readonly accountId: string;
  readonly attributes: readonly string[];
}

/** What the job works with; the clock is another one in tests only. */
export interface ProfileRetention {
  readonly db: Db;
  /** The declaration that stands. */
  readonly schema: () => Promise<ProfileSchema>;
  readonly now?: () => Date;
  /** Without it nobody is told, and values go on their day. */
  readonly tellEnding?: TellEnding;
}

/** Removes what is held no longer: values before a change, counted changes, and values whose purpose has ended. */
export function sweepProfiles(parts: ProfileRetention): JobDefinition {
  const { db, schema: standing, now = () => new Date(), tellEnding } = parts;
  return {
    name: 'sweep-profiles',
    every: '*/10 * * * *',
    run: async (_payload, { signal }) => {
      const schema = await standing();
      const again = async (step: () => Promise<number>, batch = BATCH) => {
        while (!signal.aborted && (await step()) >= batch);
      };
      await again(() => forgetBefore(db, now(), BATCH));
      const longest = Math.max(SHOWN, ...keptAttributes(schema).map(({ limits }) => reachOf(limits)));
      await again(() => deleteOldChanges(db, ago(now(), longest), BATCH));
      if (tellEnding) await again(() => tellSome(parts, tellEnding, schema), TOLD_AT_ONCE);
      for (const [expired, reason] of await endings(parts, schema)) {
        await again(() => expire(db, expired, reason));
      }
    },
  };
}

const ago = (at: Date, seconds: number) => new Date(at.getTime() - seconds * 1_000);

/** The attributes whose values end by themselves, and after how many seconds. */
function limited(schema: ProfileSchema): readonly (readonly [attribute: KeptAttribute, seconds: number])[] {
  return keptAttributes(schema).flatMap(attribute => {
    const { retention } = purposeOf(schema, attribute);
    return retention === 'account' ? [] : [[attribute, secondsOf(retention)] as const];
  });
}

const isTold = (seconds: number) => seconds >= 2 * NOTICE;

/* Note and mail are one work: whoever is told was noted, and nobody is told twice. */
async function tellSome(
  { db, now = () => new Date() }: ProfileRetention,
  tellEnding: TellEnding,
  schema: ProfileSchema,
): Promise<number> {
  const ends = limited(schema)
    .filter(([{ see }, seconds]) => isTold(seconds) && see.includes('person'))
    .map(([{ name }, seconds]) => ({ attribute: name, before: ago(now(), seconds - NOTICE) }));
  if (ends.length === 0) return 0;
  return openWork(db, { kind: 'system' }, async work => {
    const told = await noteTold(work.tx, ends, now(), TOLD_AT_ONCE);
    for (const [accountId, attributes] of told) await tellEnding(work, { accountId, attributes });
    return told.size;
  });
}

type Reason = 'retention' | 'not_held';

/* What is not declared any more is held for nothing; of the rest, what is older than its purpose says. */
async function endings(
  { db, now = () => new Date(), tellEnding }: ProfileRetention,
  schema: ProfileSchema,
): Promise<readonly (readonly [Expired, Reason])[]> {
  const declared = new Set(keptAttributes(schema).map(({ name }) => name));
  const gone = (await listAttributeNames(db)).filter(name => !declared.has(name));
  return [
    ...gone.map(name => [{ attribute: name, before: now(), toldBefore: undefined }, 'not_held'] as const),
    ...limited(schema).map(([{ name, see }, seconds]) => {
      const toldBefore =
        tellEnding && isTold(seconds) && see.includes('person') ? ago(now(), NOTICE) : undefined;
      return [{ attribute: name, before: ago(now(), seconds), toldBefore }, 'retention'] as const;
    }),
  ];
}

function expire(db: Db, expired: Expired, reason: Reason): Promise<number> {
  return openWork(db, { kind: 'system' }, async work => {
    const accounts = await deleteExpired(work.tx, expired, BATCH);
    for (const accountId of accounts) {
      await touchAccount(work.tx, accountId, work.at);
      work.record({
        type: 'profile.expired',
        accountId,
        detail: { attribute: expired.attribute, reason },
      });
    }
    return accounts.length;
  });
}

/** The values of an attribute that would end at once, since they are kept for a shorter time than so far. */
export interface ValuesEnding {
  readonly attribute: string;
  /** Counted up to `most`. */
  readonly values: number;
}

/** Which values have come to their end once `next` stands, and had not before. */
export async function valuesEnding(
  db: Db,
  now: ProfileSchema,
  next: ProfileSchema,
  { at = new Date(), most }: { readonly at?: Date; readonly most: number },
): Promise<readonly ValuesEnding[]> {
  const before = new Map(limited(now).map(([{ name }, seconds]) => [name, seconds]));
  const found: ValuesEnding[] = [];
  for (const [{ name }, seconds] of limited(next)) {
    if (seconds >= (before.get(name) ?? Number.POSITIVE_INFINITY)) continue;
    const values = await countBefore(db, name, ago(at, seconds), most);
    if (values > 0) found.push({ attribute: name, values });
  }
  return found;
}
