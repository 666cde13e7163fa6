import type { Db } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';
import {
  type ConsentAnswers,
  type ConsentEvent,
  type ConsentState,
  type ConsentTerms,
  isOver,
} from './consent.js';
import * as ledger from './ledger.js';
import * as store from './store.js';

export {
  CONSENT_EVENTS,
  type ConsentActor,
  type ConsentAnswers,
  type ConsentEvent,
  type ConsentEventName,
  type ConsentParty,
  type ConsentState,
  type ConsentTerms,
  consentAfter,
  foldConsent,
  isOver,
  stateAfter,
} from './consent.js';
export { exportConsents } from './exported.js';
export {
  forgetConsents,
  judgeConsents,
  recordOutdatedConsents,
} from './jobs.js';
export { digestOf } from './ledger.js';
export { isWithin, narrowConsent, narrowerOf, widenConsentAgain } from './narrowing.js';
export { type Receipt, type ReceiptFacts, type ReceiptPurpose, receiptOf } from './receipt.js';
export type { ConsentKey, LedgerStretch } from './store.js';
export { forgetConsentsOf } from './store.js';
export { acceptTerms } from './terms.js';

/** The facts this room records. */
export const CONSENT_FACTS = [
  'consent.given',
  'consent.changed',
  'consent.refused',
  'consent.withdrawn',
  'consent.expired',
  'consent.outdated',
  'consent.asked_again',
  'receipt.issued',
  'terms.accepted',
] as const;

/** What somebody allowed an app, what of it they left out, and under which words and terms. */
export interface ConsentGiven
  extends Omit<ConsentAnswers, 'resources' | 'uses' | 'refusedUses'>,
    Partial<ConsentTerms> {
  readonly accountId: string;
  readonly clientId: string;
  readonly resources?: ConsentAnswers['resources'];
  readonly uses?: ConsentAnswers['uses'];
  readonly refusedUses?: ConsentAnswers['refusedUses'];
  readonly language: string;
  /** How it came about, e.g. `consent_page`. */
  readonly method?: string;
}

/**
 * Puts on record what somebody allowed, word for word. It is remembered beside what they allowed the same app before: the
 * newer answer about a scope or claim wins, and what was not asked this time stays as it was.
 */
export async function giveConsent(work: Work, given: ConsentGiven): Promise<void> {
  await ledger.insertAnswer(work.tx, ledger.entryOf(work, given));
  const { accountId, clientId, scopes, claims, uses = [], refusedUses = [] } = given;
  const refused = [...given.refusedScopes, ...given.refusedClaims];
  work.record({
    type: 'consent.given',
    accountId,
    clientId,
    detail: { scopes, claims, refused, uses, refused_uses: refusedUses },
  });
}

/** Puts on record that somebody allowed nothing of what they were asked. What was allowed before stays. */
export async function refuseConsent(work: Work, asked: ConsentGiven): Promise<void> {
  const { accountId, clientId } = asked;
  await ledger.append(work.tx, 'refused', ledger.entryOf(work, asked));
  work.record({ type: 'consent.refused', accountId, clientId });
}

/** Puts on record, once for these versions, that somebody was shown words that changed since they agreed. */
export async function askConsentAgain(work: Work, asked: ConsentGiven): Promise<void> {
  const { accountId, clientId, notices = {} } = asked;
  if (await store.wasAskedAgain(work.tx, { accountId, clientId }, notices)) return;
  await ledger.append(work.tx, 'asked_again', ledger.entryOf(work, asked));
  const purposes = Object.keys(notices).sort();
  work.record({ type: 'consent.asked_again', accountId, clientId, detail: { purposes } });
}

/**
 * Takes back all that an app was allowed; says whether there was anything. What the app holds ends with
 * `withdrawFromApp` of the journeys, which is what everybody should call.
 */
export async function withdrawConsent(
  work: Work,
  accountId: string,
  clientId: string,
  method = 'unknown',
): Promise<boolean> {
  await store.lockSubjects(work.tx, [accountId]);
  const was = await store.remove(work.tx, accountId, clientId);
  if (!was) return false;
  await ledger.append(
    work.tx,
    'withdrawn',
    ledger.entryOf(work, { accountId, clientId, ...ended(was), method }),
  );
  work.record({ type: 'consent.withdrawn', accountId, clientId });
  return true;
}

/** Puts on record that a consent has ended by itself; says whether it had. It was worth nothing from that instant on. */
export async function recordExpiry(work: Work, { accountId, clientId }: store.ConsentKey): Promise<boolean> {
  await store.lockSubjects(work.tx, [accountId]);
  const was = await store.remove(work.tx, accountId, clientId, work.at);
  if (!was) return false;
  const said = { accountId, clientId, ...ended(was), validUntil: was.validUntil, method: 'end_date' };
  await ledger.append(work.tx, 'expired', ledger.entryOf(work, said));
  work.record({ type: 'consent.expired', accountId, clientId });
  return true;
}

/* What came to an end stands in the event that ended it. */
const ended = ({ id: _, language: _l, givenAt: _g, validUntil: _v, ...answers }: ConsentState) => answers;

/** What somebody allows an app now; undefined also when it has ended by itself. */
export async function findConsent(
  db: Db,
  accountId: string,
  clientId: string,
  at = new Date(),
): Promise<ConsentState | undefined> {
  const state = await store.find(db, accountId, clientId);
  return state && !isOver(state, at) ? state : undefined;
}

/** What happened about somebody's consents, oldest first, 500 at most; `after` is the `nr` of the last one read. */
export function listConsentEvents(
  db: Db,
  accountId: string,
  stretch: store.LedgerStretch = {},
): Promise<readonly ConsentEvent[]> {
  return store.list(db, accountId, stretch);
}

/** One event of somebody's ledger; another person's is none. */
export function findConsentEvent(db: Db, accountId: string, id: string): Promise<ConsentEvent | undefined> {
  return store.findEvent(db, accountId, id);
}

/** Consents that ended by themselves until a moment and are still there, the earliest first. */
export function listConsentsOver(db: Db, at: Date, limit: number): Promise<readonly store.ConsentKey[]> {
  return store.listOver(db, at, limit);
}

/** So far consents are counted. */
export const COUNTED_CONSENTS = 10_000;

/** How many consents stand under a version of a purpose's notice before this one, counted up to `COUNTED_CONSENTS`. */
export function countConsentsBefore(db: Db, purpose: string, version: number): Promise<number> {
  return store.countBefore(db, purpose, version, COUNTED_CONSENTS);
}

/** Whether an event stands in the ledger of a pseudonym, whoever that is or was. */
export function hasConsentEvent(db: Db, subject: string, id: string): Promise<boolean> {
  return store.hasEvent(db, subject, id);
}

/** The exact words with this SHA-256 (hex) that were shown to somebody, as JSON. */
export function findWording(db: Db, digest: string): Promise<string | undefined> {
  return store.findWording(db, digest);
}

/** What somebody changes of what they allow an app; all that is not named stays as it is. */
export interface ConsentChange extends Partial<Omit<ConsentTerms, 'notices' | 'renews' | 'validUntil'>> {
  readonly accountId: string;
  readonly clientId: string;
  /** The id of the consent that they saw: another one by now is not what they meant. */
  readonly seen: string;
  /** Claims that it may have from now on. */
  readonly allow: readonly string[];
  /** Claims that it may have no more. */
  readonly refuse: readonly string[];
  /** Purposes that it may use data for from now on, and no more. */
  readonly allowUses?: readonly string[];
  readonly refuseUses?: readonly string[];
  /** Until when it may; null for as long as nobody takes it back. */
  readonly until?: Date | null;
  readonly language: string;
  readonly method: string;
}

/**
 * Changes single claims and the end of what an app is allowed, under the words that the rest was allowed under. Never begins
 * anew: what is over, taken back or answered otherwise meanwhile stays so, and nothing is on record.
 */
export async function changeConsent(
  work: Work,
  {
    accountId,
    clientId,
    seen,
    allow,
    refuse,
    allowUses = [],
    refuseUses = [],
    until,
    ...said
  }: ConsentChange,
): Promise<boolean> {
  await store.lockSubjects(work.tx, [accountId]);
  const was = await findConsent(work.tx, accountId, clientId, work.at);
  if (was?.id !== seen) return false;
  const { scopes, refusedScopes, resources, notices } = was;
  const claims = [...was.claims, ...allow].filter(claim => !refuse.includes(claim));
  const refusedClaims = [...was.refusedClaims, ...refuse].filter(claim => !allow.includes(claim));
  const validUntil = until === undefined ? was.validUntil : (until ?? undefined);
  const uses = [...was.uses, ...allowUses].filter(use => !refuseUses.includes(use));
  const refusedUses = [...was.refusedUses, ...refuseUses].filter(use => !allowUses.includes(use));
  const refusals = { refusedScopes, refusedClaims, refusedUses };
  const answers = { scopes, claims, uses, ...refusals, resources, notices, validUntil };
  await ledger.insertAnswer(work.tx, ledger.entryOf(work, { accountId, clientId, ...said, ...answers }));
  const detail = { allow, refuse, allow_uses: allowUses, refuse_uses: refuseUses };
  work.record({ type: 'consent.changed', accountId, clientId, detail });
  return true;
}

/** An app that somebody lets have something, and what. */
export interface LiveConsent extends ConsentState {
  readonly clientId: string;
  readonly name: string;
  readonly hasLogo: boolean;
  /** How long an answer about this app lasts, where it ends by itself. */
  readonly lasts: string | undefined;
}

/** The apps that somebody lets have something, by name, 500 at most: one of them, or a stretch of them after one. */
export function listLiveConsents(
  db: Db,
  accountId: string,
  stretch: store.LiveStretch = {},
): Promise<readonly LiveConsent[]> {
  return store.listLive(db, accountId, stretch);
}

/** What happened about one app, newest first; `before` is the `nr` of the last one read. */
export function listLatestConsentEvents(
  db: Db,
  accountId: string,
  stretch: store.LatestStretch,
): Promise<readonly ConsentEvent[]> {
  return store.listLatest(db, accountId, stretch);
}
