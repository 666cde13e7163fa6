import { verify, X509Certificate } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';
import parse from 'co-body';
import type Koa from 'koa';
import { LONGEST_STATE } from './authn-request.js';
import { pemOf, RSA_SHA256, signedPartOf } from './signing.js';
import { readXml, unreadable, unsigned, type XmlElement } from './xml.js';

/** A message that a browser brought, unread so far. */
export interface Incoming {
  readonly kind: 'SAMLRequest' | 'SAMLResponse';
  readonly text: string;
  readonly relayState: string | undefined;
  /** What of it one of these keys has signed; refused where none has. */
  signedBy(certificates: readonly string[]): XmlElement;
}

/* Deflated and not: beyond that it is no message of this protocol. */
const LONGEST = 65_536;
const BASE64 = /^[A-Za-z0-9+/\s]+={0,2}\s*$/;

const digests = (name: string) => `http://www.w3.org/2001/04/xmldsig-more#${name}`;

const DETACHED: Readonly<Record<string, readonly [hash: string, kind: 'rsa' | 'ec']>> = {
  [RSA_SHA256]: ['sha256', 'rsa'],
  [digests('rsa-sha384')]: ['sha384', 'rsa'],
  [digests('rsa-sha512')]: ['sha512', 'rsa'],
  [digests('ecdsa-sha256')]: ['sha256', 'ec'],
  [digests('ecdsa-sha384')]: ['sha384', 'ec'],
  [digests('ecdsa-sha512')]: ['sha512', 'ec'],
};

/** Reads what came by the redirect binding (Bindings §3.4): by address, deflated, with a signature beside it. */
export function redirected(ctx: Koa.Context): Incoming {
  const sent = parametersIn(ctx.querystring);
  const kind = kindOf(sent);
  const encoding = decoded(sent.get('SAMLEncoding'));
  if (encoding !== undefined && !encoding.endsWith(':DEFLATE')) throw unreadable();
  const relayState = stateOf(decoded(sent.get('RelayState')));
  const text = inflated(bytesOf(decoded(sent.get(kind))));
  return {
    kind,
    text,
    relayState,
    signedBy: certificates => {
      const algorithm = decoded(sent.get('SigAlg')) ?? '';
      const covered = [kind, 'RelayState', 'SigAlg'].filter(name => sent.has(name));
      if (!sent.has('Signature')) throw unsigned();
      const signature = bytesOf(decoded(sent.get('Signature')));
      /* A browser writes some characters of an address in another way than whoever signed it, and means the same. */
      const written = [
        covered.map(name => `${name}=${sent.get(name)}`),
        covered.map(name => `${name}=${encodeURIComponent(decoded(sent.get(name)) ?? '')}`),
      ].map(parts => parts.join('&'));
      const holds = (octets: string) =>
        certificates.some(certificate => isSigned(octets, { algorithm, signature, certificate }));
      if (!written.some(holds)) throw unsigned();
      return readXml(text);
    },
  };
}

/** Reads what came by the POST binding (Bindings §3.5): in a form, with a signature within. */
export async function posted(ctx: Koa.Context): Promise<Incoming> {
  if (!ctx.is('application/x-www-form-urlencoded')) throw unreadable();
  const body = await parse.text(ctx, { limit: '256kb' }).catch((cause: unknown) => {
    throw unreadable(cause);
  });
  const sent = parametersIn(String(body));
  const kind = kindOf(sent);
  const text = textOf(bytesOf(decoded(sent.get(kind))));
  return {
    kind,
    text,
    relayState: stateOf(decoded(sent.get('RelayState'))),
    signedBy: certificates => signedPartOf(text, certificates),
  };
}

/* As they came: what is signed is what was written, and not what it may be written as as well. */
function parametersIn(query: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const part of query.split('&').filter(each => each !== '')) {
    const at = part.indexOf('=');
    const name = at === -1 ? part : part.slice(0, at);
    if (found.has(name)) throw unreadable();
    found.set(name, at === -1 ? '' : part.slice(at + 1));
  }
  return found;
}

function kindOf(sent: ReadonlyMap<string, string>): Incoming['kind'] {
  if (sent.has('SAMLRequest') === sent.has('SAMLResponse')) throw unreadable();
  return sent.has('SAMLRequest') ? 'SAMLRequest' : 'SAMLResponse';
}

function decoded(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  try {
    return decodeURIComponent(value.replaceAll('+', ' '));
  } catch (cause) {
    throw unreadable(cause);
  }
}

function stateOf(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  if (value.length > LONGEST_STATE || Buffer.byteLength(value) > LONGEST_STATE || value.includes('\0'))
    throw unreadable();
  return value;
}

function bytesOf(base64: string | undefined): Buffer {
  if (base64 === undefined || base64.length > 2 * LONGEST || !BASE64.test(base64)) throw unreadable();
  return Buffer.from(base64, 'base64');
}

function inflated(bytes: Buffer): string {
  try {
    return textOf(inflateRawSync(bytes, { maxOutputLength: LONGEST }));
  } catch (cause) {
    throw unreadable(cause);
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });

function textOf(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw unreadable(cause);
  }
}

interface Detached {
  readonly algorithm: string;
  readonly signature: Buffer;
  readonly certificate: string;
}

function isSigned(octets: string, { algorithm, signature, certificate }: Detached): boolean {
  const [hash, kind] = DETACHED[algorithm] ?? [];
  const { publicKey: key } = new X509Certificate(pemOf(certificate));
  if (hash === undefined || key.asymmetricKeyType !== kind) return false;
  const bytes = Buffer.from(octets);
  return kind === 'ec'
    ? verify(hash, bytes, { key, dsaEncoding: 'ieee-p1363' }, signature)
    : verify(hash, bytes, key, signature);
}
