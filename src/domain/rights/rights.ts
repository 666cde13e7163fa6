import { v7 as uuidv7 } from 'uuid';
import type { Keyring } from '../../platform/crypto/keyring.js';
import { Refusal } from '../../platform/errors.js';
import type { Db } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';
import { lockAccount, restrictAccount } from '../accounts/accounts.js';
import { after, deadlinesOf, type Law, latestOf, lawOf } from './clock.js';
import {
  type About,
  dueOf,
  heldBackBy,
  isInForce,
  LIFTING_DAYS,
  MOST_BY_AGENT,
  MOST_OPEN,
  type Outcome,
  type RequestState,
  type Right,
  type RightsRequest,
} from './right.js';
import * as store from './store.js';

export {
  after,
  type Deadlines,
  deadlinesOf,
  LAWS,
  type Law,
  latestOf,
  lawFor,
  lawOf,
  STRICTEST,
  type Urgency,
  urgencyOf,
} from './clock.js';
export { exportRights } from './exported.js';
export { rightsClock, sweepRights } from './jobs.js';
export {
  findMandate,
  giveMandate,
  listMandates,
  type Mandate,
  type MandateFault,
  refuseMandate,
  revokeMandate,
  useMandate,
} from './mandates.js';
export {
  type About,
  dueOf,
  isInForce,
  LIFTING_DAYS,
  LONGEST_WORDS,
  type ObjectablePurpose,
  type Outcome,
  objectionTo,
  REQUEST_STATES,
  type RequestState,
  RIGHTS,
  type Right,
  type RightsRequest,
} from './right.js';
export {
  type AfterDue,
  findAnyRequest,
  findRequest,
  forgetRights,
  listInForce,
  listOpenRequests,
  listRequests,
} from './store.js';

/** The facts this room records. */
export const RIGHTS_FACTS = [
  'right.asked',
  'right.confirmed',
  'right.extended',
  'right.decided',
  'right.withdrawn',
  'right.due',
  'restriction.begun',
  'restriction.ends',
  'restriction.ended',
  'mandate.given',
  'mandate.revoked',
  'mandate.used',
  'mandate.refused',
] as const;

const NOTHING: About = { everything: false, purposes: [], attributes: [] };

/** What somebody asks for. */
export interface Asking {
  readonly accountId: string;
  readonly kind: Right;
  readonly law: Law;
  readonly about?: About;
  readonly words?: string | undefined;
  readonly refersTo?: string;
  /** By whom, where it is not the person; they have to confirm it first where `unconfirmed` says so. */
  readonly mandateId?: string;
  readonly unconfirmed?: boolean;
  /** It holds data back from now on, and is done by that. */
  readonly holdsBack?: boolean;
  readonly absolute?: boolean;
  /** It is done with already. */
  readonly outcome?: Outcome;
}

/**
 * Puts on record what somebody asks for, with the days by which it has to be answered; what holds data back does so from the
 * commit on. Gives `too_many` where so many are open already.
 */
export async function askRight(
  work: Work,
  keyring: Keyring,
  asking: Asking,
): Promise<RightsRequest | 'too_many'> {
  const { accountId, kind, law, about = NOTHING, mandateId, holdsBack = false } = asking;
  await lockAccount(work, accountId);
  const day = { since: new Date(work.at.getTime() - DAY) };
  const { open, byMandate } = await store.countOpen(
    work.tx,
    accountId,
    mandateId === undefined ? undefined : { id: mandateId, ...day },
  );
  const outcome = asking.outcome ?? (holdsBack ? 'held_back' : undefined);
  if (byMandate >= MOST_BY_AGENT || (open >= MOST_OPEN && outcome === undefined)) return 'too_many';
  const waits = asking.unconfirmed ? 'unconfirmed' : 'open';
  const request: RightsRequest = {
    ...about,
    id: uuidv7(),
    accountId,
    kind,
    state: outcome === undefined ? waits : 'done',
    absolute: asking.absolute === true,
    mandateId,
    place: law.place,
    law: law.law,
    askedAt: work.at,
    ...deadlinesOf(law, work.at),
    extendedUntil: undefined,
    extendedBecause: undefined,
    words: asking.words,
    answer: undefined,
    outcome,
    refersTo: asking.refersTo,
    decidedAt: outcome === undefined ? undefined : work.at,
    decidedBy: outcome === undefined ? undefined : 'keyhold',
    holdsFrom: holdsBack ? work.at : undefined,
    liftsAt: undefined,
    liftedAt: undefined,
  };
  await store.insertRequest(work.tx, keyring, request);
  const detail = { request: request.id, right: kind, law: law.law, place: law.place };
  work.record({
    type: 'right.asked',
    accountId,
    detail: { ...detail, state: request.state, ...(mandateId !== undefined && { mandate: mandateId }) },
  });
  if (holdsBack) {
    const { everything, purposes, attributes } = request;
    const held = { request: request.id, right: kind, everything, purposes, attributes };
    work.record({ type: 'restriction.begun', accountId, detail: held });
    await holdBack(work, keyring, accountId);
  }
  return request;
}

const DAY = 86_400_000;

/* The account says what is held back, since it is read by everything that could let something out. */
async function holdBack(work: Work, keyring: Keyring, accountId: string): Promise<void> {
  const inForce = await store.listInForce(work.tx, keyring, accountId);
  await restrictAccount(work, accountId, heldBackBy(inForce));
}

/** Takes a request back; what it holds back ends with it. `over` when it was decided before, `none` where there is none. */
export async function withdrawRight(
  work: Work,
  keyring: Keyring,
  accountId: string,
  id: string,
): Promise<'withdrawn' | 'over' | 'none'> {
  const how = { state: 'withdrawn', outcome: 'withdrawn', by: 'person' } as const;
  const waiting = ['open', 'unconfirmed'] as const;
  if (await store.decide(work.tx, keyring, { accountId, id }, waiting, how, work.at)) {
    work.record({ type: 'right.withdrawn', accountId, detail: { request: id } });
    return 'withdrawn';
  }
  return (await store.findRequest(work.tx, keyring, accountId, id)) ? 'over' : 'none';
}

/** Says that the person wants what an agent asked for; false when it does not wait for that. */
export async function confirmRight(work: Work, accountId: string, id: string): Promise<boolean> {
  const confirmed = await store.confirm(work.tx, accountId, id);
  if (confirmed) work.record({ type: 'right.confirmed', accountId, detail: { request: id } });
  return confirmed;
}

/** Says what became of a request that is open, once; false when somebody was quicker. */
export async function decideRight(
  work: Work,
  keyring: Keyring,
  request: Pick<RightsRequest, 'accountId' | 'id' | 'kind'>,
  decided: store.Decided,
): Promise<boolean> {
  return settle(work, keyring, request, ['open', 'unconfirmed'], decided);
}

/** The same of the request that is dealt with by a thing, if there is one; gives it. */
export async function decideByReference(
  work: Work,
  keyring: Keyring,
  accountId: string,
  refersTo: string,
  decided: store.Decided,
): Promise<RightsRequest | undefined> {
  const request = await store.findByReference(work.tx, keyring, accountId, refersTo);
  return request && (await decideRight(work, keyring, request, decided)) ? request : undefined;
}

/** Takes back the request that is dealt with by a thing, if there is one that waits. */
export async function withdrawByReference(
  work: Work,
  keyring: Keyring,
  accountId: string,
  refersTo: string,
): Promise<void> {
  const request = await store.findByReference(work.tx, keyring, accountId, refersTo);
  if (request) await withdrawRight(work, keyring, accountId, request.id);
}

async function settle(
  work: Work,
  keyring: Keyring,
  { accountId, id, kind }: Pick<RightsRequest, 'accountId' | 'id' | 'kind'>,
  from: readonly RequestState[],
  decided: store.Decided,
): Promise<boolean> {
  if (!(await store.decide(work.tx, keyring, { accountId, id }, from, decided, work.at))) return false;
  const { state, outcome, by } = decided;
  work.record({ type: 'right.decided', accountId, detail: { request: id, right: kind, state, outcome, by } });
  return true;
}

/**
 * Refuses an objection that has held data back since it was raised, because of compelling grounds (GDPR Art. 21(1)): it goes on to
 * do so until whoever objected was told for a week. Never one to direct marketing (Art. 21(3)).
 */
export async function refuseObjection(
  work: Work,
  keyring: Keyring,
  request: RightsRequest,
  answer: string,
): Promise<Date> {
  if (request.absolute) {
    throw new Refusal('forbidden', 'absolute', 'An objection to direct marketing is refused by nobody.');
  }
  const decided = { state: 'refused', outcome: 'refused', answer, by: 'operator' } as const;
  if (!isInForce(request) || !(await settle(work, keyring, request, ['done'], decided)))
    throw new Refusal('conflict', 'right_is_over', 'There is nothing left to refuse.');
  return endLater(work, request);
}

/** Announces that a restriction will end; its person is told before it does (GDPR Art. 18(3)). Gives when. */
export async function endLater(work: Work, request: RightsRequest): Promise<Date> {
  const at = after(work.at, { days: LIFTING_DAYS });
  if (request.absolute) {
    throw new Refusal(
      'forbidden',
      'absolute',
      'An objection to direct marketing is ended by its person alone.',
    );
  }
  if (!(await store.announceLift(work.tx, request.accountId, request.id, at)))
    throw new Refusal(
      'conflict',
      'right_is_over',
      'This holds nothing back, or its end is announced already.',
    );
  const detail = { request: request.id, at: at.toISOString() };
  work.record({ type: 'restriction.ends', accountId: request.accountId, detail });
  return at;
}

/** Ends what holds data back, now; false when it did not. */
export async function endRestriction(
  work: Work,
  keyring: Keyring,
  { accountId, id }: Pick<RightsRequest, 'accountId' | 'id'>,
  by: 'person' | 'operator',
): Promise<boolean> {
  await lockAccount(work, accountId);
  if (!(await store.lift(work.tx, accountId, id, work.at))) return false;
  work.record({ type: 'restriction.ended', accountId, detail: { request: id, by } });
  await holdBack(work, keyring, accountId);
  return true;
}

/** Says that what somebody asked for was done by the software at once: of what an agent asked for them too. */
export async function fulfilRight(
  work: Work,
  keyring: Keyring,
  asking: Pick<Asking, 'accountId' | 'kind' | 'law'>,
  outcome: Outcome,
): Promise<void> {
  const { accountId, kind } = asking;
  const waiting = await store.listOfAgents(work.tx, keyring, accountId, kind);
  for (const request of waiting)
    await settle(work, keyring, request, ['open', 'unconfirmed'], { state: 'done', outcome, by: 'keyhold' });
  if (waiting.length === 0) await askRight(work, keyring, { ...asking, outcome });
}

/** Puts an answer off as far as the law of the place allows, with a reason that the person is told. */
export async function extendRight(
  work: Work,
  keyring: Keyring,
  request: RightsRequest,
  { because, law = lawOf(request) }: { readonly because: string; readonly law?: Law },
): Promise<Date> {
  const until = latestOf(law, request.dueAt);
  if (!until)
    throw new Refusal(
      'forbidden',
      'no_extension',
      'No law that is known to count here lets an answer come later.',
    );
  if (work.at > dueOf(request))
    throw new Refusal('conflict', 'too_late', 'It is too late: it has to be put off before it is due.');
  const change = { until, because, place: law.place, law: law.law };
  if (!(await store.extend(work.tx, keyring, request, change)))
    throw new Refusal('conflict', 'right_is_over', 'This is not open, or was put off already.');
  const detail = { request: request.id, right: request.kind, until: until.toISOString() };
  work.record({ type: 'right.extended', accountId: request.accountId, detail });
  return until;
}

/** How many requests wait, and for how many it is nearly or already too late. */
export function countRights(db: Db, now: Date): ReturnType<typeof store.countDue> {
  return store.countDue(db, after(now, { days: LIFTING_DAYS }), now);
}
