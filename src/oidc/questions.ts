import type { KoaContextWithOIDC } from 'oidc-provider';
import { needsParent, whereaboutsOf } from '../domain/opt-outs/opt-outs.js';
import {
  claimsToApps,
  isAskable,
  type ProfileSchema,
  purposeOf,
  sourceOf,
} from '../domain/profiles/profiles.js';
import { askedBefore } from '../domain/questions/questions.js';
import type { StatementPool } from '../platform/storage/db.js';
import { type AccountSnapshot, requestScope } from './request-scope.js';
import { FRESH_TO_SHOW_SECONDS, satisfies } from './strength.js';

/** The prompt that asks people for what an app may have and nobody knows. */
export const QUESTION_PROMPT = 'question';

/** No more is asked at once; the rest waits for the next time. */
export const MOST_QUESTIONS = 3;

/** One thing to ask: an attribute, the claims that it is asked for, and whether the app cannot do without. */
export interface Question {
  readonly attribute: string;
  readonly claims: readonly string[];
  readonly required: boolean;
}

/** What is asked of somebody, and when they proved who they are (seconds), which some of it needs. */
export interface Asking {
  readonly questions: readonly Question[];
  readonly provedAt: number | undefined;
}

/** What there is to ask of whoever a request is about. */
export interface Questions {
  of(ctx: KoaContextWithOIDC): Promise<Asking>;
}

/**
 * Opens what people are asked for on the way to an app: what it asks for by name, or declared as required and gets by a
 * scope; what its person allows it; and what they can give, did not give, and were not asked for before. Costs one round trip
 * where something is missing, and none else.
 */
export function openQuestions(schema: ProfileSchema, pool: StatementPool): Questions {
  return {
    of: async ctx => {
      const { account, client, result, prompts } = ctx.oidc;
      if (!account || !client || prompts.has('none') || result?.[QUESTION_PROMPT]) return NOTHING;
      const claims = await claimsOf(ctx, schema);
      if (claims.length === 0) return NOTHING;
      const snapshot = await requestScope().account(account.accountId);
      const profile = snapshot?.profile ?? {};
      const sure = isSure(ctx, snapshot);
      const missing = missingOf(schema, { claims, requires: required(ctx, declaredOf(ctx)), profile, sure });
      const optional = missing.filter(each => !each.required);
      const over = optional.length > 0 ? await askedBefore(pool, account.accountId, optional) : new Set();
      const questions = missing
        .filter(each => each.required || !over.has(each.name))
        .slice(0, MOST_QUESTIONS)
        .map(({ name, claims: of, required: must }) => ({ attribute: name, claims: of, required: must }));
      return { questions, provedAt: ctx.oidc.session?.loginTs };
    },
  };
}

const NOTHING: Asking = { questions: [], provedAt: undefined };

/* What is changed only by somebody who has just proved who they are waits for a time when they have. */
function isSure({ oidc: { session } }: KoaContextWithOIDC, snapshot: AccountSnapshot | undefined): boolean {
  const age = Date.now() / 1000 - (session?.loginTs ?? 0);
  return age <= FRESH_TO_SHOW_SECONDS && (!snapshot?.second_step || satisfies(session?.acr, ['aal2']));
}

/* What this app would be told now, were it known. */
async function claimsOf(ctx: KoaContextWithOIDC, schema: ProfileSchema): Promise<readonly string[]> {
  const { account, client, grant, requestParamClaims, requestParamOIDCScopes } = ctx.oidc;
  if (!account || !client || !grant) return [];
  const scopes = grant.getOIDCScopeFiltered(requestParamOIDCScopes).split(' ');
  const declared = declaredOf(ctx);
  const refused = grant.getRejectedOIDCClaims();
  const needed = declared.filter(name => !refused.includes(name));
  const inScopes =
    needed.length === 0
      ? []
      : claimsToApps(schema).filter(
          ({ name, scope }) => scope !== undefined && scopes.includes(scope) && needed.includes(name),
        );
  const named = grant.getOIDCClaimsFiltered(requestParamClaims);
  const claims = [...new Set([...named, ...inScopes.map(({ name }) => name)])];
  if (claims.length === 0 || client['first_party'] === true) return claims;
  const withheld = (await requestScope().consent(account.accountId, client.clientId))?.withheld ?? [];
  return claims.filter(claim => !withheld.includes(sourceOf(schema, claim)));
}

interface Wanted {
  readonly claims: readonly string[];
  readonly requires: readonly string[];
  readonly profile: Readonly<Record<string, unknown>>;
  /** They have just proved who they are. */
  readonly sure: boolean;
}

/**
 * What of a profile is missing for these claims, the required first. Of somebody for whom a parent has to say yes nothing is
 * asked that rests on their own.
 */
export function missingOf(schema: ProfileSchema, { claims, requires, profile, sure }: Wanted) {
  const child = needsParent(whereaboutsOf(profile, new Date()));
  const missing = schema.attributes.filter(isAskable).flatMap(attribute => {
    const { name, purpose, limits } = attribute;
    const own = claims.filter(claim => sourceOf(schema, claim) === name);
    if (own.length === 0 || profile[name] !== undefined) return [];
    if (limits.step_up && !sure) return [];
    if (child && purposeOf(schema, attribute).basis === 'consent') return [];
    return [{ name, purpose, claims: own, required: own.some(claim => requires.includes(claim)) }];
  });
  return missing.sort((a, b) => Number(b.required) - Number(a.required));
}

/*
 * Only what an operator has looked at counts as required; else an app could call anything so. Asked for by name it is so
 * where this request says that it is essential (OpenID Connect Core §5.5.1), as on the consent page.
 */
function required({ oidc: { claims } }: KoaContextWithOIDC, declared: readonly string[]): readonly string[] {
  const named = [claims?.userinfo, claims?.id_token].flatMap(part => Object.entries(part ?? {}));
  const isVoluntary = (name: string) =>
    named.some(([each]) => each === name) &&
    !named.some(([each, wish]) => each === name && wish?.essential === true);
  return declared.filter(name => !isVoluntary(name));
}

function declaredOf({ oidc: { client } }: KoaContextWithOIDC): readonly string[] {
  const declared = client?.['purposes'] ? client['required_claims'] : undefined;
  return Array.isArray(declared) ? declared.map(String) : [];
}
