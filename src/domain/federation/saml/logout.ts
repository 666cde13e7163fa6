import { createVerify } from 'node:crypto';
import { signSamlPost } from '@node-saml/node-saml/lib/saml-post-signing.js';
import type { SessionThere } from './assertion.js';
import type { Exchange } from './exchange.js';
import { asSigned, libraryFor } from './library.js';
import { postedXml, redirectedXml, untrue } from './message.js';
import type { SamlDeparture } from './request.js';
import type { Endpoints } from './their-metadata.js';
import { attribute, children, NS, only, opened, rootOf, textIn, timeIn, verifiedXml } from './xml.js';

/** A provider asks that somebody be signed out here (SAML Core §3.7.1); every session of theirs where it names none. */
export interface LogoutAsked {
  readonly kind: 'asked';
  readonly id: string;
  readonly name: string;
  readonly sessionIndexes: readonly string[];
  readonly relayState?: string;
}

/** A provider says what came of our asking (SAML Core §3.7.2). */
export interface LogoutAnswered {
  readonly kind: 'answered';
  readonly inResponseTo: string;
  readonly succeeded: boolean;
  readonly relayState?: string;
}

/** How a message came: the raw query of an address, or the fields of a form. */
export type Sent =
  | { readonly by: 'redirect'; readonly query: string }
  | { readonly by: 'post'; readonly fields: Readonly<Record<string, unknown>> };

const SUCCESS = 'urn:oasis:names:tc:SAML:2.0:status:Success';
/** Seconds for which a request to sign out is good; its id is remembered for as long. */
export const LOGOUT_SECONDS = 300;

const HASHES: Readonly<Record<string, string>> = {
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256': 'sha256',
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha384': 'sha384',
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512': 'sha512',
};
const PARAMETERS = ['SAMLRequest', 'SAMLResponse', 'RelayState', 'SigAlg', 'Signature'] as const;
type Parameter = (typeof PARAMETERS)[number];

/** Reads a message about signing out; it is signed, by the provider, for this address, and new, or it is not believed. */
export async function readLogoutMessage(
  exchange: Exchange,
  sent: Sent,
  now: Date,
): Promise<LogoutAsked | LogoutAnswered> {
  const { root, isRequest, relayState } = await believed(exchange, sent);
  if (attribute(root, 'Version') !== '2.0') throw untrue('malformed');
  if (textIn(only(root, 'assertion', 'Issuer')) !== exchange.theirs.entityId) throw untrue('issuer');
  if (attribute(root, 'Destination') !== exchange.own.logout) throw untrue('destination');
  mustBeNew(root, exchange, now);
  if (!isRequest) {
    const status = only(root, 'protocol', 'Status');
    const code = status && only(status, 'protocol', 'StatusCode');
    const inResponseTo = attribute(root, 'InResponseTo');
    if (!code || inResponseTo === undefined) throw untrue('status');
    const succeeded = attribute(code, 'Value') === SUCCESS;
    return { kind: 'answered', inResponseTo, succeeded, ...(relayState !== undefined && { relayState }) };
  }
  const id = attribute(root, 'ID');
  const name = await nameIn(root, exchange);
  if (id === undefined || name === undefined) throw untrue('name_id');
  const sessionIndexes = children(root, 'protocol', 'SessionIndex').flatMap(each => textIn(each) ?? []);
  return { kind: 'asked', id, name, sessionIndexes, ...(relayState !== undefined && { relayState }) };
}

async function believed(exchange: Exchange, sent: Sent) {
  if (sent.by === 'redirect') return byRedirect(exchange, sent.query);
  const { SAMLRequest, SAMLResponse, RelayState: relayState } = sent.fields;
  if ((SAMLRequest === undefined) === (SAMLResponse === undefined)) throw untrue('malformed');
  if (relayState !== undefined && typeof relayState !== 'string') throw untrue('sent_twice');
  const isRequest = SAMLRequest !== undefined;
  const name = isRequest ? 'LogoutRequest' : 'LogoutResponse';
  const xml = postedXml(SAMLRequest ?? SAMLResponse);
  const covered = verifiedXml(xml, await rootOf(xml, 'protocol', name), exchange.theirs.certificates);
  return { root: await rootOf(covered, 'protocol', name), isRequest, relayState };
}

/* What is signed is the query as it was sent, character by character (SAML Bindings §3.4.4.1). */
async function byRedirect({ theirs }: Exchange, query: string) {
  const raw = parametersIn(query);
  const isRequest = raw.has('SAMLRequest');
  if (isRequest === raw.has('SAMLResponse')) throw untrue('malformed');
  const message = isRequest ? 'SAMLRequest' : 'SAMLResponse';
  const said = (name: Parameter) => decoded(raw.get(name) ?? '');
  if (!raw.has('Signature') || !raw.has('SigAlg')) throw untrue('unsigned');
  const hash = HASHES[said('SigAlg')];
  if (hash === undefined) throw untrue('weak_algorithm');
  const signed = [message, 'RelayState', 'SigAlg'].flatMap(name =>
    raw.has(name as Parameter) ? [`${name}=${raw.get(name as Parameter)}`] : [],
  );
  const signature = Buffer.from(said('Signature'), 'base64');
  const isBy = (certificate: string) =>
    createVerify(hash).update(signed.join('&')).verify(certificate, signature);
  if (!theirs.certificates.some(isBy)) throw untrue('signature');
  const xml = redirectedXml(said(message));
  const root = await rootOf(xml, 'protocol', isRequest ? 'LogoutRequest' : 'LogoutResponse');
  return { root, isRequest, relayState: raw.has('RelayState') ? said('RelayState') : undefined };
}

function parametersIn(query: string): ReadonlyMap<Parameter, string> {
  const found = new Map<Parameter, string>();
  for (const pair of query.split('&')) {
    const at = pair.indexOf('=');
    const name = PARAMETERS.find(each => each === pair.slice(0, Math.max(at, 0)));
    if (!name) continue;
    if (found.has(name)) throw untrue('sent_twice');
    found.set(name, pair.slice(at + 1));
  }
  return found;
}

function decoded(raw: string): string {
  try {
    return decodeURIComponent(raw.replaceAll('+', ' '));
  } catch (cause) {
    throw untrue('malformed', cause);
  }
}

function mustBeNew(root: Element, { settings }: Exchange, now: Date): void {
  const margin = settings.clock_skew * 1000;
  const issuedAt = timeIn(root, 'IssueInstant')?.getTime();
  const until = timeIn(root, 'NotOnOrAfter')?.getTime() ?? Number.POSITIVE_INFINITY;
  const isOff = issuedAt === undefined || Math.abs(now.getTime() - issuedAt) > LOGOUT_SECONDS * 1000 + margin;
  if (isOff || now.getTime() - margin >= until) throw untrue('time');
}

async function nameIn(root: Element, { keys }: Exchange): Promise<string | undefined> {
  const sealed = only(root, 'assertion', 'EncryptedID');
  if (!sealed) return textIn(only(root, 'assertion', 'NameID'));
  const { root: name } = await opened(sealed, keys.decryption);
  return name.namespaceURI === NS.assertion && name.localName === 'NameID' ? textIn(name) : undefined;
}

interface Outgoing {
  readonly id: string;
  readonly relayState?: string | undefined;
}

/** Whether a provider can be asked to sign somebody out. */
export function takesLogout({ theirs }: Pick<Exchange, 'theirs'>): boolean {
  return theirs.signOut.redirect !== undefined || theirs.signOut.post !== undefined;
}

/** The signed request that a provider sign somebody out; only of one that takes such. */
export async function logoutRequest(
  exchange: Exchange,
  { nameId, sessionIndex }: SessionThere,
  outgoing: Outgoing,
): Promise<SamlDeparture> {
  const user = {
    issuer: exchange.theirs.entityId,
    nameID: nameId.value,
    nameIDFormat: nameId.format,
    ...(nameId.nameQualifier !== undefined && { nameQualifier: nameId.nameQualifier }),
    ...(nameId.spNameQualifier !== undefined && { spNameQualifier: nameId.spNameQualifier }),
    ...(sessionIndex !== undefined && { sessionIndex }),
  };
  return leave(
    exchange,
    exchange.theirs.signOut,
    outgoing,
    library => library._generateLogoutRequest(user),
    true,
  );
}

/** The signed answer to a provider that asked: that they are signed out, or that nobody of that name was here. */
export async function logoutResponse(
  exchange: Exchange,
  { id: inResponseTo, name }: Pick<LogoutAsked, 'id' | 'name'>,
  { succeeded, ...outgoing }: Outgoing & { readonly succeeded: boolean },
): Promise<SamlDeparture> {
  const { signOut, signedOut } = exchange.theirs;
  const asked = { ID: inResponseTo, issuer: exchange.theirs.entityId, nameID: name, nameIDFormat: '' };
  const to = { ...signOut, ...signedOut };
  return leave(
    exchange,
    to,
    outgoing,
    async library => library._generateLogoutResponse(asked, succeeded),
    false,
  );
}

async function leave(
  exchange: Exchange,
  { redirect, post }: Endpoints,
  { id, relayState }: Outgoing,
  make: (library: ReturnType<typeof libraryFor>) => Promise<string>,
  isRequest: boolean,
): Promise<SamlDeparture> {
  const to = redirect ?? post;
  if (to === undefined) throw untrue('metadata', new Error('it takes no messages about signing out'));
  const library = libraryFor(exchange, id, { entryPoint: to, logoutUrl: to });
  const xml = await make(library);
  if (redirect !== undefined) {
    const along = relayState === undefined ? {} : { RelayState: relayState };
    const url = isRequest
      ? await library._requestToUrlAsync(xml, null, 'logout', along)
      : await library._requestToUrlAsync(null, xml, 'logout', along);
    return { to: asSigned(url) };
  }
  const root = `/*[local-name(.)='${isRequest ? 'LogoutRequest' : 'LogoutResponse'}']`;
  const { privateKey, certificate: publicCert } = exchange.keys.signing;
  const signing = {
    privateKey,
    publicCert,
    signatureAlgorithm: 'sha256',
    digestAlgorithm: 'sha256',
  } as const;
  const signed = Buffer.from(signSamlPost(xml, root, signing)).toString('base64');
  return {
    to: new URL(to),
    form: {
      [isRequest ? 'SAMLRequest' : 'SAMLResponse']: signed,
      ...(relayState !== undefined && { RelayState: relayState }),
    },
  };
}
