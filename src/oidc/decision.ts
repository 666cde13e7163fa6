import { isHeldBack } from '../domain/accounts/accounts.js';
import { maySell, whereaboutsOf } from '../domain/opt-outs/opt-outs.js';
import { mayAct } from './acting.js';
import type { Claims } from './claims.js';
import { type AccountSnapshot, acting, type ConsentSnapshot } from './memory.js';

/** What an app can want to do with data. */
export const ACTIONS = ['use', 'sell'] as const;
export type Action = (typeof ACTIONS)[number];

/** Why an app may, or may not. */
export type DecisionReason =
  | 'consented'
  | 'no_consent_needed'
  | 'not_declared'
  | 'not_connected'
  | 'account_unavailable'
  | 'restricted'
  | 'withdrawn'
  | 'expired'
  | 'refused'
  | 'not_asked'
  | 'ask_again'
  | 'claim_not_allowed'
  | 'sale_opted_out';

/** Whether an app may, at this moment, and why. */
export interface Decision {
  readonly allowed: boolean;
  readonly reason: DecisionReason;
  readonly basis?: string;
  /** The version of the notice that stands for the purpose. */
  readonly noticeVersion?: number;
  /** The event of the ledger that it follows from: a receipt can be had of it. */
  readonly event?: string;
  readonly until?: Date;
}

/** What is asked. */
export interface Question {
  readonly purpose: string;
  readonly action: Action;
  /** Not for all that the purpose is about, but for these. */
  readonly claims: readonly string[];
}

/** An app, as far as it matters for what it may. */
export interface DecidingClient {
  readonly [property: string]: unknown;
  readonly first_party?: unknown;
  readonly purposes?: unknown;
}

/** A purpose as it stands. */
export interface StandingPurpose {
  readonly basis: string;
  readonly version: number;
  /** What it is in the words of the Data Privacy Vocabulary. */
  readonly terms: readonly string[];
}

/** A consent that holds at this moment. */
export type LiveConsent = ConsentSnapshot & { readonly valid_until: string | null };

/** What is known between a person and an app. */
export interface Standing {
  readonly account: Pick<AccountSnapshot, 'state' | 'profile' | 'sale_choice' | 'restriction'> | undefined;
  readonly consent: LiveConsent | undefined;
  /** How a consent that there was came to its end, and by which event. */
  readonly ended: { readonly how: 'withdrawn' | 'expired'; readonly event: string } | undefined;
  readonly purposes: Readonly<Record<string, StandingPurpose>>;
}

/* What selling, and sharing for advertising across contexts, is called in the vocabulary. */
const SALE: readonly string[] = [
  'dpv:SellDataToThirdParties',
  'dpv:SellInsightsFromData',
  'dpv:TargetedAdvertising',
  'dpv:PersonalisedAdvertising',
];

/** Whether an app declared that it asks for a purpose. */
export function declares({ purposes }: DecidingClient, purpose: string): boolean {
  return Array.isArray(purposes) && purposes.includes(purpose);
}

/** May this app, now, for this purpose? Where nothing connects it to a person, nothing about them is told. */
export function decide(
  client: DecidingClient,
  standing: Standing,
  question: Question,
  claims: Pick<Claims, 'askedBy' | 'sourceOf'>,
): Decision {
  const purpose = standing.purposes[question.purpose];
  if (!purpose || !declares(client, question.purpose)) return no('not_declared');
  const { account, consent, ended } = standing;
  if (!account) return no('not_connected');
  const said = { basis: purpose.basis, noticeVersion: purpose.version };
  if (!mayAct({ account: acting(account as AccountSnapshot) })) return no('account_unavailable', said);
  const attributes = question.claims.map(claims.sourceOf);
  const about = [{ purpose: question.purpose }, ...attributes.map(attribute => ({ attribute }))];
  if (about.some(each => isHeldBack(account.restriction, each))) return no('restricted', said);
  const { reason, allowed } = reasonOf(client, standing, purpose, question, claims);
  const from = reason === 'no_consent_needed' ? undefined : (consent?.id ?? ended?.event);
  const until = consent?.valid_until;
  return {
    allowed,
    reason,
    ...said,
    ...(from !== undefined && { event: from }),
    ...(allowed && typeof until === 'string' && { until: new Date(until) }),
  };
}

const no = (reason: DecisionReason, said: Omit<Decision, 'allowed' | 'reason'> = {}): Decision => ({
  allowed: false,
  reason,
  ...said,
});

type Verdict = Pick<Decision, 'allowed' | 'reason'>;

function reasonOf(
  client: DecidingClient,
  standing: Standing,
  purpose: StandingPurpose,
  question: Question,
  claims: Pick<Claims, 'askedBy' | 'sourceOf'>,
): Verdict {
  const { consent, ended } = standing;
  /* Nobody is asked by the house for what does not rest on consent; what does, only a yes allows. */
  const unasked = client.first_party === true && purpose.basis !== 'consent';
  const verdict: Verdict = unasked
    ? { allowed: true, reason: 'no_consent_needed' }
    : consent
      ? consented(consent, question, claims)
      : no(ended?.how ?? 'not_asked');
  if (!verdict.allowed || !isSale(purpose, question) || mayBeSold(standing, purpose)) return verdict;
  return no('sale_opted_out');
}

function consented(
  consent: LiveConsent,
  { purpose, claims: named }: Question,
  claims: Pick<Claims, 'askedBy' | 'sourceOf'>,
): Verdict {
  const heldFor = (scopes: readonly string[], of: readonly string[]) =>
    claims
      .askedBy(scopes, of)
      .filter(each => each.purpose === purpose)
      .map(({ name }) => name);
  const told = heldFor(consent.scopes, consent.claims).filter(name => !consent.withheld.includes(name));
  const open = told.filter(name => !consent.refused_claims.includes(name));
  const used = consent.uses.includes(purpose);
  if (named.length > 0) {
    const mayHave = (claim: string) =>
      open.includes(claims.sourceOf(claim)) && !consent.refused_claims.includes(claim);
    return named.every(mayHave) ? { allowed: true, reason: 'consented' } : no('claim_not_allowed');
  }
  if (consent.refused_uses.includes(purpose)) return no('refused');
  if (used || open.length > 0) return { allowed: true, reason: 'consented' };
  if (consent.outdated.includes(purpose)) return no('ask_again');
  return no(heldFor([], consent.refused_claims).length > 0 ? 'refused' : 'not_asked');
}

const namesSale = ({ terms }: StandingPurpose) => terms.some(term => SALE.includes(term));

const isSale = (purpose: StandingPurpose, { action }: Question) => action === 'sell' || namesSale(purpose);

/* Who agreed to a purpose that says so said yes to it; only a no to all selling, or their age, stands against that. */
function mayBeSold({ account }: Standing, purpose: StandingPurpose): boolean {
  const saidYes = purpose.basis === 'consent' && namesSale(purpose);
  const chosen = account?.sale_choice ?? (saidYes ? 'opted_in' : undefined);
  return maySell(chosen, whereaboutsOf(account?.profile, new Date()));
}
