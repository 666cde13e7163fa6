import { digest, randomToken } from '../../../platform/crypto/tokens.js';
import { type Exchange, ownAddresses } from '../saml/exchange.js';
import { lookAtOwnKeys, ownKeys } from '../saml/keys.js';
import { untrue } from '../saml/message.js';
import { lookAtMetadata, theirMetadata } from '../saml/reading.js';
import { authnRequest } from '../saml/request.js';
import { identityOf, readResponse } from '../saml/response.js';
import { type SamlSettings, samlSettings } from '../saml/settings.js';
import { see } from '../saml/store.js';
import type { RedirectingProtocol, Upstream } from '../upstream.js';

const settingsOf = ({ provider }: Upstream): SamlSettings => samlSettings.parse(provider.settings);
const keepingOf = ({ provider, issuer, db, keyring }: Upstream) => ({
  db,
  keyring,
  providerId: provider.id,
  name: issuer.hostname,
});

/** All that speaking SAML with a provider takes, as it stands now. */
export async function exchangeWith(upstream: Upstream, now: Date): Promise<Exchange> {
  const { provider, issuer } = upstream;
  const settings = settingsOf(upstream);
  return {
    own: ownAddresses(issuer, provider.id),
    settings,
    theirs: await theirMetadata(upstream, settings, now),
    keys: await ownKeys(keepingOf(upstream), now),
  };
}

/** SAML 2.0, web browser single sign-on (SAML Profiles §4.1), as a service provider; nobody comes unasked. */
export const samlProtocol: RedirectingProtocol = {
  kind: 'saml',
  settings: samlSettings,
  secrets: [],
  namespace: settings => {
    const {
      entity_id: named,
      metadata_url: from,
      metadata_xml: xml = '',
      name_id: name,
      subject_attribute,
    } = samlSettings.parse(settings);
    const who = named ?? from ?? /\sentityID\s*=\s*["']([^"']*)/.exec(xml)?.[1] ?? '';
    return `${who}, ${subject_attribute ?? name}`;
  },
  origins: () => [],
  stateParameter: 'RelayState',
  depart: async (upstream, { state, freshWithin }) => {
    const at = new Date();
    const exchange = await exchangeWith(upstream, at);
    const id = `_${randomToken()}`;
    /* What an app would like is no reason to be turned away there: the second step of here can stand in. */
    const { contexts } = exchange.settings;
    const asked = { id, relayState: state, anew: freshWithin !== undefined, contexts };
    return {
      ...(await authnRequest(exchange, asked)),
      notes: {
        id,
        at: at.toISOString(),
        contexts: JSON.stringify(contexts),
        ...(freshWithin !== undefined && { freshWithin: String(freshWithin) }),
      },
    };
  },
  probe: async upstream => {
    const now = new Date();
    await lookAtMetadata(upstream, settingsOf(upstream), now);
    await lookAtOwnKeys(keepingOf(upstream), now);
  },
  identify: async (upstream, { method, parameters }, { notes }) => {
    const now = new Date();
    const { id = '', at = '', contexts = '[]', freshWithin } = notes;
    const exchange = await exchangeWith(upstream, now);
    if (method !== 'POST') throw untrue('malformed');
    const assertion = await readResponse(exchange, parameters['SAMLResponse'], {
      requestId: id,
      requestedAt: new Date(at),
      contexts: JSON.parse(contexts) as string[],
      freshWithin: freshWithin === undefined ? undefined : Number(freshWithin),
      now,
    });
    const vouches = upstream.provider.mapping.email_domains !== undefined;
    const identity = identityOf(assertion, exchange.settings, vouches);
    if (!(await see(upstream.db, upstream.provider.id, digest(assertion.id), assertion.expiresAt)))
      throw untrue('seen_before');
    return identity;
  },
};
