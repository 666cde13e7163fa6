import type { UpstreamTrouble } from '../upstream.js';
import { untrue } from './message.js';
import { attribute, children, only, rootOf, textIn, timeIn } from './xml.js';

/** How somebody is named there (SAML Core §2.2.3), with what is needed to name them to it again. */
export interface NameId {
  readonly value: string;
  readonly format: string;
  readonly nameQualifier?: string;
  readonly spNameQualifier?: string;
}

/** Somebody's session at a provider, as both sides call it. */
export interface SessionThere {
  readonly nameId: NameId;
  readonly sessionIndex?: string;
}

/** What an assertion says, once all that makes it one for us, now, has been checked. */
export interface Assertion {
  readonly id: string;
  /** When it can no more be brought a second time. */
  readonly expiresAt: Date;
  readonly nameId: NameId;
  readonly attributes: Readonly<Record<string, string | readonly string[]>>;
  /** By what they were recognised there (SAML Authentication Context). */
  readonly context?: string;
  readonly authenticatedAt: Date;
  readonly sessionIndex?: string;
}

/** What an assertion must be about for us to believe it. */
export interface Expected {
  /** Who must have said it. */
  readonly issuer: string;
  /** Whom it must be for: our own name. */
  readonly audience: string;
  /** Where it must have been sent. */
  readonly recipient: string;
  /** The request that it must answer. */
  readonly requestId: string;
  /** When that was made: nobody can have answered it before. */
  readonly requestedAt: Date;
  /** Seconds by which clocks may differ. */
  readonly skew: number;
  readonly now: Date;
}

const BEARER = 'urn:oasis:names:tc:SAML:2.0:cm:bearer';
const UNSPECIFIED = 'urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified';
const UNDERSTOOD = ['AudienceRestriction', 'OneTimeUse', 'ProxyRestriction'];
const LONGEST_NAME = 255;
const MOST_ATTRIBUTES = 100;
const MOST_VALUES = 500;
const LONGEST_VALUE = 4_096;

/** Reads what a signature of the issuer covers, and nothing else (SAML Profiles §4.1.4.3). */
export async function readAssertion(verified: string, expected: Expected): Promise<Assertion> {
  const assertion = await rootOf(verified, 'assertion', 'Assertion');
  const id = attribute(assertion, 'ID');
  if (id === undefined || attribute(assertion, 'Version') !== '2.0') throw untrue('malformed');
  if (textIn(only(assertion, 'assertion', 'Issuer')) !== expected.issuer) throw untrue('issuer');
  mustBeFresh(assertion, expected);
  const subject = only(assertion, 'assertion', 'Subject');
  if (!subject) throw untrue('subject');
  const confirmedUntil = mustBeConfirmed(subject, expected);
  mustHold(assertion, expected);
  return {
    id,
    expiresAt: new Date(confirmedUntil.getTime() + expected.skew * 1000),
    nameId: nameIn(subject, expected),
    attributes: attributesOf(assertion),
    ...authenticationOf(assertion, expected),
  };
}

const margin = ({ skew }: Expected) => skew * 1000;
const isPast = (at: Date, expected: Expected) => expected.now.getTime() - margin(expected) >= at.getTime();
const isAhead = (at: Date, expected: Expected) => expected.now.getTime() + margin(expected) < at.getTime();

function mustBeFresh(assertion: Element, expected: Expected): void {
  const issuedAt = timeIn(assertion, 'IssueInstant');
  const earliest = expected.requestedAt.getTime() - margin(expected);
  if (!issuedAt || isAhead(issuedAt, expected) || issuedAt.getTime() < earliest) throw untrue('time');
}

/* One way in which whoever brings it is the subject is enough; it says where, in answer to what, and until when. */
function mustBeConfirmed(subject: Element, expected: Expected): Date {
  let nearest: UpstreamTrouble | undefined;
  for (const confirmation of children(subject, 'assertion', 'SubjectConfirmation')) {
    if (attribute(confirmation, 'Method') !== BEARER) continue;
    const confirmed = only(confirmation, 'assertion', 'SubjectConfirmationData');
    if (!confirmed) continue;
    const until = timeIn(confirmed, 'NotOnOrAfter');
    const from = timeIn(confirmed, 'NotBefore');
    if (attribute(confirmed, 'Recipient') !== expected.recipient) nearest = untrue('recipient');
    else if (attribute(confirmed, 'InResponseTo') !== expected.requestId) nearest = untrue('in_response_to');
    else if (!until || isPast(until, expected) || (from && isAhead(from, expected))) nearest = untrue('time');
    else return until;
  }
  throw nearest ?? untrue('subject');
}

function mustHold(assertion: Element, expected: Expected): void {
  const conditions = only(assertion, 'assertion', 'Conditions');
  if (!conditions) throw untrue('condition');
  const from = timeIn(conditions, 'NotBefore');
  const until = timeIn(conditions, 'NotOnOrAfter');
  if ((from && isAhead(from, expected)) || (until && isPast(until, expected))) throw untrue('time');
  /* One that is not understood makes the assertion none that can be judged (SAML Core §2.5.1.1). */
  for (let node = conditions.firstChild; node; node = node.nextSibling) {
    if (node.nodeType === 1 && !UNDERSTOOD.includes((node as Element).localName)) throw untrue('condition');
  }
  const audiences = children(conditions, 'assertion', 'AudienceRestriction');
  const isForUs = (restriction: Element) =>
    children(restriction, 'assertion', 'Audience').some(each => textIn(each) === expected.audience);
  if (audiences.length === 0 || !audiences.every(isForUs)) throw untrue('audience');
}

function nameIn(subject: Element, { issuer, audience }: Expected): NameId {
  const name = only(subject, 'assertion', 'NameID');
  const value = textIn(name);
  if (!name || value === undefined || value.length > LONGEST_NAME) throw untrue('name_id');
  const nameQualifier = attribute(name, 'NameQualifier');
  const spNameQualifier = attribute(name, 'SPNameQualifier');
  /* The same name under another qualifier is somebody else (SAML Core §8.3.7). */
  if ((nameQualifier ?? issuer) !== issuer || (spNameQualifier ?? audience) !== audience)
    throw untrue('name_id');
  return {
    value,
    format: attribute(name, 'Format') ?? UNSPECIFIED,
    ...(nameQualifier !== undefined && { nameQualifier }),
    ...(spNameQualifier !== undefined && { spNameQualifier }),
  };
}

function authenticationOf(
  assertion: Element,
  expected: Expected,
): Pick<Assertion, 'context' | 'authenticatedAt' | 'sessionIndex'> {
  const statement = children(assertion, 'assertion', 'AuthnStatement')[0];
  const authenticatedAt = statement && timeIn(statement, 'AuthnInstant');
  if (!statement || !authenticatedAt) throw untrue('malformed');
  const until = timeIn(statement, 'SessionNotOnOrAfter');
  if (isAhead(authenticatedAt, expected) || (until && isPast(until, expected))) throw untrue('time');
  const within = only(statement, 'assertion', 'AuthnContext');
  const context = textIn(within && only(within, 'assertion', 'AuthnContextClassRef'));
  const sessionIndex = attribute(statement, 'SessionIndex');
  return {
    authenticatedAt,
    ...(context !== undefined && { context }),
    ...(sessionIndex !== undefined && { sessionIndex }),
  };
}

function attributesOf(assertion: Element): Assertion['attributes'] {
  const said = children(assertion, 'assertion', 'AttributeStatement').flatMap(each =>
    children(each, 'assertion', 'Attribute'),
  );
  if (said.length > MOST_ATTRIBUTES) throw untrue('too_large');
  const attributes = new Map<string, string[]>();
  for (const each of said) {
    const name = attribute(each, 'Name');
    if (name === undefined || name.length > LONGEST_NAME) continue;
    const values = children(each, 'assertion', 'AttributeValue').map(textIn);
    const kept = attributes.get(name) ?? [];
    kept.push(
      ...values.flatMap(value => (value !== undefined && value.length <= LONGEST_VALUE ? [value] : [])),
    );
    if (kept.length > MOST_VALUES) throw untrue('too_large');
    attributes.set(name, kept);
  }
  return Object.fromEntries(
    [...attributes].flatMap(([name, values]) => {
      const [first, ...others] = values;
      return first === undefined ? [] : [[name, others.length === 0 ? first : values]];
    }),
  );
}
