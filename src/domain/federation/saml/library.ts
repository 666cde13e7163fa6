import { stringify } from 'node:querystring';
import { SAML, type SamlConfig } from '@node-saml/node-saml';
import type { Exchange } from './exchange.js';

const nothing = async () => null;

/**
 * The library, for what it alone is trusted with: to make messages, and to say which bytes a signature covers. What those
 * say is judged by `readAssertion`, by one clock and with a reason for the record, so it is not asked of the library as well.
 */
export function libraryFor(
  { own, keys, theirs }: Exchange,
  id: string,
  more: Partial<SamlConfig> = {},
): SAML {
  return new SAML({
    issuer: own.entityId,
    audience: false,
    callbackUrl: own.assertionConsumer,
    logoutCallbackUrl: own.logout,
    idpCert: [...theirs.certificates],
    idpIssuer: theirs.entityId,
    privateKey: keys.signing.privateKey,
    publicCert: keys.signing.certificate,
    signatureAlgorithm: 'sha256',
    digestAlgorithm: 'sha256',
    wantAssertionsSigned: true,
    wantAuthnResponseSigned: false,
    acceptedClockSkewMs: -1,
    generateUniqueId: () => id,
    cacheProvider: { saveAsync: nothing, getAsync: nothing, removeAsync: nothing },
    ...more,
  });
}

/** The address with its query written as it was signed: the library signs what one function writes and sends what another does. */
export function asSigned(url: string): URL {
  const as = new URL(url);
  as.search = stringify(Object.fromEntries(as.searchParams));
  return as;
}
