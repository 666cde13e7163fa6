import type { SAML } from '@node-saml/node-saml';
import { type UpstreamIdentity, UpstreamTrouble } from '../upstream.js';
import { type Assertion, type NameId, readAssertion } from './assertion.js';
import type { Exchange } from './exchange.js';
import { libraryFor } from './library.js';
import { postedXml, untrue } from './message.js';
import { NAME_ID_FORMATS, type SamlSettings } from './settings.js';
import {
  attribute,
  children,
  countWithin,
  only,
  opened,
  refuseWeakSignatures,
  rootOf,
  textIn,
  timeIn,
} from './xml.js';

/** What an answer must be an answer to. */
export interface Asked {
  readonly requestId: string;
  readonly requestedAt: Date;
  /** By one of these classes somebody must have been recognised; by any where there is none. */
  readonly contexts: readonly string[];
  /** No longer ago than so many seconds must they have been asked there. */
  readonly freshWithin?: number | undefined;
  readonly now: Date;
}

const SUCCESS = 'urn:oasis:names:tc:SAML:2.0:status:Success';

/**
 * Reads what an identity provider answered to a sign-in. What the library verified is read again by our own rules, from the
 * bytes that its signature covers: the library asks less of an assertion than the standard does.
 */
export async function readResponse(exchange: Exchange, sent: unknown, asked: Asked): Promise<Assertion> {
  const xml = postedXml(sent);
  const response = await rootOf(xml, 'protocol', 'Response');
  refuseWeakSignatures(response);
  mustBeForThis(response, exchange, asked);
  const decryptionPvk = await keyFor(response, exchange);
  const isSigned = children(response, 'signature', 'Signature').length > 0;
  const library = libraryFor(exchange, asked.requestId, {
    wantAuthnResponseSigned: isSigned,
    ...(decryptionPvk && { decryptionPvk }),
  });
  const verified = await verify(library, xml);
  const assertion = await readAssertion(verified, {
    issuer: exchange.theirs.entityId,
    audience: exchange.own.entityId,
    recipient: exchange.own.assertionConsumer,
    requestId: asked.requestId,
    requestedAt: asked.requestedAt,
    skew: exchange.settings.clock_skew,
    now: asked.now,
  });
  mustBeAsAsked(assertion, asked, exchange.settings);
  return assertion;
}

/* The envelope may be unsigned: what it says is held against what we know, and nothing is taken from it. */
function mustBeForThis(response: Element, { own, theirs, settings }: Exchange, asked: Asked): void {
  if (attribute(response, 'Version') !== '2.0') throw untrue('malformed');
  const isSigned = children(response, 'signature', 'Signature').length > 0;
  const destination = attribute(response, 'Destination');
  if (destination === undefined ? isSigned : destination !== own.assertionConsumer)
    throw untrue('destination');
  const issuer = children(response, 'assertion', 'Issuer');
  if (!issuer.every(each => textIn(each) === theirs.entityId)) throw untrue('issuer');
  if (attribute(response, 'InResponseTo') !== asked.requestId) throw untrue('in_response_to');
  const issuedAt = timeIn(response, 'IssueInstant');
  const margin = settings.clock_skew * 1000;
  if (issuedAt && issuedAt.getTime() > asked.now.getTime() + margin) throw untrue('time');
  const status = only(response, 'protocol', 'Status');
  const code = status && only(status, 'protocol', 'StatusCode');
  if (!code) throw untrue('status');
  if (attribute(code, 'Value') !== SUCCESS) throw new UpstreamTrouble('refused', 'status');
}

async function keyFor(response: Element, { keys, settings }: Exchange): Promise<string | undefined> {
  const [open, sealed] = [
    children(response, 'assertion', 'Assertion'),
    children(response, 'assertion', 'EncryptedAssertion'),
  ];
  /* One, and none anywhere else: what is wrapped into a message is a second one (signature wrapping). */
  if (open.length + sealed.length !== 1 || countWithin(response, ['Assertion', 'EncryptedAssertion']) !== 1)
    throw untrue('malformed');
  const [[plain], [one]] = [open, sealed];
  if (plain && settings.must_encrypt) throw untrue('encryption');
  const { root = plain, key } = one ? await opened(one, keys.decryption) : {};
  if (!root || !only(root, 'signature', 'Signature')) throw untrue('unsigned');
  return key;
}

async function verify(library: SAML, xml: string): Promise<string> {
  try {
    const encoded = Buffer.from(xml).toString('base64');
    const { profile } = await library.validatePostResponseAsync({ SAMLResponse: encoded });
    const verified = profile?.getAssertionXml?.();
    if (verified !== undefined) return verified;
  } catch (cause) {
    throw untrue('signature', cause);
  }
  throw untrue('signature');
}

function mustBeAsAsked(assertion: Assertion, asked: Asked, settings: SamlSettings): void {
  const { contexts, freshWithin, now } = asked;
  if (contexts.length > 0 && !contexts.includes(assertion.context ?? '')) throw untrue('context');
  const oldest = now.getTime() - (freshWithin ?? 0) * 1000 - settings.clock_skew * 1000;
  if (freshWithin !== undefined && assertion.authenticatedAt.getTime() < oldest) throw untrue('time');
}

/**
 * Who an assertion is about, as every protocol says it. SAML has no word for an address that was proved: it counts as such
 * only where an operator listed the domains that the company vouches for.
 */
export function identityOf(
  assertion: Assertion,
  settings: SamlSettings,
  vouchesForAddresses: boolean,
): UpstreamIdentity {
  const { nameId, attributes, context, authenticatedAt, sessionIndex } = assertion;
  const address = addressIn(assertion, settings);
  return {
    subject: subjectOf(nameId, attributes, settings),
    ...(address !== undefined && { email: { address, verified: vouchesForAddresses } }),
    claims: attributes,
    ...(context !== undefined && { acr: context }),
    authenticatedAt,
    session: { nameId, ...(sessionIndex !== undefined && { sessionIndex }) },
  };
}

/* A transient name is another one each time, and an e-mail address passes on to somebody else: neither says who comes back. */
function subjectOf(
  { value, format }: NameId,
  attributes: Assertion['attributes'],
  { name_id, subject_attribute }: SamlSettings,
): string {
  if (subject_attribute === undefined) {
    if (format !== NAME_ID_FORMATS[name_id]) throw untrue('name_id');
    return value;
  }
  const named = Object.hasOwn(attributes, subject_attribute) ? attributes[subject_attribute] : undefined;
  if (typeof named !== 'string' || named.length > 255) throw untrue('subject');
  return named;
}

/** Where companies put an e-mail address, unless the operator says where. */
const EMAIL_ATTRIBUTES = [
  'email',
  'mail',
  'urn:oid:0.9.2342.19200300.100.1.3',
  'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress',
];

function addressIn({ nameId, attributes }: Assertion, { email_attribute }: SamlSettings): string | undefined {
  const names = email_attribute === undefined ? EMAIL_ATTRIBUTES : [email_attribute];
  const said = names.filter(name => Object.hasOwn(attributes, name)).map(name => attributes[name]);
  const [first = nameId.format === NAME_ID_FORMATS.email ? nameId.value : undefined] = said.flat();
  return first !== undefined && /^[^\s@]+@[^\s@]+$/.test(first) && first.length <= 254 ? first : undefined;
}
