import { createServer, type IncomingMessage } from 'node:http';
import knex from 'knex';
import Provider, { type Account, type Configuration, type KoaContextWithOIDC } from 'oidc-provider';
import { openPasswordHasher } from '../src/domain/credentials/password-hash.js';
import { standardSchema } from '../src/domain/profiles/profiles.js';
import { openClaims } from '../src/oidc/claims.js';
import { features } from '../src/oidc/features.js';
import { ENGINE_LIFETIMES } from '../src/oidc/lifetimes.js';
import { openDataUse } from '../src/oidc/uses.js';
import { openKeyring } from '../src/platform/crypto/keyring.js';
import { securityHeaders } from '../src/platform/web/headers.js';
import { surface, visitOf } from '../src/platform/web/surface.js';
import type { Assignment } from './child.js';
import { memoryStorage } from './memory-storage.js';
import { naiveStorage } from './naive-storage.js';
import { BCRYPT_COST } from './seed.js';

/** Where an engine without Keyhold keeps what it must remember, and finds who somebody is. */
export interface EngineStorage {
  readonly adapter: Configuration['adapter'];
  claims(accountId: string): Promise<Readonly<Record<string, unknown>> | undefined>;
  /** Whom an address leads to, and the hash of their password. */
  find(email: string): Promise<{ readonly id: string; readonly hash: string } | undefined>;
  /** Counts a try against one subject; gives how many there were in its window. */
  count(subject: string): Promise<number>;
  forget(subject: string): Promise<void>;
  record(type: string, accountId: string, from: string): Promise<void>;
  close(): Promise<void>;
}

/** Serves oidc-provider as it comes, with the product's features, lifetimes and keys, and no pages. */
export async function serveEngine(assignment: Assignment): Promise<() => Promise<void>> {
  const { port, seed, scheme, variant } = assignment;
  const accounts = Object.values(seed.accounts).flat();
  const storage =
    variant === 'naive'
      ? await naiveStorage(
          knex({
            client: 'pg',
            connection: { connectionString: seed.naiveUrl, application_name: 'keyhold' },
            pool: { min: 0, max: 12 },
          }),
          seed,
        )
      : memoryStorage(seed, accounts);
  const provider = new Provider(`http://localhost:${port}`, configurationOf(assignment, storage));
  const hasher = openPasswordHasher({
    pepper: openKeyring(seed.secret).derive('password-pepper', 48),
    scheme: scheme === 'argon2id' ? 'argon2id' : 'bcrypt',
    bcryptCost: BCRYPT_COST,
  });
  provider.use(surface(['127.0.0.1', '::1']));
  provider.use(securityHeaders(new URL(`http://localhost:${port}`)));
  provider.use(async (ctx, next) => {
    if (ctx.method !== 'POST' || !ctx.path.startsWith('/interaction/')) return next();
    const form = new URLSearchParams(await bodyOf(ctx.req));
    const [email, { address }] = [form.get('email') ?? '', visitOf(ctx)];
    for (const subject of [email, address]) if ((await storage.count(subject)) > 100) ctx.throw(429);
    const { id: accountId, hash } = (await storage.find(email)) ?? ctx.throw(403);
    const { ok } = await hasher.verify(form.get('password') ?? '', hash);
    if (!ok) return ctx.throw(403);
    await storage.forget(email);
    await storage.record('session.authenticated', accountId, address);
    ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, { login: { accountId } }));
    ctx.status = 303;
    return undefined;
  });
  const server = createServer(provider.callback());
  await new Promise<void>(resolve => void server.listen(port, 'localhost', resolve));
  return async () => {
    server.closeAllConnections();
    await Promise.all([hasher.close(), storage.close()]);
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request) body += chunk;
  return body;
}

function configurationOf({ seed }: Assignment, storage: EngineStorage): Configuration {
  const { engine: claims } = openClaims(standardSchema().schema, new URL('http://localhost'));
  const api = {
    identifier: '',
    scopes: ['things:read'],
    accessTokenFormat: 'jwt',
    withoutPeople: false,
    signingAlgorithm: 'ES256',
  } as const;
  const pages = {
    signOut: () => undefined,
    signedOut: () => undefined,
  } as unknown as Parameters<typeof features>[0];
  const { introspection: _ours, ...on } = features(
    pages,
    async identifier => ({ ...api, identifier }),
    () => new Error(),
    openDataUse({ purposes: [] }),
  );
  return {
    adapter: storage.adapter,
    jwks: { keys: [...seed.jwks] } as NonNullable<Configuration['jwks']>,
    features: {
      ...on,
      introspection: {
        enabled: true,
        allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId,
      },
    } as NonNullable<Configuration['features']>,
    ttl: ENGINE_LIFETIMES,
    claims: claims as NonNullable<Configuration['claims']>,
    scopes: ['openid', 'offline_access', 'profile', 'email', 'address', 'phone'],
    responseTypes: ['code'],
    clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    enabledJWA: {
      idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA'],
      userinfoSigningAlgValues: ['RS256', 'ES256', 'EdDSA'],
      clientAuthSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'],
    },
    extraClientMetadata: {
      properties: ['first_party', 'resource_scopes', 'require_pkce', 'environment', 'development'],
    },
    findAccount: async (_ctx, id): Promise<Account | undefined> => {
      const claims = await storage.claims(id);
      return claims && { accountId: id, claims: async () => ({ ...claims, sub: id }) };
    },
    loadExistingGrant,
    rotateRefreshToken: true,
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    pkce: { required: () => true },
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    cookies: { keys: ['bench'] },
    routes: {
      authorization: '/authorize',
      token: '/token',
      userinfo: '/userinfo',
      introspection: '/introspect',
    },
  };
}

/* A first-party app, as in the product: what it asks for is allowed. */
async function loadExistingGrant({ oidc }: KoaContextWithOIDC) {
  const { account, client, provider, session } = oidc;
  if (!account || !client) return undefined;
  const existingId = session?.grantIdFor(client.clientId);
  if (existingId) return provider.Grant.find(existingId);
  const grant = new provider.Grant({ accountId: account.accountId, clientId: client.clientId });
  grant.addOIDCScope([...oidc.requestParamOIDCScopes].join(' '));
  await grant.save();
  return grant;
}
