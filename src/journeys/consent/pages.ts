import { giveConsent } from '../../domain/consents/consents.js';
import type { ProfileSchema } from '../../domain/profiles/profiles.js';
import { sayIn } from '../../domain/purposes/purposes.js';
import { openWork } from '../../platform/storage/work.js';
import { badgeOf, seeOther, show } from '../journey.js';
import type { Ask, AskWord, Problem } from '../page-models.js';
import type { Turn } from '../turn.js';
import { asksOf, type Wanted } from './asks.js';

/** Shows who asks for what; optional lines are not ticked. */
export async function showConsent(turn: Turn, problems: readonly Problem[] = []): Promise<void> {
  const { ctx, parts, pending } = turn;
  const account = await parts.interactions.account(pending);
  const email = account?.email?.address ?? '';
  const known: Readonly<Record<string, unknown>> = { ...account?.profile, email };
  const { app } = pending;
  show(ctx, parts, 'consent', {
    uid: pending.uid,
    app: badgeOf(pending),
    problems,
    email,
    verified: app.verified || app.firstParty,
    ...linesOf(asksOf(pending, parts.profile), known, parts.profile, parts.pages.language(ctx)),
    destination: URL.parse(pending.redirectUri)?.host || pending.redirectUri,
    links: {
      ...(app.site && { site: app.site }),
      ...(app.policy && { policy: app.policy }),
      ...(app.terms && { terms: app.terms }),
    },
  });
}

function linesOf(
  wanted: Wanted,
  known: Readonly<Record<string, unknown>>,
  schema: ProfileSchema,
  language: string,
) {
  const claim = (name: string): Ask => ({
    value: `claim:${name}`,
    text: wordsOf(schema, name, language),
    ...now(known[name]),
  });
  const scopes = wanted.scopes.map(
    (scope): Ask => ({ value: `scope:${scope}`, ...scopeWords(scope), ...now(known[scope]) }),
  );
  return {
    required: [...scopes, ...resourceLines(wanted), ...wanted.required.map(claim)],
    optional: wanted.optional.map(claim),
  };
}

const resourceLines = (wanted: Wanted): Ask[] =>
  Object.entries(wanted.resources).flatMap(([indicator, scopes]) =>
    scopes.map(scope => ({
      value: `resource:${indicator}:${scope}`,
      text: `${scope} (${URL.parse(indicator)?.host ?? indicator})`,
    })),
  );

const SCOPES: readonly string[] = [
  'openid',
  'profile',
  'email',
  'address',
  'phone',
  'offline_access',
] satisfies readonly AskWord[];

function scopeWords(scope: string): Pick<Ask, 'word' | 'text'> {
  return SCOPES.includes(scope) ? { word: scope as AskWord } : { text: scope.replaceAll('_', ' ') };
}

function wordsOf(schema: ProfileSchema, name: string, language: string): string {
  const attribute = schema.attributes.find(each => each.name === name);
  return attribute ? sayIn(attribute.ask ?? attribute.label, language) : name;
}

const now = (value: unknown) => (typeof value === 'string' ? { now: value } : {});

/** "Allow": what is on record is our consent; the engine's Grant is made from it when the request goes on. */
export async function submitConsent({ ctx, parts, pending, sent }: Turn): Promise<void> {
  const { accountId } = pending;
  if (!accountId) throw new Error('nobody is there to consent');
  const ticked = new Set([sent['allow']].flat());
  const wanted = asksOf(pending, parts.profile);
  const resources = Object.entries(wanted.resources).map(([indicator, scopes]) => [
    indicator,
    scopes.join(' '),
  ]);
  await openWork(parts.db, { kind: 'person', id: accountId }, work =>
    giveConsent(work, {
      accountId,
      clientId: pending.app.clientId,
      scopes: wanted.scopes,
      claims: [...wanted.required, ...wanted.optional.filter(claim => ticked.has(`claim:${claim}`))],
      refusedScopes: [],
      refusedClaims: wanted.optional.filter(claim => !ticked.has(`claim:${claim}`)),
      resources: Object.fromEntries(resources),
      language: parts.pages.language(ctx),
    }),
  );
  seeOther(ctx, await parts.interactions.consent(ctx));
}

/** "Don't allow", or leaving before that: the app is told `access_denied`, and nothing about why. */
export async function submitDenial({ ctx, parts, pending, step }: Turn): Promise<void> {
  const { accountId, app } = pending;
  if (step === 'consent' && accountId) {
    const fact = { type: 'consent.refused', accountId, clientId: app.clientId };
    parts.interactions.record(fact, { kind: 'person', id: accountId });
  }
  seeOther(ctx, await parts.interactions.refuse(ctx, 'access_denied', 'The person did not allow it.'));
}
