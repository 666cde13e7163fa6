import type { SamlSettings } from './settings.js';
import type { TheirMetadata } from './their-metadata.js';

/** A key of ours with its certificate, both as PEM. */
export interface OwnKey {
  readonly privateKey: string;
  readonly certificate: string;
}

/** The keys that we use towards one identity provider. */
export interface OwnKeys {
  readonly signing: OwnKey;
  /** Every certificate that what we sign may be checked with: the next one is told before it is used. */
  readonly signingCertificates: readonly string[];
  /** What is encrypted for us from now on is encrypted for this one. */
  readonly encryptionCertificate: string;
  /** What opens what was encrypted for us, the newest first. */
  readonly decryption: readonly string[];
}

/** Us, as one identity provider knows us (SAML Metadata §2.4.4): a name and addresses of its own for each. */
export interface OwnAddresses {
  readonly entityId: string;
  readonly assertionConsumer: string;
  readonly logout: string;
}

/** All that an exchange with one identity provider needs. */
export interface Exchange {
  readonly own: OwnAddresses;
  readonly keys: OwnKeys;
  readonly theirs: TheirMetadata;
  readonly settings: SamlSettings;
}

/** What we are called by a provider: the addresses under `/federation/<provider>`. */
export function ownAddresses(issuer: URL, provider: string): OwnAddresses {
  const at = (path: string) => new URL(`/federation/${provider}/${path}`, issuer).href;
  return { entityId: at('metadata'), assertionConsumer: at('callback'), logout: at('logout') };
}
