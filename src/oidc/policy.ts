import { errors, interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import { isUnclear } from './people.js';
import type { SubjectOf } from './subjects.js';

const { Check, Prompt, base } = interactionPolicy;

/** Authentication strengths, weakest first: each satisfies a request for a weaker one. */
export const STRENGTHS = ['aal1', 'aal2', 'phr'] as const;
export type Strength = (typeof STRENGTHS)[number];

/** The prompts that an app may ask for (Core §3.1.2.1, Initiating User Registration 1.0). */
export const PROMPTS = ['none', 'login', 'select_account', 'consent', 'create'] as const;

/** Whether having authenticated with `reached` satisfies a request for any of `wanted`; unknown wishes are not met. */
export function satisfies(reached: string | undefined, wanted: readonly string[]): boolean {
  const level = STRENGTHS.indexOf(reached as Strength);
  return wanted.some(value => {
    const needed = STRENGTHS.indexOf(value as Strength);
    return needed !== -1 && level >= needed;
  });
}

/* RFC 8252 §8.6: an app whose identity a claimed https redirect proves need not ask each time. */
function identityIsAssured(ctx: KoaContextWithOIDC): boolean {
  return (
    String(ctx.oidc.params?.['redirect_uri'] ?? '').startsWith('https://') ||
    ctx.oidc.client?.['first_party'] === true
  );
}

function hintedSubject(ctx: KoaContextWithOIDC): string | undefined {
  const hint = ctx.oidc.params?.['id_token_hint'];
  if (typeof hint !== 'string') return undefined;
  const payload = JSON.parse(Buffer.from(hint.split('.')[1] ?? '', 'base64url').toString('utf8')) as {
    sub?: string;
  };
  return payload.sub;
}

/* The engine checks the hint only on the first request: whoever then signs in must be the person asked for. */
function hintMismatch(ctx: KoaContextWithOIDC, subjectOf: SubjectOf): boolean {
  const wanted = hintedSubject(ctx);
  const accountId = ctx.oidc.session?.accountId;
  return wanted !== undefined && accountId !== undefined && subjectOf(accountId, ctx.oidc.client) !== wanted;
}

function askedStrengths(ctx: KoaContextWithOIDC): string[] {
  const asked = ctx.oidc.params?.['acr_values'];
  return typeof asked === 'string'
    ? asked.split(' ').filter(value => (STRENGTHS as readonly string[]).includes(value))
    : [];
}

interface AcrRequest {
  readonly essential?: boolean;
  readonly value?: unknown;
  readonly values?: unknown;
}

const isText = (value: unknown) => typeof value === 'string';

function essentialStrengths(ctx: KoaContextWithOIDC): string[] | undefined {
  const request = (ctx.oidc.claims?.id_token?.['acr'] ?? {}) as AcrRequest;
  const wanted = request.values ?? (request.value === undefined ? undefined : [request.value]);
  if (!request.essential || wanted === undefined) return undefined;
  if (!Array.isArray(wanted) || !wanted.every(isText)) {
    throw new errors.InvalidRequest('claims.id_token.acr should ask for values that are strings');
  }
  /* Asking somebody again and again for what nobody can reach helps no one. */
  if (!wanted.some(value => (STRENGTHS as readonly string[]).includes(value))) {
    throw new errors.UnmetAuthenticationRequirements('none of the requested acr values is offered here');
  }
  return wanted;
}

/** Which prompts there are, in which order, and what calls for them. */
export function interactionPolicyOf(subjectOf: SubjectOf) {
  const policy = base();
  policy.add(new Prompt({ name: 'create', requestable: true }), 0);
  policy.add(
    new Prompt(
      { name: 'select_account', requestable: true },
      new Check('account_unclear', 'several people are signed in', 'account_selection_required', ctx =>
        Boolean(isUnclear(ctx) && !ctx.oidc.result?.['select_account'] && !ctx.oidc.result?.login),
      ),
    ),
    1,
  );
  const login = policy.get('login');
  const consent = policy.get('consent');
  if (!login || !consent) throw new Error('the engine lost its prompts');

  login.checks.remove('essential_acr');
  login.checks.remove('essential_acrs');
  login.checks.add(
    new Check('account_unavailable', 'this account may not sign in', 'login_required', ctx =>
      Boolean(ctx.oidc.session?.accountId && !ctx.oidc.account),
    ),
  );
  login.checks.add(
    new Check(
      'id_token_hint_answer',
      'somebody else answered than the one asked for',
      'login_required',
      ctx => hintMismatch(ctx, subjectOf),
    ),
  );
  login.checks.add(
    new Check(
      'essential_strength',
      'none of the requested acr values was reached',
      'login_required',
      ctx => {
        const wanted = essentialStrengths(ctx);
        return wanted !== undefined && !satisfies(ctx.oidc.session?.acr, wanted);
      },
      ctx => ({ acr: essentialStrengths(ctx) }),
    ),
  );
  /* `acr_values` is a wish (Core §3.1.2.1, §5.5.1.1): asked for once, where anybody may be asked, and never an error. */
  login.checks.add(
    new Check(
      'wished_strength',
      'a stronger sign-in was asked for',
      'login_required',
      ctx => {
        const wished = askedStrengths(ctx);
        if (ctx.oidc.prompts.has('none') || ctx.oidc.result?.login) return false;
        return wished.length > 0 && !satisfies(ctx.oidc.session?.acr, wished);
      },
      ctx => ({ acr: askedStrengths(ctx) }),
    ),
  );
  consent.checks.remove('native_client_prompt');
  consent.checks.add(
    new Check(
      'native_client_prompt',
      'native clients require End-User interaction',
      'interaction_required',
      ctx =>
        Boolean(
          ctx.oidc.client?.applicationType === 'native' &&
            !identityIsAssured(ctx) &&
            !ctx.oidc.result?.consent,
        ),
    ),
    0,
  );
  return policy;
}
