import { Refusal } from '../../platform/errors.js';
import { oauthProtocol } from './protocols/oauth.js';
import { openidProtocol } from './protocols/openid.js';
import { samlProtocol } from './protocols/saml.js';
import type { ProviderKind } from './provider.js';
import type { Protocol, RedirectingProtocol } from './upstream.js';

/* A kind is there as soon as its protocol stands here. */
const REDIRECTING: Readonly<Partial<Record<ProviderKind, RedirectingProtocol>>> = {
  openid: openidProtocol,
  oauth2: oauthProtocol,
  saml: samlProtocol,
};

/** Every protocol by kind, also those that ask for a password here. */
const PROTOCOLS: Readonly<Partial<Record<ProviderKind, Protocol>>> = { ...REDIRECTING };

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
