import type Koa from 'koa';
import type { Payload } from './artefacts.js';
import type { RequestScope } from './request-scope.js';
import { maybeOfKind } from './token-ids.js';

interface EngineContext {
  readonly oidc?: {
    readonly route?: string;
    readonly client?: { readonly clientId: string };
    readonly params?: Readonly<Record<string, unknown>>;
    readonly entities?: Readonly<Record<string, Payload>>;
  };
}

const ONE_TIME = [
  ['refresh_token', 'RefreshToken'],
  ['code', 'AuthorizationCode'],
  ['device_code', 'DeviceCode'],
] as const;

/** How a second use shows: the artefact was `found` used when it was read, or its use was `lost` in the flush. */
export type ReuseSign = 'found' | 'lost';

/**
 * Ends the family of a code or refresh token that its own app presented a second time (RFC 6749 §4.1.2, RFC 9700
 * §4.14.2), whatever else was wrong with the request: also an expired one, or one with a wrong verifier, has leaked.
 * Says whether there was one to end.
 */
export async function endReusedFamily(
  ctx: Koa.Context,
  scope: RequestScope,
  sign: ReuseSign,
): Promise<boolean> {
  const { route, client, params, entities } = (ctx as unknown as EngineContext).oidc ?? {};
  /* Any other error may come before the app was authenticated. */
  const refused = (ctx.body as { error?: unknown } | undefined)?.error === 'invalid_grant';
  if (route !== 'token' || !client || (sign === 'found' && !refused)) return false;
  let ended = false;
  for (const [parameter, kind] of ONE_TIME) {
    const value = params?.[parameter];
    if (typeof value !== 'string' || !maybeOfKind(kind, value)) continue;
    /* The engine has removed a refresh token that it found used; it still holds it. */
    const held = entities?.[kind];
    const used = held?.['jti'] === value ? held : await scope.find(kind, value);
    if (!used || used['clientId'] !== client.clientId || (sign === 'found' && !used['consumed'])) continue;
    if (used['grantId'] === undefined) continue;
    scope.writes.endGrants([String(used['grantId'])]);
    const { clientId } = client;
    const accountId = String(used['accountId']);
    const fact = { type: 'grant.reuse_detected', accountId, clientId, detail: { kind } };
    scope.record(fact, { kind: 'client', id: clientId });
    ended = true;
  }
  return ended;
}
