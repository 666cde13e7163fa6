import {
  allowedOrigins,
  type openClientCache,
  STANDARD_SCOPES,
  toProviderMetadata,
  verifyClientSecret,
} from './domain/clients/clients.js';
import { accountResource, type openResourceCache, operatorResource } from './domain/resources/resources.js';
import { ACCOUNT_APP, accountAppMetadata } from './oidc/account-app.js';
import { mayAct } from './oidc/acting.js';
import type { ClientRegistry } from './oidc/clients.js';
import type { FindResourceServer } from './oidc/features.js';
import { asEngineClient } from './saml/asking.js';

/** What the engine asks of a client, and whether a secret is its own. */
export function registryOf(
  clients: ReturnType<typeof openClientCache>,
  issuer: URL,
  name: string,
): ClientRegistry {
  const accountApp = accountAppMetadata(issuer, name);
  /* The same for the same client: the engine checks and keeps what it makes of it once (`rememberClients`). */
  const known = new WeakMap<object, Readonly<Record<string, unknown>>>();
  return {
    metadata: async id => {
      if (id === ACCOUNT_APP) return accountApp;
      const client = await clients.find(id);
      if (!client || !mayAct({ client })) return undefined;
      let metadata = known.get(client);
      if (!metadata) {
        metadata = {
          ...toProviderMetadata(client),
          ...splitScope(client.metadata.scope),
          allowed_origins: allowedOrigins(client),
          ...asEngineClient(client, issuer),
        };
        known.set(client, metadata);
      }
      return metadata;
    },
    secretMatches: async (id, presented) => {
      const client = await clients.find(id);
      return client !== undefined && verifyClientSecret(client, presented);
    },
  };
}

/* The engine knows the scopes of OpenID Connect; those of APIs are held against the client's registration by us. */
function splitScope(scope: string): { readonly scope: string; readonly resource_scopes: readonly string[] } {
  const scopes = scope.split(' ');
  const standard = scopes.filter(value => (STANDARD_SCOPES as readonly string[]).includes(value));
  return {
    scope: standard.join(' ') || 'openid',
    resource_scopes: scopes.filter(value => !standard.includes(value)),
  };
}

/** What the engine asks of an API. */
export function findResourceServer(
  resources: ReturnType<typeof openResourceCache>,
  issuer: URL,
): FindResourceServer {
  const operatorApi = operatorResource(issuer);
  const ours = new Map([accountResource(issuer), operatorApi].map(server => [server.identifier, server]));
  return async identifier => {
    const server = ours.get(identifier) ?? (await resources.find(identifier));
    return (
      server && {
        identifier,
        scopes: server.scopes,
        accessTokenFormat: server.access_token_format,
        signingAlgorithm: server.signing_alg,
        withoutPeople: server === operatorApi,
      }
    );
  };
}
