import { type AuthorizationDetail, errors, type KoaContextWithOIDC } from 'oidc-provider';
import { z } from 'zod';
import { isHeldBack } from '../domain/accounts/accounts.js';
import type { ProfileSchema } from '../domain/profiles/profiles.js';
import { type DecidingClient, declares } from './decision.js';
import { requestScope } from './request-scope.js';

/** The one type of authorization details (RFC 9396 §2): what data may be used for, by purpose. */
export const DATA_USE = 'data_use';

const detailSchema = z.strictObject({
  type: z.literal(DATA_USE),
  purposes: z
    .array(z.string().regex(/^[a-z][a-z0-9_]{0,39}$/))
    .min(1)
    .max(32),
});

const LONGEST = 4_096;

const invalid = (why: string) => new errors.InvalidAuthorizationDetails(why);

/** What of the engine's requests and tokens this looks at. */
interface Held {
  readonly accountId?: string | undefined;
  readonly clientId?: string | undefined;
  readonly rar?: unknown;
}

/** Uses of data as the protocol asks for them, allows and narrows them. */
export interface DataUse {
  /** Refuses what is no question, or none that this app may ask. */
  validate(ctx: KoaContextWithOIDC, detail: object, client: DecidingClient): void;
  /** The purposes that this request asks for and somebody has said nothing about. */
  unanswered(ctx: KoaContextWithOIDC): Promise<readonly string[]>;
  /** What of these details is allowed at this moment; undefined for nothing. */
  allowed(
    details: unknown,
    held: Held,
    client: DecidingClient,
  ): Promise<readonly AuthorizationDetail[] | undefined>;
}

/** The details that a request asks for; none where it asks for nothing. */
export function detailsAsked(parameter: unknown): readonly AuthorizationDetail[] {
  return typeof parameter === 'string' ? (JSON.parse(parameter) as AuthorizationDetail[]) : [];
}

/** The purposes that details name, each once. */
export function purposesIn(details: unknown): readonly string[] {
  const all = Array.isArray(details) ? details : [];
  return [...new Set(all.flatMap(({ purposes }: { purposes?: string[] }) => purposes ?? []))];
}

/** Opens the uses of data under the purposes that stand. */
export function openDataUse({ purposes }: Pick<ProfileSchema, 'purposes'>): DataUse {
  const bases = new Map(purposes.map(({ id, basis }) => [id, basis]));
  /* The house asks for a yes where the purpose rests on one, and for nothing else. */
  const asksNobody = (client: DecidingClient, purpose: string) =>
    client.first_party === true && bases.get(purpose) !== 'consent';
  const mayAskFor = (client: DecidingClient, purpose: string) =>
    bases.has(purpose) &&
    declares(client, purpose) &&
    (client['verified'] === true || client.first_party === true);
  return {
    validate: (ctx, detail, client) => {
      mustBeAboutSomebody(ctx);
      if (String(ctx.oidc.params?.['authorization_details']).length > LONGEST) throw invalid('too long');
      const asked = detailSchema.safeParse(detail).data;
      if (!asked) throw invalid('a data_use has purposes, and nothing else');
      const unknown = asked.purposes.filter(purpose => !mayAskFor(client, purpose));
      if (unknown.length > 0)
        throw invalid(`not declared by this app and reviewed here: ${unknown.join(' ')}`);
      leaveOutResource(ctx);
    },
    unanswered: async ctx => {
      const { client, account, params, result } = ctx.oidc;
      const asked = purposesIn(detailsAsked(params?.['authorization_details']));
      if (asked.length === 0 || !client || !account || result?.consent) return [];
      const consent = await requestScope().consent(account.accountId, client.clientId);
      const answered = [...(consent?.uses ?? []), ...(consent?.refused_uses ?? [])];
      return asked.filter(purpose => !asksNobody(client, purpose) && !answered.includes(purpose));
    },
    allowed: async (details, { accountId }, client) => {
      if (!Array.isArray(details) || accountId === undefined) return undefined;
      const scope = requestScope();
      const consent = await scope.consent(accountId, String(client['clientId']));
      const restriction = (await scope.account(accountId))?.restriction;
      const may = (purpose: string) =>
        mayAskFor(client, purpose) &&
        !isHeldBack(restriction, { purpose }) &&
        (asksNobody(client, purpose) || (consent?.uses.includes(purpose) ?? false));
      const left = (details as readonly AuthorizationDetail[])
        .map(detail => ({ ...detail, purposes: purposesIn([detail]).filter(may) }))
        .filter(detail => detail.purposes.length > 0);
      return left.length > 0 ? left : undefined;
    },
  };
}

/* An app that acts for itself uses nobody's data by that. */
function mustBeAboutSomebody({ oidc }: KoaContextWithOIDC): void {
  if (oidc.params?.['grant_type'] === 'client_credentials') throw invalid('data_use is about a person');
}

/*
 * The engine takes rich requests for an API alone. RFC 9396 does not, and with an API a token is no longer good for UserInfo.
 * An empty list of APIs is none, and is kept where nothing at all would not be; the scopes of APIs fall away as they do without.
 */
function leaveOutResource({ oidc }: KoaContextWithOIDC): void {
  if (oidc.route === 'token' || !oidc.params || oidc.params['resource'] !== undefined) return;
  oidc.params['scope'] = [...oidc.requestParamOIDCScopes].join(' ');
  oidc.params['resource'] = [];
}

/** The engine's settings for rich authorization requests. */
export function richRequests(use: DataUse) {
  return {
    enabled: true,
    types: {
      [DATA_USE]: {
        validate: (ctx: KoaContextWithOIDC, detail: object, client: DecidingClient) =>
          use.validate(ctx, detail, client),
      },
    },
    authorizationDetailsForGrantSource: (ctx: KoaContextWithOIDC, source: Held) =>
      use.allowed(detailsAsked(ctx.oidc.params?.['authorization_details']), source, clientOf(ctx)),
    /* What a token request names is less than what was allowed, or nothing. */
    authorizationDetailsForAccessToken: async (
      ctx: KoaContextWithOIDC,
      token: Held,
      source: Held | undefined,
    ) => {
      const parameter = ctx.oidc.params?.['authorization_details'];
      const granted = purposesIn(source?.rar);
      const asked = parameter === undefined ? source?.rar : detailsAsked(parameter);
      if (purposesIn(asked).some(purpose => !granted.includes(purpose)))
        throw invalid('more than was allowed');
      return use.allowed(asked, { accountId: token.accountId ?? source?.accountId }, clientOf(ctx));
    },
    authorizationDetailsForIntrospection: async (ctx: KoaContextWithOIDC, token: Held) => {
      const client = await ctx.oidc.provider.Client.find(String(token.clientId));
      return client && use.allowed(token.rar, token, client);
    },
  };
}

function clientOf({ oidc }: KoaContextWithOIDC): DecidingClient {
  if (!oidc.client) throw new Error('no app asks');
  return oidc.client;
}
