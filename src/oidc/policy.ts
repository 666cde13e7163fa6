import { interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';
import { mustHaveSecondFactor } from '../domain/accounts/accounts.js';
import type { Claims } from './claims.js';
import { isUnclear } from './people.js';
import { type Asking, QUESTION_PROMPT, type Questions } from './questions.js';
import { requestScope } from './request-scope.js';
import { essentialStrengths, satisfies, wishedStrengths } from './strength.js';
import type { SubjectOf } from './subjects.js';
import { type DataUse, detailsAsked, purposesIn } from './uses.js';

const { Check, Prompt, base } = interactionPolicy;

/** The prompts that an app may ask for (Core §3.1.2.1, Initiating User Registration 1.0). */
export const PROMPTS = ['none', 'login', 'select_account', 'consent', 'create'] as const;

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

const essentialAcr = (ctx: KoaContextWithOIDC) => essentialStrengths(ctx.oidc.claims?.id_token?.['acr']);
const wishedAcr = (ctx: KoaContextWithOIDC) => wishedStrengths(ctx.oidc.params);

const minimumAcr = (ctx: KoaContextWithOIDC) => {
  const minimum = ctx.oidc.client?.['minimum_acr'];
  return typeof minimum === 'string' ? [minimum] : [];
};

/* Who it is about was read along with the session, so that this asks the database nothing. */
async function lacksSecondStep(ctx: KoaContextWithOIDC, demanding: readonly string[]): Promise<boolean> {
  const { accountId, acr } = ctx.oidc.session ?? {};
  if (demanding.length === 0 || accountId === undefined || satisfies(acr, ['aal2'])) return false;
  return mustHaveSecondFactor((await requestScope().account(accountId))?.roles, demanding);
}

const found = new WeakMap<object, readonly string[]>();

/*
 * Of what this request is about. Where nobody can be asked, only what rests on consent stops it: that may not leave. What
 * rests on anything else goes on, and its new words are shown as soon as somebody looks.
 */
async function outdatedFor(
  ctx: KoaContextWithOIDC,
  claims: Pick<Claims, 'askedBy'>,
): Promise<readonly string[]> {
  const { client, account, result, prompts, params } = ctx.oidc;
  if (!client || !account || client['first_party'] === true || result?.consent) return [];
  const consent = await requestScope().consent(account.accountId, client.clientId);
  if (!consent || consent.outdated.length === 0) return [];
  const asked = claims.askedBy(ctx.oidc.requestParamOIDCScopes, ctx.oidc.requestParamClaims);
  const about = prompts.has('none') ? asked.filter(({ name }) => consent.withheld.includes(name)) : asked;
  /* A use that rests on consent is then not allowed any more, and asked for as such. */
  const uses = prompts.has('none') ? [] : purposesIn(detailsAsked(params?.['authorization_details']));
  const purposes = [...about.map(({ purpose }) => purpose), ...uses].filter(purpose =>
    consent.outdated.includes(purpose),
  );
  return [...new Set(purposes)].sort();
}

/** What the policy asks. */
export interface PolicyParts {
  readonly claims: Pick<Claims, 'askedBy'>;
  readonly dataUse: Pick<DataUse, 'unanswered'>;
  readonly questions: Questions;
}

const unanswered = new WeakMap<object, readonly string[]>();

/** Which prompts there are, in which order, and what calls for them. */
export function interactionPolicyOf(
  subjectOf: SubjectOf,
  secondStepRoles: readonly string[],
  { claims, dataUse, questions }: PolicyParts,
) {
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
        const wanted = essentialAcr(ctx);
        return wanted !== undefined && !satisfies(ctx.oidc.session?.acr, wanted);
      },
      ctx => ({ acr: essentialAcr(ctx) }),
    ),
  );
  /* Also of a session that began before the app or the role demanded it. */
  login.checks.add(
    new Check(
      'app_strength',
      'this app takes stronger sign-ins only',
      'login_required',
      ctx => {
        const minimum = minimumAcr(ctx);
        return minimum.length > 0 && !satisfies(ctx.oidc.session?.acr, minimum);
      },
      ctx => ({ acr: minimumAcr(ctx) }),
    ),
  );
  login.checks.add(
    new Check('role_strength', 'this person must sign in more strongly', 'login_required', ctx =>
      lacksSecondStep(ctx, secondStepRoles),
    ),
  );
  /* `acr_values` is a wish (Core §3.1.2.1, §5.5.1.1): asked for once, where anybody may be asked, and never an error. */
  login.checks.add(
    new Check(
      'wished_strength',
      'a stronger sign-in was asked for',
      'login_required',
      ctx => {
        const wished = wishedAcr(ctx);
        if (ctx.oidc.prompts.has('none') || ctx.oidc.result?.login) return false;
        return wished.length > 0 && !satisfies(ctx.oidc.session?.acr, wished);
      },
      ctx => ({ acr: wishedAcr(ctx) }),
    ),
  );
  /* The engine's own asks each time, whatever was answered before. */
  consent.checks.remove('rar_prompt');
  consent.checks.add(
    new Check(
      'data_use',
      'uses of data were not answered',
      'consent_required',
      async ctx => {
        const uses = await dataUse.unanswered(ctx);
        unanswered.set(ctx.oidc, uses);
        return uses.length > 0;
      },
      ctx => ({ uses: unanswered.get(ctx.oidc) ?? [] }),
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
  consent.checks.add(
    new Check(
      'notice_changed',
      'the words that were agreed to have changed',
      'consent_required',
      async ctx => {
        const outdated = await outdatedFor(ctx, claims);
        found.set(ctx.oidc, outdated);
        return outdated.length > 0;
      },
      ctx => ({ outdated: found.get(ctx.oidc) ?? [] }),
    ),
  );
  policy.add(questionPrompt(questions));
  return policy;
}

const due = new WeakMap<object, Asking>();

/* Comes last: what somebody does not allow, nobody asks them for. It never stands in the way of a silent request. */
function questionPrompt(questions: Questions) {
  const missing = new Check(
    'attribute_missing',
    'something that may be told is not known',
    'interaction_required',
    async ctx => {
      const found = await questions.of(ctx);
      due.set(ctx.oidc, found);
      return found.questions.length > 0;
    },
    ctx => ({ ...due.get(ctx.oidc) }),
  );
  return new Prompt({ name: QUESTION_PROMPT, requestable: false }, missing);
}
