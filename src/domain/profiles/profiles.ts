import { Refusal } from '../../platform/errors.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import {
  listNotices,
  listPurposes,
  OUTDATED_CONSENTS,
  type StandingNotice,
  setPurposes,
} from '../purposes/purposes.js';
import { compareSchemas, type ProfileSchema, standardSchema, withHeld } from './schema.js';
import {
  countValues,
  findStanding,
  listDeclarations,
  listValues,
  type ProfileSource,
  replaceDeclarations,
  type StandingRow,
  upsertValues,
} from './store.js';

export {
  type Attribute,
  type ChangeLimits,
  type ElsewhereAttribute,
  isAskable,
  isKept,
  type KeptAttribute,
} from './attribute.js';
export {
  type AttributeProblem,
  type Became,
  type BlockedAttribute,
  beforeOf,
  type ChangeOutcome,
  changePicture,
  changeProfile,
  endPurpose,
  openSealed,
  undoChange,
  withdrawChange,
} from './changes.js';
export { approveChange, type Decision, refuseChange } from './decisions.js';
export {
  claimsToApps,
  DERIVED,
  type Derived,
  declarableOf,
  derivedClaims,
  deriveFrom,
  sourceOf,
} from './derived.js';
export { countHeld } from './ending-store.js';
export { exportProfile } from './exported.js';
export { bringAboutChanges } from './jobs.js';
export { type Blocked, type BlockedWhy, judgeChange } from './limits.js';
export { type ReplacedValue, restoreValues } from './merging.js';
export { findPicture, keepPicture, newPicturePath } from './pictures.js';
export {
  type Given,
  type LeftOut,
  type Provided,
  type ProvidedOutcome,
  providerWins,
  takeProvided,
  WINNERS,
  type Winner,
} from './provided.js';
export { type Ending, sweepProfiles, type ValuesEnding, valuesEnding } from './retention.js';
export {
  type FileProblem,
  keptAttributes,
  type ProfileSchema,
  pictureAttributes,
  purposeOf,
  readSchema,
  standardSchema,
} from './schema.js';
export {
  type ChangeRow,
  type ChangeState,
  type FromProvider,
  findWaiting,
  forgetProfile,
  hasChange,
  type KeptValue,
  listValues,
  listWaiting,
  type ProfileSource,
  readProfile,
} from './store.js';
export {
  ADDRESS_PARTS,
  addressLines,
  readValue,
  sameValue,
  timeZones,
  type Value,
  type ValueProblem,
  valueInWords,
} from './value.js';

/** The facts this room records. */
export const PROFILE_FACTS = [
  'profile.changed',
  'profile.change_asked',
  'profile.change_blocked',
  'profile.change_approved',
  'profile.change_refused',
  'profile.change_undone',
  'profile.change_withdrawn',
  'profile.expired',
  'profile_schema.applied',
] as const;

/** A declaration that stands, and whose it is. */
export interface StandingSchema extends ProfileSchema, Omit<StandingRow, 'applied_at'> {
  readonly appliedAt: Date;
  /** Which version of its notice stands for each purpose. */
  readonly notices: readonly StandingNotice[];
}

/** The declaration that stands; undefined before anything was applied. */
export async function findSchema(db: Db): Promise<StandingSchema | undefined> {
  const standing = await findStanding(db);
  if (!standing) return undefined;
  const [purposes, attributes] = [await listPurposes(db), await listDeclarations(db)];
  return {
    purposes,
    attributes,
    notices: await listNotices(db),
    source: standing.source,
    version: standing.version,
    appliedAt: standing.applied_at,
  };
}

/** The declaration that stands. The shipped one is applied where there is none or an older shipped one. */
export async function openSchema(db: Db): Promise<StandingSchema> {
  const shipped = standardSchema();
  const standing = await findSchema(db);
  if (standing && stands(standing)) return standing;
  await openWork(db, { kind: 'system' }, async work => {
    /* Several processes start at once, and one of them applies it. */
    await oneAtATime(work);
    const inTime = await findSchema(work.tx);
    if (inTime && stands(inTime)) return;
    const { source = 'shipped', version } = inTime ?? {};
    if (inTime && source === 'operator') {
      const next = { purposes: withHeld(inTime.purposes), attributes: inTime.attributes };
      await applySchema(work, next, { source, version: version ?? 1 });
    } else await applySchema(work, shipped.schema, { source: 'shipped', version: shipped.version });
  });
  const opened = await findSchema(db);
  if (!opened) throw new Error('the shipped declaration was not applied');
  return opened;
}

/* An operator's stands, with whatever this version holds beside it. */
function stands({ source, version, purposes }: StandingSchema): boolean {
  return source === 'operator' ? withHeld(purposes) === purposes : version >= standardSchema().version;
}

async function oneAtATime({ tx }: Work): Promise<void> {
  await tx.raw('SELECT pg_advisory_xact_lock(hashtext(?))', ['keyhold profile_schema']);
}

/** Values that are in the way of a declaration: of attributes that it leaves out or keeps as something else. */
export interface ValuesInTheWay {
  readonly attribute: string;
  readonly why: 'left_out' | 'other_type';
  /** Counted up to `COUNTED`. */
  readonly values: number;
}

/** So far values are counted. */
export const COUNTED = 1_000;

/** What keeps `next` from being applied as it is. */
export async function valuesInTheWay(
  db: Db,
  now: ProfileSchema,
  next: ProfileSchema,
): Promise<readonly ValuesInTheWay[]> {
  const after = new Map(next.attributes.map(attribute => [attribute.name, attribute]));
  const found: ValuesInTheWay[] = [];
  for (const was of now.attributes) {
    const is = after.get(was.name);
    if (!('type' in was) || (is && 'type' in is && is.type === was.type)) continue;
    const values = await countValues(db, was.name, COUNTED);
    if (values > 0) found.push({ attribute: was.name, why: is ? 'other_type' : 'left_out', values });
  }
  return found;
}

/**
 * Makes a declaration the one that stands, whole and in the caller's transaction. An attribute that people have values of
 * keeps its type; one that is left out loses them, later and bit by bit, where that was said.
 */
export async function applySchema(
  work: Work,
  next: ProfileSchema,
  {
    source,
    version,
    deleteValues = false,
  }: { readonly source: StandingRow['source']; readonly version: number; readonly deleteValues?: boolean },
): Promise<void> {
  await oneAtATime(work);
  const now = (await findSchema(work.tx)) ?? { purposes: [], attributes: [] };
  const [wrong] = (await valuesInTheWay(work.tx, now, next)).filter(
    ({ why }) => why === 'other_type' || !deleteValues,
  );
  if (wrong) throw new Refusal('conflict', 'values_in_the_way', `People have values of ${wrong.attribute}.`);
  const { added, changed, removed } = compareSchemas(now, next);
  await work.tx('profile_declarations').delete();
  const notices = await setPurposes(work, next.purposes, next.attributes);
  if (notices.some(({ asksAgain }) => asksAgain)) work.enqueue({ name: OUTDATED_CONSENTS, payload: {} });
  await replaceDeclarations(work.tx, next.attributes, { source, version, applied_at: work.at });
  work.record({ type: 'profile_schema.applied', detail: { source, added, changed, removed } });
}

/**
 * Sets attributes without any limit, each with where the value came from; what is not declared is never set. The fact
 * names the attributes and never their values.
 */
export async function setAttributes(
  work: Work,
  schema: ProfileSchema,
  accountId: string,
  values: Readonly<Record<string, unknown>>,
  source: ProfileSource,
): Promise<void> {
  const changed = schema.attributes.flatMap(attribute =>
    'type' in attribute && Object.hasOwn(values, attribute.name) && values[attribute.name] !== undefined
      ? [attribute.name]
      : [],
  );
  if (changed.length === 0) return;
  await upsertValues(
    work.tx,
    accountId,
    changed.map(name => [name, { value: values[name], source, at: work.at }]),
  );
  work.record({ type: 'profile.changed', accountId, detail: { attributes: changed, source } });
}

/** What is known about somebody, by attribute. */
export async function listAttributes(db: Db, accountId: string): Promise<Readonly<Record<string, unknown>>> {
  return Object.fromEntries([...(await listValues(db, accountId))].map(([name, { value }]) => [name, value]));
}
