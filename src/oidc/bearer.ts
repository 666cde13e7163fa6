import type Koa from 'koa';
import type Provider from 'oidc-provider';
import type { Grant } from 'oidc-provider';
import type { Restriction } from '../domain/accounts/accounts.js';
import { mayAct } from './acting.js';
import { BearerRefusal } from './bearer-refusal.js';
import { provedKey } from './proofs.js';
import { acting, requestScope } from './request-scope.js';
import { actsForItself } from './token-policy.js';

/** Whom an access token lets an app act for, and how far. */
export interface Caller {
  readonly clientId: string;
  readonly accountId: string;
  readonly sessionUid: string | undefined;
  /** Those the token has, the person still allows, and the app is still registered for. */
  readonly scopes: ReadonlySet<string>;
  /** When the person authenticated for this token; what happened in their browser since then does not make it fresh. */
  readonly authenticatedAt: Date | undefined;
  readonly acr: string | undefined;
  /** The person has a second factor. */
  readonly secondStep: boolean;
  /** What of theirs must be kept and not used. */
  readonly restriction: Restriction | undefined;
  /** It is an app of the house. */
  readonly firstParty: boolean;
}

/* RFC 6750 §2.1: in the header alone; in an address or a form a token would end up in logs. */
function presented(ctx: Koa.Context): { readonly value: string; readonly proves: boolean } {
  const header = ctx.get('Authorization');
  if (header === '') throw new BearerRefusal(undefined, 'An access token is needed.');
  const found = /^(Bearer|DPoP) +([\w\-.~+/]+=*)$/i.exec(header);
  if (!found?.[2]) throw new BearerRefusal('invalid_request', 'Send the access token as Bearer or DPoP.');
  return { value: found[2], proves: found[1]?.toLowerCase() === 'dpop' };
}

interface TokenClient {
  readonly [property: string]: unknown;
}

/**
 * The request's access token with all that it hangs on, or a refusal: a live token for `audience` (for none: one of those that
 * UserInfo takes), of an app and an account that may act now, with a proof of its key where it is bound to one. Cookies count
 * for nothing.
 */
export async function heldToken(
  ctx: Koa.Context,
  provider: Provider,
  audience: string | undefined,
  allowOrigin: (client: TokenClient) => void,
) {
  const { value, proves } = presented(ctx);
  const token = await provider.AccessToken.find(value);
  const client = token?.clientId === undefined ? undefined : await provider.Client.find(token.clientId);
  if (!token?.accountId || !client || token.aud !== audience) throw unknown();
  allowOrigin(client);
  await bound(ctx, provider, { token, value, proves, clientId: client.clientId });
  const grant = await grantOf(provider, token);
  if (!grant) throw unknown();
  const { auth_time: authTime, acr } = (token.extra ?? {}) as { auth_time?: unknown; acr?: unknown };
  const authenticatedAt = typeof authTime === 'number' ? authTime : undefined;
  const snapshot = await requestScope().account(token.accountId);
  const account = acting(snapshot);
  if (!mayAct({ account, authenticatedAt })) throw unknown();
  const { accountId } = token;
  return {
    token,
    accountId,
    client,
    grant,
    authenticatedAt,
    acr,
    secondStep: snapshot?.second_step === true,
    restriction: snapshot?.restriction ?? undefined,
  };
}

/** Whom the request's access token for an API lets act, and how far, or a refusal. */
export async function callerOf(
  ctx: Koa.Context,
  provider: Provider,
  audience: string,
  allowOrigin: (client: TokenClient) => void,
): Promise<Caller> {
  const held = await heldToken(ctx, provider, audience, allowOrigin);
  const { token, accountId, client, grant, authenticatedAt, acr, secondStep, restriction } = held;
  const registered = new Set((client['resource_scopes'] as readonly string[] | undefined) ?? []);
  return {
    restriction,
    firstParty: client['first_party'] === true,
    clientId: client.clientId,
    accountId,
    sessionUid: token.sessionUid,
    scopes: new Set(
      words(grant.getResourceScopeFiltered(audience, token.scopes)).filter(scope => registered.has(scope)),
    ),
    authenticatedAt: authenticatedAt === undefined ? undefined : new Date(authenticatedAt * 1000),
    acr: typeof acr === 'string' ? acr : undefined,
    secondStep,
  };
}

/** A program that comes by itself. */
export interface Program {
  readonly clientId: string;
  /** Those the token has, and the client is still registered for. */
  readonly scopes: ReadonlySet<string>;
}

/** Which program the request's access token of its own for an API (RFC 6749 §4.4) is of, and how far it goes, or a refusal. */
export async function programOf(ctx: Koa.Context, provider: Provider, audience: string): Promise<Program> {
  const { value, proves } = presented(ctx);
  const token = await provider.ClientCredentials.find(value);
  const client = token?.clientId === undefined ? undefined : await provider.Client.find(token.clientId);
  if (!token || !client || token.aud !== audience || !actsForItself(client)) throw unknown();
  const { clientId } = client;
  await bound(ctx, provider, { token, value, proves, clientId });
  const registered = (client['resource_scopes'] as readonly string[] | undefined) ?? [];
  return {
    clientId,
    scopes: new Set(words(token.scope ?? '').filter(scope => registered.includes(scope))),
  };
}

interface Presented {
  readonly token: { readonly jkt?: string | undefined };
  readonly value: string;
  readonly proves: boolean;
  readonly clientId: string;
}

/* A token that is bound to a key comes with a proof of it, and no other one does. */
async function bound(ctx: Koa.Context, provider: Provider, presented: Presented): Promise<void> {
  const { token, value, proves, clientId } = presented;
  const key = await provedKey(ctx, provider, { value, clientId });
  if (token.jkt !== key || proves !== (key !== undefined)) throw unknown();
}

/* One answer for all of them: whoever holds somebody else's token learns nothing about it. */
const unknown = () => new BearerRefusal('invalid_token', 'The access token is not good for this.');

interface GrantedToken {
  readonly grantId?: string | undefined;
  readonly clientId?: string | undefined;
  readonly accountId?: string | undefined;
}

async function grantOf(provider: Provider, token: GrantedToken): Promise<Grant | undefined> {
  const grant = token.grantId === undefined ? undefined : await provider.Grant.find(token.grantId);
  return grant?.clientId === token.clientId && grant?.accountId === token.accountId ? grant : undefined;
}

const words = (text: string) => text.split(' ').filter(Boolean);
