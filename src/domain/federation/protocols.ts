import { Refusal } from '../../platform/errors.js';
import { ldapProtocol } from './protocols/ldap.js';
import { oauthProtocol } from './protocols/oauth.js';
import { openidProtocol } from './protocols/openid.js';
import { samlProtocol } from './protocols/saml.js';
import type { ProviderKind } from './provider.js';
import type { PasswordProtocol, Protocol, RedirectingProtocol } from './upstream.js';

/* A kind is there as soon as its protocol stands here. */
const REDIRECTING: Readonly<Partial<Record<ProviderKind, RedirectingProtocol>>> = {
  openid: openidProtocol,
  oauth2: oauthProtocol,
  saml: samlProtocol,
};

const BY_PASSWORD: Readonly<Partial<Record<ProviderKind, PasswordProtocol>>> = { ldap: ldapProtocol };

/** Every protocol by kind, also those that ask for a password here. */
const PROTOCOLS: Readonly<Partial<Record<ProviderKind, Protocol>>> = { ...REDIRECTING, ...BY_PASSWORD };

/** How providers of a kind are spoken with. */
export function protocolOf(kind: ProviderKind): Protocol {
  const protocol = PROTOCOLS[kind];
  if (!protocol)
    throw new Refusal('invalid', 'unknown_kind', `Providers of the kind ${kind} are not known here.`);
  return protocol;
}

/** The same, of a kind that sends people there and takes them back; undefined for any other. */
export function redirecting(kind: ProviderKind): RedirectingProtocol | undefined {
  return REDIRECTING[kind];
}

/** The same, of a kind whose password is typed here; undefined for any other. */
export function byPassword(kind: ProviderKind): PasswordProtocol | undefined {
  return BY_PASSWORD[kind];
}
