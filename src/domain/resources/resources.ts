import { z } from 'zod';
import { Refusal } from '../../platform/errors.js';
import type { Db } from '../../platform/storage/db.js';
import { openListener } from '../../platform/storage/listen.js';
import type { Work } from '../../platform/storage/work.js';
import { ACCOUNT_SCOPES } from './account-api.js';
import { OPERATOR_SCOPES } from './operator-api.js';

export { ACCOUNT_SCOPES, type AccountScope, accountApiOf, accountResource } from './account-api.js';
export { OPERATOR_SCOPES, type OperatorScope, operatorApiOf, operatorResource } from './operator-api.js';

/** The facts this room records. */
export const RESOURCE_FACTS = ['resource_server.registered', 'resource_server.removed'] as const;

const SCOPE = /^[\x21\x23-\x5B\x5D-\x7E]{1,128}$/;
const OPENID = new Set(['openid', 'offline_access', 'profile', 'email', 'address', 'phone']);
/* An app is registered for a scope by its name alone: it must mean one API. */
const OURS: ReadonlySet<string> = new Set(ACCOUNT_SCOPES);

const isIdentifier = (text: string) => {
  const url = URL.parse(text);
  return (
    url !== null &&
    /^(https?|urn):$/.test(url.protocol) &&
    url.hash === '' &&
    url.username === '' &&
    text.length <= 512
  );
};

/** An API that takes access tokens: `resource` names it (RFC 8707 §2), and it is the token's audience. */
export const resourceServerSchema = z.strictObject({
  identifier: z.string().refine(isIdentifier, 'an absolute URI without fragment'),
  name: z.string().min(1).max(100),
  scopes: z
    .array(
      z
        .string()
        .regex(SCOPE)
        .refine(scope => !OPENID.has(scope), 'is a scope of OpenID Connect')
        .refine(scope => !OURS.has(scope), 'is a scope of the account API')
        .refine(scope => !scope.startsWith('operator:'), 'begins like the scopes of the operator API'),
    )
    .min(1)
    .max(200),
  /** `jwt` is checked without asking us (RFC 9068) and cannot be called back; `opaque` is introspected. */
  access_token_format: z.enum(['opaque', 'jwt']).default('jwt'),
  signing_alg: z.enum(['RS256', 'ES256', 'EdDSA']).default('RS256'),
});
export type ResourceServer = z.output<typeof resourceServerSchema>;

const COLUMNS = ['identifier', 'name', 'scopes', 'access_token_format', 'signing_alg'] as const;

/** Registers an API, or changes what it says about itself. */
export async function registerResourceServer(work: Work, input: unknown): Promise<ResourceServer> {
  const checked = resourceServerSchema.safeParse(input);
  if (!checked.success) {
    const said = checked.error.issues.map(
      issue => `${issue.path.join('.') || 'resource server'}: ${issue.message}`,
    );
    throw new Refusal('invalid', 'invalid_resource_server', said.join('\n'), { cause: checked.error });
  }
  const server = checked.data;
  await work
    .tx('resource_servers')
    .insert({ ...server, created_at: work.at })
    .onConflict('identifier')
    .merge(['name', 'scopes', 'access_token_format', 'signing_alg']);
  work.record({ type: 'resource_server.registered', detail: { identifier: server.identifier } });
  return server;
}

/** Forgets an API: no further token is issued for it. */
export async function removeResourceServer(work: Work, identifier: string): Promise<void> {
  const gone = await work.tx('resource_servers').where({ identifier }).delete();
  if (gone === 0) throw new Refusal('missing', 'resource_server_not_found', `There is no API ${identifier}.`);
  work.record({ type: 'resource_server.removed', detail: { identifier } });
}

/** The APIs, by identifier. */
export async function listResourceServers(db: Db): Promise<readonly ResourceServer[]> {
  return db('resource_servers')
    .select<ResourceServer[]>(...COLUMNS)
    .orderBy('identifier')
    .limit(1000);
}

/** Every scope that some API knows, ours included: what a client may be registered for beside those of OpenID Connect. */
export async function listResourceScopes(db: Db): Promise<readonly string[]> {
  const registered = (await listResourceServers(db)).flatMap(server => server.scopes);
  return [...new Set([...ACCOUNT_SCOPES, ...OPERATOR_SCOPES, ...registered])].sort();
}

/** The APIs held in memory: there are few, and tokens for them must not cost a question each. */
export interface ResourceCache {
  find(identifier: string): Promise<ResourceServer | undefined>;
  close(): Promise<void>;
}

/** Opens a cache that the database's notices keep true; while none arrive, every question is asked. */
export function openResourceCache(db: Db, listenUrl: string): ResourceCache {
  let held: Promise<Map<string, ResourceServer>> | undefined;
  let live = false;
  const forget = () => {
    held = undefined;
  };
  const listener = openListener(listenUrl, 'keyhold_resource_servers', {
    heard: forget,
    listening: on => {
      live = on;
      forget();
    },
  });
  const load = async () =>
    new Map((await listResourceServers(db)).map(server => [server.identifier, server]));
  return {
    find: async identifier => {
      if (!live) return (await load()).get(identifier);
      held ??= load();
      return held.then(
        servers => servers.get(identifier),
        error => {
          forget();
          throw error;
        },
      );
    },
    close: () => listener.close(),
  };
}
