import { X509Certificate } from 'node:crypto';
import { plainXml, untrue } from './message.js';
import { attribute, children, rootOf, textIn, timeIn, verifiedXml } from './xml.js';

/** Where an identity provider takes messages of one kind, by the binding they come with. */
export interface Endpoints {
  readonly redirect?: string;
  readonly post?: string;
}

/** What an identity provider says about itself (SAML Metadata §2.4.3). */
export interface TheirMetadata {
  readonly entityId: string;
  readonly signIn: Endpoints;
  readonly signOut: Endpoints;
  /** Where answers about signing out go, where that is elsewhere. */
  readonly signedOut: Endpoints;
  /** Every certificate that it may sign with now, as PEM: several while it changes its key. */
  readonly certificates: readonly string[];
  readonly validUntil?: Date;
}

/** How metadata is trusted. */
export interface MetadataTrust {
  /** PEM of the certificate that it must be signed with; the way it came says enough where there is none. */
  readonly signedBy?: string;
  /** Who it must be about; whoever it is about where nobody said so yet. */
  readonly entityId?: string;
  /** Plain http is let through where private addresses are. */
  readonly allowHttp: boolean;
  readonly now: Date;
}

/** Metadata is longer than a message: some carry their logo along. */
export const LONGEST_METADATA = 1_048_576;
const BINDING = 'urn:oasis:names:tc:SAML:2.0:bindings:';
const PROTOCOL = 'urn:oasis:names:tc:SAML:2.0:protocol';
const MOST_CERTIFICATES = 10;

/** Reads the metadata of one identity provider, believed only when it is signed as it must be, is about whom it must be, and still holds. */
export async function readTheirMetadata(sent: string, trust: MetadataTrust): Promise<TheirMetadata> {
  const xml = plainXml(sent, LONGEST_METADATA);
  const whole = await rootOf(xml, 'metadata', 'EntityDescriptor');
  const entity =
    trust.signedBy === undefined
      ? whole
      : await rootOf(verifiedXml(xml, whole, [trust.signedBy]), 'metadata', 'EntityDescriptor');
  const entityId = attribute(entity, 'entityID');
  if (entityId === undefined || entityId.length > 1_024) throw said('it has no entityID');
  if (trust.entityId !== undefined && trust.entityId !== entityId)
    throw said(`it is about ${entityId}, not ${trust.entityId}`);
  const role = children(entity, 'metadata', 'IDPSSODescriptor').find(each =>
    attribute(each, 'protocolSupportEnumeration')?.split(/\s+/).includes(PROTOCOL),
  );
  if (!role) throw said('it describes no SAML 2.0 identity provider');
  const validUntil = earlier(timeIn(entity, 'validUntil'), timeIn(role, 'validUntil'));
  if (validUntil && validUntil <= trust.now) throw said(`it held until ${validUntil.toISOString()}`);
  const signIn = endpoints(role, 'SingleSignOnService', 'Location', trust);
  if (!signIn.redirect && !signIn.post) throw said('it takes requests neither by redirect nor by POST');
  const certificates = certificatesOf(role);
  if (certificates.length === 0) throw said('it names no certificate that it signs with');
  return {
    entityId,
    signIn,
    signOut: endpoints(role, 'SingleLogoutService', 'Location', trust),
    signedOut: endpoints(role, 'SingleLogoutService', 'ResponseLocation', trust),
    certificates,
    ...(validUntil && { validUntil }),
  };
}

const said = (what: string) => untrue('metadata', new Error(`the metadata cannot be used: ${what}`));

const earlier = (a: Date | undefined, b: Date | undefined) => (a && b ? (a < b ? a : b) : (a ?? b));

function endpoints(role: Element, service: string, where: string, trust: MetadataTrust): Endpoints {
  const at = (binding: string) => {
    const found = children(role, 'metadata', service).find(
      each => attribute(each, 'Binding') === BINDING + binding && attribute(each, where) !== undefined,
    );
    return found && addressIn(attribute(found, where) ?? '', trust);
  };
  const [redirect, post] = [at('HTTP-Redirect'), at('HTTP-POST')];
  return { ...(redirect !== undefined && { redirect }), ...(post !== undefined && { post }) };
}

/* People's browsers are sent there, so it must be a page's address and no script's. */
function addressIn(written: string, { allowHttp }: MetadataTrust): string {
  const url = URL.parse(written);
  const isWeb = url?.protocol === 'https:' || (allowHttp && url?.protocol === 'http:');
  if (!url || !isWeb || url.username || url.password || written.length > 1_024)
    throw said(`${written.slice(0, 80)} is no https address`);
  return url.href;
}

function certificatesOf(role: Element): readonly string[] {
  const found = children(role, 'metadata', 'KeyDescriptor')
    .filter(each => (attribute(each, 'use') ?? 'signing') === 'signing')
    .flatMap(each => children(each, 'signature', 'KeyInfo'))
    .flatMap(each => children(each, 'signature', 'X509Data'))
    .flatMap(each => children(each, 'signature', 'X509Certificate'))
    .map(each => pemOf(textIn(each)));
  return [...new Set(found)].slice(0, MOST_CERTIFICATES);
}

function pemOf(base64: string | undefined): string {
  try {
    const certificate = new X509Certificate(Buffer.from(base64 ?? '', 'base64'));
    if (isWeak(certificate)) throw new Error('too weak');
    return certificate.toString();
  } catch (cause) {
    throw untrue('metadata', cause);
  }
}

/* What is verified with them is RSA; a key below 2048 bits can be bought. */
function isWeak({ publicKey }: X509Certificate): boolean {
  const { modulusLength = 0 } = publicKey.asymmetricKeyDetails ?? {};
  return publicKey.asymmetricKeyType !== 'rsa' || modulusLength < 2_048;
}
