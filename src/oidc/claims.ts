import type { Account } from 'oidc-provider';
import { isHeldBack } from '../domain/accounts/accounts.js';
import { maySell, whereaboutsOf } from '../domain/opt-outs/opt-outs.js';
import {
  addressLines,
  claimsToApps,
  derivedClaims,
  deriveFrom,
  type ProfileSchema,
  pictureAttributes,
  sourceOf,
} from '../domain/profiles/profiles.js';
import { mayAct } from './acting.js';
import { type AccountSnapshot, acting, requestScope } from './request-scope.js';

/** What apps may be told about anybody, and how. */
export interface Claims {
  /** The engine's `claims` setting. */
  readonly engine: Readonly<Record<string, readonly string[] | null>>;
  /** What a request that asks for these scopes and claims would be told, and what each is held for. */
  askedBy(
    scopes: Iterable<string>,
    claims: Iterable<string>,
  ): readonly { readonly name: string; readonly purpose: string }[];
  /** The attribute that a claim comes from. */
  sourceOf(claim: string): string;
  /** What a claim is held for; undefined for what says nothing about anybody. */
  purposeOf(claim: string): string | undefined;
  /** All that could be told of an account; the engine releases only what was asked and allowed. */
  of(snapshot: AccountSnapshot): Record<string, unknown> & { sub: string };
}

/** Opens the claims that a declaration lets apps have. */
export function openClaims(schema: ProfileSchema, issuer: URL): Claims {
  const claims = claimsToApps(schema);
  const byScope = Map.groupBy(
    claims.filter(({ scope }) => scope !== undefined),
    ({ scope }) => String(scope),
  );
  const alone = claims.filter(({ scope }) => scope === undefined);
  const pictures = pictureAttributes(schema);
  const derived = derivedClaims(schema).map(({ name }) => name);
  const purposes = new Map([...schema.attributes, ...claims].map(({ name, purpose }) => [name, purpose]));
  return {
    engine: {
      /* What may not be sold every app has to know, so every app is told. */
      openid: ['sub', 'acr', 'amr', 'auth_time', 'sale_opt_out'],
      iss: null,
      sid: null,
      ...Object.fromEntries([...byScope].map(([scope, of]) => [scope, of.map(({ name }) => name)])),
      ...Object.fromEntries(alone.map(({ name }) => [name, null])),
    },
    askedBy: (scopes, named) => {
      const [inScopes, byName] = [
        new Set(scopes),
        new Set(Array.from(named, name => sourceOf(schema, name))),
      ];
      return schema.attributes.filter(
        ({ name, scope, see }) =>
          see.includes('apps') && (byName.has(name) || (scope !== undefined && inScopes.has(scope))),
      );
    },
    sourceOf: claim => sourceOf(schema, claim),
    purposeOf: claim => purposes.get(claim),
    of: snapshot => ({
      ...deriveFrom({ ...snapshot.profile }, derived, new Date()),
      ...claimsOf(snapshot, pictures, issuer),
    }),
  };
}

function claimsOf(snapshot: AccountSnapshot, pictures: readonly string[], issuer: URL) {
  const { phone_number: _, ...profile }: Record<string, unknown> = { ...snapshot.profile };
  for (const name of pictures) {
    const picture = profile[name];
    if (typeof picture === 'string' && picture.startsWith('/')) profile[name] = issuer.origin + picture;
  }
  const address = profile['address'];
  if (typeof address === 'object' && address !== null) profile['address'] = withLines(address);
  return {
    ...profile,
    locale: snapshot.language,
    updated_at: snapshot.updated_at,
    ...(snapshot.email && { email: snapshot.email.address, email_verified: snapshot.email.verified }),
    ...(snapshot.phone && { phone_number: snapshot.phone, phone_number_verified: true }),
    sale_opt_out: !maySell(snapshot.sale_choice ?? undefined, whereaboutsOf(snapshot.profile, new Date())),
    sub: snapshot.account_id,
  };
}

/* OpenID Connect Core §5.1.1: the whole address, as it stands on a letter. */
function withLines(address: object): object {
  const parts = address as Readonly<Record<string, string>>;
  return parts['formatted'] ? address : { formatted: addressLines(parts).join('\n'), ...address };
}

interface EngineContext {
  readonly oidc?: {
    readonly session?: { readonly accountId?: string | undefined; readonly loginTs?: number | undefined };
    readonly client?: { readonly clientId: string; readonly first_party?: unknown };
  };
}

interface Held {
  readonly authTime?: unknown;
  readonly sessionUid?: unknown;
}

/** When the person behind a code or token authenticated: it knows so itself, or its session does, which was read along. */
export async function authenticatedAt({ authTime, sessionUid }: Held): Promise<number | undefined> {
  if (typeof authTime === 'number') return authTime;
  if (typeof sessionUid !== 'string') return undefined;
  const loginTs = (await requestScope().sessionByUid(sessionUid))?.['loginTs'];
  return typeof loginTs === 'number' ? loginTs : undefined;
}

interface TokenContext {
  readonly oidc?: { readonly entities?: Readonly<Record<string, Authenticated | undefined>> };
}

interface Authenticated {
  readonly authTime?: number | undefined;
  readonly acr?: string | undefined;
}

/**
 * The engine's `extraTokenClaims`: when and how strongly the person of an access token authenticated for it (RFC 9068
 * §2.2.1, RFC 9470 §6). A refreshed token is as old as the one it began with.
 */
export function tokenClaims(ctx: unknown): Record<string, string | number> | undefined {
  const { RefreshToken, AuthorizationCode, DeviceCode } = (ctx as TokenContext).oidc?.entities ?? {};
  const { authTime, acr } = RefreshToken ?? AuthorizationCode ?? DeviceCode ?? {};
  if (authTime === undefined && acr === undefined) return undefined;
  return { ...(authTime !== undefined && { auth_time: authTime }), ...(acr !== undefined && { acr }) };
}

/**
 * The engine's `findAccount`: only somebody who may act now is found, at every step of every flow; not by a session, a code
 * or a refresh token of an authentication that was ended since.
 */
export function findAccountBy(claims: Claims) {
  return async (ctx: unknown, id: string, token?: object): Promise<Account | undefined> => {
    const snapshot = await requestScope().account(id);
    const session = (ctx as EngineContext | undefined)?.oidc?.session;
    const signedInAt = session?.accountId === id ? session.loginTs : undefined;
    if (
      !snapshot ||
      !mayAct({
        account: acting(snapshot),
        authenticatedAt: (token && (await authenticatedAt(token))) ?? signedInAt,
      })
    )
      return undefined;
    return { accountId: id, claims: async () => mayLeave(ctx, claims, snapshot) };
  };
}

/* What every app has to know, and what it signs in with: no attribute, so nothing holds it back. */
const ALWAYS: readonly string[] = ['sub', 'sale_opt_out'];

/** What is left of claims where some must be kept and not used (GDPR Art. 18, 21): by their purpose, or what they come from. */
export function unrestricted<Told extends Readonly<Record<string, unknown>>>(
  claims: Pick<Claims, 'purposeOf' | 'sourceOf'>,
  { restriction }: Pick<AccountSnapshot, 'restriction'>,
  told: Told,
): Told {
  if (!restriction) return told;
  const left = Object.entries(told).filter(
    ([name]) =>
      ALWAYS.includes(name) ||
      ![name, claims.sourceOf(name)].some(attribute =>
        isHeldBack(restriction, { attribute, purpose: claims.purposeOf(name) }),
      ),
  );
  return Object.fromEntries(left) as Told;
}

/*
 * What its person had restricted goes to nobody. What rests on words that changed since stays here, also for tokens that were
 * given before, and what comes from it.
 */
async function mayLeave(ctx: unknown, claims: Claims, snapshot: AccountSnapshot) {
  const told = unrestricted(claims, snapshot, claims.of(snapshot));
  const client = (ctx as EngineContext | undefined)?.oidc?.client;
  if (!client || client.first_party === true) return told;
  const withheld = (await requestScope().consent(told.sub, client.clientId))?.withheld ?? [];
  if (withheld.length === 0) return told;
  const left = Object.entries(told).filter(([name]) => !withheld.includes(claims.sourceOf(name)));
  return { ...Object.fromEntries(left), sub: told.sub };
}
