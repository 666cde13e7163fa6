import type { Exchange } from './exchange.js';
import { asSigned, libraryFor } from './library.js';
import { untrue } from './message.js';
import { NAME_ID_FORMATS } from './settings.js';

/** What is asked of an identity provider (SAML Core §3.4.1). */
export interface AuthnRequest {
  readonly id: string;
  readonly relayState: string;
  /** People are asked anew there, whatever session they have. */
  readonly anew: boolean;
  /** By one of these they must be recognised; by anything where there is none. */
  readonly contexts: readonly string[];
}

/** Where somebody is sent, and what their browser posts there; nothing where the address says it all. */
export interface SamlDeparture {
  readonly to: URL;
  readonly form?: Readonly<Record<string, string>>;
}

/** The signed request, by the binding that the provider takes: by redirect where it takes both and nobody chose. */
export async function authnRequest(exchange: Exchange, asked: AuthnRequest): Promise<SamlDeparture> {
  const { theirs, settings } = exchange;
  const { redirect, post } = theirs.signIn;
  const byPost = settings.binding === 'post' || (settings.binding === undefined && redirect === undefined);
  const entryPoint = byPost ? post : redirect;
  if (entryPoint === undefined) throw untrue('metadata', new Error('it takes no requests by this binding'));
  const library = libraryFor(exchange, asked.id, {
    entryPoint,
    identifierFormat: settings.subject_attribute ? null : NAME_ID_FORMATS[settings.name_id],
    forceAuthn: asked.anew,
    disableRequestedAuthnContext: asked.contexts.length === 0,
    authnContext: [...asked.contexts],
    /* Only what an address carries is compressed (SAML Bindings §3.5.4). */
    skipRequestCompression: byPost,
  });
  if (!byPost) return { to: asSigned(await library.getAuthorizeUrlAsync(asked.relayState, undefined, {})) };
  const form = await library.getAuthorizeMessageAsync(asked.relayState);
  return { to: new URL(entryPoint), form: form as Record<string, string> };
}
