/** What can happen about a consent. */
export const CONSENT_EVENTS = [
  'given',
  'changed',
  'refused',
  'withdrawn',
  'expired',
  'invalidated',
  'asked_again',
] as const;
export type ConsentEventName = (typeof CONSENT_EVENTS)[number];

/** Who did it. */
export type ConsentActor = 'person' | 'client' | 'operator' | 'system';

/** A party that decides about data, or gets it (ISO/IEC TS 27560 §6.3.5). */
export interface ConsentParty {
  readonly name: string;
  readonly client_id?: string;
  readonly address?: string;
  readonly contact?: string;
  readonly country?: string;
}

/** Under which words and terms somebody was asked. */
export interface ConsentTerms {
  /** The version of the notice of each purpose. */
  readonly notices: Readonly<Record<string, number>>;
  /** The purposes of which everything that was allowed so far was asked anew. */
  readonly renews: readonly string[];
  /** What stood on the page, word for word; without what is known about the person. */
  readonly wording: string | undefined;
  readonly controllers: readonly ConsentParty[];
  readonly recipients: readonly ConsentParty[];
  /** How long what each purpose holds is kept. */
  readonly retention: Readonly<Record<string, string>>;
  readonly jurisdiction: readonly string[];
  /** Where it can be taken back. */
  readonly withdrawal: string | undefined;
  readonly validUntil: Date | undefined;
}

/** Scopes, claims and uses, allowed and refused, and scopes by resource indicator (RFC 8707). */
export interface ConsentAnswers {
  readonly scopes: readonly string[];
  readonly claims: readonly string[];
  readonly refusedScopes: readonly string[];
  readonly refusedClaims: readonly string[];
  /** The purposes that data may be used for, as the app asked by RFC 9396. */
  readonly uses: readonly string[];
  readonly refusedUses: readonly string[];
  readonly resources: Readonly<Record<string, string>>;
}

/** One row of the ledger: something that happened about what a person allows an app. */
export interface ConsentEvent extends ConsentAnswers, Omit<ConsentTerms, 'wording'> {
  readonly id: string;
  /** The pseudonym that stands for the person. */
  readonly subject: string;
  /** Counts the events of that person, without a gap. */
  readonly nr: number;
  readonly clientId: string;
  readonly event: ConsentEventName;
  /** The state that follows, a term of the Data Privacy Vocabulary, e.g. `dpv:ConsentGiven`. */
  readonly state: string;
  readonly at: Date;
  readonly by: ConsentActor;
  /** How it came about, e.g. `consent_page`. */
  readonly method: string;
  readonly language: string | undefined;
  /** SHA-256 of the exact wording, as hex; its text is in the ledger's wordings. */
  readonly wording: string | undefined;
}

/** What a person allows an app at the moment: what the ledger comes to. */
export interface ConsentState extends ConsentAnswers {
  /** The event that it was said with last. */
  readonly id: string;
  readonly notices: Readonly<Record<string, number>>;
  readonly language: string;
  readonly givenAt: Date;
  readonly validUntil: Date | undefined;
}

/** The state that an event leads to (W3C DPV 2, consent status): revoked is what anybody else than the person ended. */
export function stateAfter(event: ConsentEventName, by: ConsentActor): string {
  switch (event) {
    case 'given':
      return 'dpv:ConsentGiven';
    case 'changed':
      return 'dpv:RenewedConsentGiven';
    case 'refused':
      return 'dpv:ConsentRefused';
    case 'withdrawn':
      return by === 'person' ? 'dpv:ConsentWithdrawn' : 'dpv:ConsentRevoked';
    case 'expired':
      return 'dpv:ConsentExpired';
    case 'invalidated':
      return 'dpv:ConsentInvalidated';
    case 'asked_again':
      return 'dpv:ConsentRequested';
  }
}

/** Each once, in the order of their code units, as the database orders them too. */
export function inOrder(values: Iterable<string>): readonly string[] {
  return [...new Set(values)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

/** What a person allows an app after all this, in the order in which it happened. */
export function foldConsent(events: Iterable<ConsentEvent>): ConsentState | undefined {
  let state: ConsentState | undefined;
  for (const event of events) state = consentAfter(state, event);
  return state;
}

/** What one more event makes of it. A refusal, a change of words and being asked take nothing away that was allowed. */
export function consentAfter(state: ConsentState | undefined, event: ConsentEvent): ConsentState | undefined {
  switch (event.event) {
    case 'given':
    case 'changed':
      return state && !isOver(state, event.at) ? merged(state, event) : stated(event);
    case 'withdrawn':
    case 'expired':
      return undefined;
    default:
      return state;
  }
}

/** Whether it has ended by itself. */
export function isOver({ validUntil }: Pick<ConsentState, 'validUntil'>, at: Date): boolean {
  return validUntil !== undefined && validUntil <= at;
}

function stated({ id, notices, language, at, validUntil, ...answers }: ConsentEvent): ConsentState {
  const { scopes, claims, refusedScopes, refusedClaims, uses, refusedUses, resources } = answers;
  return {
    id,
    scopes: inOrder(scopes),
    claims: inOrder(claims),
    refusedScopes: inOrder(refusedScopes),
    refusedClaims: inOrder(refusedClaims),
    uses: inOrder(uses),
    refusedUses: inOrder(refusedUses),
    resources,
    notices,
    language: language ?? 'en',
    givenAt: at,
    validUntil,
  };
}

/* The newer answer about one thing wins; of what was not asked the older one stays, under the older words and end. */
function merged(state: ConsentState, event: ConsentEvent): ConsentState {
  const beside = (kept: readonly string[], added: readonly string[], without: readonly string[]) =>
    inOrder([...kept, ...added].filter(value => !without.includes(value)));
  const whole = asksAllOf(state, event);
  return {
    ...stated(event),
    scopes: beside(state.scopes, event.scopes, event.refusedScopes),
    claims: beside(state.claims, event.claims, event.refusedClaims),
    refusedScopes: beside(state.refusedScopes, event.refusedScopes, event.scopes),
    refusedClaims: beside(state.refusedClaims, event.refusedClaims, event.claims),
    uses: beside(state.uses, event.uses, event.refusedUses),
    refusedUses: beside(state.refusedUses, event.refusedUses, event.uses),
    resources: mergedResources(state.resources, event.resources),
    notices: whole ? event.notices : mergedNotices(state.notices, event),
    validUntil: whole ? event.validUntil : earlier(state.validUntil, event.validUntil),
  };
}

function asksAllOf(state: ConsentState, event: ConsentEvent): boolean {
  const asked = (allowed: readonly string[], ...of: readonly (readonly string[])[]) =>
    allowed.every(value => of.some(list => list.includes(value)));
  return (
    asked(state.scopes, event.scopes, event.refusedScopes) &&
    asked(state.claims, event.claims, event.refusedClaims) &&
    asked(state.uses, event.uses, event.refusedUses) &&
    Object.entries(state.resources).every(([indicator, scopes]) => event.resources[indicator] === scopes)
  );
}

function mergedResources(
  before: Readonly<Record<string, string>>,
  now: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const indicators = inOrder([...Object.keys(before), ...Object.keys(now)]);
  const scopesOf = (indicator: string) =>
    `${before[indicator] ?? ''} ${now[indicator] ?? ''}`.split(' ').filter(Boolean);
  return Object.fromEntries(
    indicators.flatMap(indicator => {
      const scopes = inOrder(scopesOf(indicator)).join(' ');
      return scopes === '' ? [] : [[indicator, scopes]];
    }),
  );
}

/* A purpose stands under the oldest words that anything of it was allowed under. */
function mergedNotices(
  before: Readonly<Record<string, number>>,
  { notices: now, renews }: Pick<ConsentEvent, 'notices' | 'renews'>,
): Readonly<Record<string, number>> {
  const purposes = [...Object.keys(before), ...Object.keys(now)];
  return Object.fromEntries(
    purposes.map(purpose => {
      const [old, fresh] = [before[purpose], now[purpose]];
      if (old === undefined || fresh === undefined) return [purpose, old ?? fresh ?? 1];
      return [purpose, renews.includes(purpose) ? fresh : Math.min(old, fresh)];
    }),
  );
}

function earlier(a: Date | undefined, b: Date | undefined): Date | undefined {
  if (!a || !b) return a ?? b;
  return a < b ? a : b;
}
