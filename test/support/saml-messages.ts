import { createSign } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { SignedXml } from 'xml-crypto';
import { randomToken } from '../../src/platform/crypto/tokens.js';

const P = 'urn:oasis:names:tc:SAML:2.0:protocol';
const A = 'urn:oasis:names:tc:SAML:2.0:assertion';
const MORE = 'http://www.w3.org/2001/04/xmldsig-more#';

/** What a request says, where it says anything else than usual. */
export interface Saying {
  readonly issuer: string;
  readonly destination: string;
  readonly id?: string;
  /** Attributes of the request. */
  readonly attributes?: string;
  /** Elements after the issuer. */
  readonly within?: string;
  readonly at?: Date;
}

/** An id that nobody used before. */
export const freshId = (): string => `_${randomToken(16)}`;

/** An AuthnRequest as text. */
export function authnRequest({
  issuer,
  destination,
  id = freshId(),
  attributes = '',
  within = '',
  at = new Date(),
}: Saying): string {
  return `<samlp:AuthnRequest xmlns:samlp="${P}" xmlns:saml="${A}" ID="${id}" Version="2.0" IssueInstant="${at.toISOString()}" Destination="${destination}" ${attributes}><saml:Issuer>${issuer}</saml:Issuer>${within}</samlp:AuthnRequest>`;
}

/** A LogoutRequest as text. */
export function logoutRequest({
  issuer,
  destination,
  id = freshId(),
  within = '',
  at = new Date(),
}: Saying): string {
  return `<samlp:LogoutRequest xmlns:samlp="${P}" xmlns:saml="${A}" ID="${id}" Version="2.0" IssueInstant="${at.toISOString()}" Destination="${destination}"><saml:Issuer>${issuer}</saml:Issuer>${within}</samlp:LogoutRequest>`;
}

/** How a message goes by address. */
export interface ByAddress {
  readonly key?: string;
  readonly relayState?: string;
  readonly algorithm?: string;
  /** Instead of the message, deflated. */
  readonly deflated?: Buffer;
}

/** An address that carries a message, signed where there is a key (Bindings §3.4). */
export function byAddress(
  to: string,
  text: string,
  { key, relayState, algorithm = `${MORE}rsa-sha256`, deflated = deflateRawSync(text) }: ByAddress = {},
): URL {
  const parts = [
    ['SAMLRequest', deflated.toString('base64')],
    ...(relayState === undefined ? [] : [['RelayState', relayState]]),
    ...(key === undefined ? [] : [['SigAlg', algorithm]]),
  ].map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`);
  const query = parts.join('&');
  if (key === undefined) return new URL(`${to}?${query}`);
  const hash = algorithm.endsWith('sha1') ? 'sha1' : 'sha256';
  const signature = createSign(`RSA-${hash}`).update(query).sign(key, 'base64');
  return new URL(`${to}?${query}&Signature=${encodeURIComponent(signature)}`);
}

/** A message that carries its own signature (Bindings §3.5). */
export function signedText(text: string, key: string, hash: 'sha1' | 'sha256' = 'sha256'): string {
  const digestAlgorithm =
    hash === 'sha1' ? 'http://www.w3.org/2000/09/xmldsig#sha1' : 'http://www.w3.org/2001/04/xmlenc#sha256';
  const signature = new SignedXml({
    privateKey: key,
    signatureAlgorithm: hash === 'sha1' ? 'http://www.w3.org/2000/09/xmldsig#rsa-sha1' : `${MORE}rsa-sha256`,
    canonicalizationAlgorithm: 'http://www.w3.org/2001/10/xml-exc-c14n#',
  });
  const transforms = [
    'http://www.w3.org/2000/09/xmldsig#enveloped-signature',
    'http://www.w3.org/2001/10/xml-exc-c14n#',
  ];
  signature.addReference({ xpath: '/*', digestAlgorithm, transforms });
  signature.computeSignature(text, {
    prefix: 'ds',
    location: { reference: "/*/*[local-name(.)='Issuer']", action: 'after' },
  });
  return signature.getSignedXml();
}

/** A message as a form posts it. */
export const byForm = (text: string, relayState?: string): Readonly<Record<string, string>> => ({
  SAMLRequest: Buffer.from(text).toString('base64'),
  ...(relayState !== undefined && { RelayState: relayState }),
});
