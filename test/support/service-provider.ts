import { type Profile, SAML, type SamlConfig, ValidateInResponseTo } from '@node-saml/node-saml';
import { fetch } from 'undici';
import { type CertifiedKey, makeCertifiedKey } from '../../src/platform/crypto/certificates.js';
import { readAppMetadata } from '../../src/saml/app-metadata.js';
import { allOf, readXml } from '../../src/saml/xml.js';
import type { TestKeyhold } from './keyhold.js';
import type { ReadPage } from './page.js';
import type { RegisteredClient } from './relying-party.js';

/** Where apps of these tests are: nobody is there, browsers arrive with what they bring. */
export const AWAY = 'https://timesheets.example.test';

/** Makes a key pair of an app, its certificate as PEM. */
export const newPair = (): Promise<CertifiedKey> =>
  makeCertifiedKey({ name: 'an app', from: new Date(), years: 1 });

/** What somebody's browser brought to an app. */
export interface Brought {
  readonly fields: URLSearchParams;
  /** The message as XML. */
  readonly xml: string;
}

/** An app that signs people in through a real service provider's library (node-saml), and knows us by our metadata. */
export interface ServiceProvider {
  readonly client: RegisteredClient;
  readonly clientId: string;
  readonly entityId: string;
  readonly saml: SAML;
  /** An address that asks for a sign-in. */
  requestUrl(relayState?: string, config?: Partial<SamlConfig>): Promise<URL>;
  /** What such a request posts. */
  requestForm(relayState?: string): Promise<Readonly<Record<string, string>>>;
  /** Whom the answer that a browser brought is about, checked whole. */
  profileOf(page: ReadPage): Promise<Profile>;
  close(): Promise<void>;
}

/** How an app is registered, and asks. */
export interface ProviderOptions {
  readonly name?: string;
  readonly pair?: CertifiedKey;
  readonly signs?: boolean;
  readonly encrypts?: boolean;
  readonly saml?: Readonly<Record<string, unknown>>;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly config?: Partial<SamlConfig>;
}

/** What came with a page where nobody is (`away`). */
export function broughtBy(page: ReadPage): Brought {
  const fields = page.html === '' ? page.url.searchParams : new URLSearchParams(page.html);
  const message = fields.get('SAMLResponse') ?? fields.get('SAMLRequest') ?? '';
  return { fields, xml: Buffer.from(message, 'base64').toString('utf8') };
}

/** The status of a response, the second-level one where there is one. */
export function statusIn({ xml }: Brought): string {
  const codes = [...allOf(readXml(xml), 'urn:oasis:names:tc:SAML:2.0:protocol', 'StatusCode')];
  return (codes.at(-1)?.attributes['Value'] ?? '').replace(/.*:status:/, '');
}

/** Opens an app that speaks SAML and registers it by its own metadata. */
export async function openServiceProvider(
  keyhold: TestKeyhold,
  { name = 'timesheets', pair, signs = true, encrypts = false, ...more }: ProviderOptions = {},
): Promise<ServiceProvider> {
  const keys = pair ?? (await newPair());
  const entityId = `${AWAY}/${name}`;
  const ours = readXml(await (await fetch(`${keyhold.origin}/saml/metadata`)).text());
  const certificates = [...allOf(ours, 'http://www.w3.org/2000/09/xmldsig#', 'X509Certificate')];
  const base: SamlConfig = {
    issuer: entityId,
    callbackUrl: `${entityId}/acs`,
    logoutCallbackUrl: `${entityId}/logout`,
    entryPoint: `${keyhold.origin}/saml/sso`,
    logoutUrl: `${keyhold.origin}/saml/logout`,
    idpCert: certificates.map(({ text }) => text),
    idpIssuer: ours.attributes['entityID'] ?? '',
    audience: entityId,
    identifierFormat: null,
    wantAssertionsSigned: true,
    wantAuthnResponseSigned: true,
    validateInResponseTo: ValidateInResponseTo.always,
    signatureAlgorithm: 'sha256',
    digestAlgorithm: 'sha256',
    ...(signs && { privateKey: keys.privateKey, publicCert: keys.certificate }),
    ...(encrypts && { decryptionPvk: keys.privateKey }),
    ...more.config,
  };
  const saml = new SAML(base);
  const described = saml.generateServiceProviderMetadata(
    encrypts ? keys.certificate : null,
    signs ? keys.certificate : null,
  );
  const client = await keyhold.registerClient({
    client_name: 'Timesheets',
    purposes: ['account', 'naming'],
    required_claims: ['email'],
    optional_claims: ['name'],
    saml: { ...readAppMetadata(described), ...more.saml },
    ...more.metadata,
  });
  return {
    client,
    clientId: client.client_id,
    entityId,
    saml,
    requestUrl: async (relayState = '', config = {}) => {
      const asking = new SAML({ ...base, ...config, cacheProvider: saml.cacheProvider });
      return new URL(await asking.getAuthorizeUrlAsync(relayState, undefined, {}));
    },
    requestForm: async (relayState = '') => {
      const asking = new SAML({
        ...base,
        authnRequestBinding: 'HTTP-POST',
        skipRequestCompression: true,
        cacheProvider: saml.cacheProvider,
      });
      return (await asking.getAuthorizeMessageAsync(relayState)) as Record<string, string>;
    },
    profileOf: async page => {
      const fields = Object.fromEntries(broughtBy(page).fields);
      const { profile } = await saml.validatePostResponseAsync(fields);
      if (!profile) throw new Error('the answer is about nobody');
      return profile;
    },
    close: async () => undefined,
  };
}
