import type Provider from 'oidc-provider';
import type { Payload } from './artefacts.js';
import { requestScope } from './request-scope.js';
import { BACKCHANNEL_LOGOUT } from './session-ending.js';

/** What the engine needs of the clients room. */
export interface ClientRegistry {
  /** RFC 7591 metadata of a client that may act now. */
  metadata(id: string): Promise<Readonly<Payload> | undefined>;
  /** Compares a presented secret with the digest we keep, in constant time. */
  secretMatches(id: string, presented: string): Promise<boolean>;
}

/** Our own client metadata that the engine carries along. */
export const CLIENT_PROPERTIES = [
  'first_party',
  'verified',
  'require_pkce',
  'allowed_origins',
  'development',
  'environment',
  'minimum_acr',
  'resource_scopes',
  'consent_lasts',
  'purposes',
  'required_claims',
  'optional_claims',
  'saml_entity',
  'comes_back_to',
] as const;

interface ClientModel {
  find(id: string): Promise<unknown>;
  readonly prototype: {
    compareClientSecret(this: { clientId: string }, actual: string): Promise<boolean>;
    backchannelLogout(
      this: { clientId: string; backchannelLogoutUri?: string | undefined },
      sub: string,
      sid: string,
    ): Promise<void>;
  };
}

/* The engine would write out and hash all metadata of a client at each look, to know whether it has it already. */
function rememberClients(model: ClientModel, clients: ClientRegistry): void {
  const known = new WeakMap<object, unknown>();
  const { find } = model;
  model.find = async id => {
    const metadata = isClientId(id) ? await clients.metadata(id) : undefined;
    if (!metadata) return undefined;
    let client = known.get(metadata);
    if (!client) {
      const asked = Object.create(model, { adapter: { value: { find: async () => metadata } } });
      client = await find.call(asked, id);
      if (client) known.set(metadata, client);
    }
    return client;
  };
}

/* RFC 6749 Appendix A.1; anything else need not be looked for. */
const isClientId = (id: unknown): id is string => typeof id === 'string' && /^[\x20-\x7e]{1,255}$/.test(id);

/** The one attempt to tell an app that a session ended; throws when the app did not take it. */
export type TellLoggedOut = (clientId: string, accountId: string, sid: string) => Promise<void>;

const tellers = new WeakMap<Provider, TellLoggedOut>();

/** Secrets are compared by digest; logout tokens are queued with the flush, so that no slow app keeps a person waiting. */
export function prepareClientModel(provider: Provider, clients: ClientRegistry): void {
  const model = provider.Client as unknown as ClientModel;
  rememberClients(model, clients);
  const { prototype } = model;
  const sendNow = prototype.backchannelLogout;
  prototype.compareClientSecret = function compareClientSecret(actual) {
    return clients.secretMatches(this.clientId, actual);
  };
  prototype.backchannelLogout = async function backchannelLogout(accountId, sid) {
    /* Ending the whole session tells every app already (`sessionEnding`). */
    if (signsOutWholly(provider)) return;
    requestScope().enqueue({
      name: BACKCHANNEL_LOGOUT,
      payload: { clientId: this.clientId, accountId, sid },
    });
  };
  tellers.set(provider, async (clientId, accountId, sid) => {
    const client = await provider.Client.find(clientId);
    if (client?.backchannelLogoutUri) await sendNow.call(client, accountId, sid);
  });
}

function signsOutWholly(provider: Provider): boolean {
  const engine = provider.constructor as unknown as { ctx?: { oidc?: { params?: Payload } } };
  return Boolean(engine.ctx?.oidc?.params?.['logout']);
}

/** Tells an app with a freshly signed logout token (a new jti, two minutes to live). */
export function tellLoggedOut(
  provider: Provider,
  clientId: string,
  accountId: string,
  sid: string,
): Promise<void> {
  const tell = tellers.get(provider);
  if (!tell) throw new Error('this provider was not prepared');
  return tell(clientId, accountId, sid);
}
