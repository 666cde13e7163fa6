import type Koa from 'koa';
import { giveConsent } from '../../domain/consents/consents.js';
import type { PendingRequest } from '../../oidc/interaction.js';
import { openWork } from '../../platform/storage/work.js';
import { readForm } from '../../platform/web/input.js';
import { badgeOf, type Parts, pendingRequest, seeOther, show, toStep } from '../journey.js';
import type { Ask, AskWord, Problem } from '../page-models.js';
import { asksOf, type Wanted } from './asks.js';

/** Shows who asks for what; optional lines are not ticked. */
export async function showConsent(
  ctx: Koa.Context,
  parts: Parts,
  pending: PendingRequest,
  problems: readonly Problem[] = [],
): Promise<void> {
  const account = await parts.interactions.account(pending);
  const wanted = asksOf(pending);
  const known: Readonly<Record<string, unknown>> = { ...account?.profile, email: account?.email?.address };
  const { app } = pending;
  show(ctx, parts, 'consent', {
    uid: pending.uid,
    app: badgeOf(pending),
    problems,
    email: account?.email?.address ?? '',
    verified: app.verified || app.firstParty,
    required: [...wanted.scopes.map(scope => line('scope', scope, known)), ...resourceLines(wanted), ...wanted.required.map(claim => line('claim', claim, known))],
    optional: wanted.optional.map(claim => line('claim', claim, known)),
    destination: URL.parse(pending.redirectUri)?.host || pending.redirectUri,
    links: {
      ...(app.site && { site: app.site }),
      ...(app.policy && { policy: app.policy }),
      ...(app.terms && { terms: app.terms }),
    },
  });
}

const resourceLines = (wanted: Wanted): Ask[] =>
  Object.entries(wanted.resources).flatMap(([indicator, scopes]) =>
    scopes.map(scope => ({ value: `resource:${indicator}:${scope}`, text: `${scope} (${URL.parse(indicator)?.host ?? indicator})` })),
  );

const WORDS: ReadonlySet<string> = new Set<AskWord>([
  'openid', 'profile', 'email', 'address', 'phone', 'offline_access', 'name', 'given_name', 'family_name', 'middle_name',
  'nickname', 'preferred_username', 'picture', 'website', 'gender', 'birthdate', 'zoneinfo', 'locale', 'phone_number', 'updated_at',
]);

function line(kind: 'scope' | 'claim', name: string, known: Readonly<Record<string, unknown>>): Ask {
  const value = known[name];
  const now = typeof value === 'string' ? { now: value } : {};
  const spoken = WORDS.has(name) ? { word: name as AskWord } : { text: name.replaceAll('_', ' ') };
  return { value: `${kind}:${name}`, ...spoken, ...now };
}

/** "Allow": what is on record is our consent; the engine's Grant is made from it when the request goes on. */
export async function submitConsent(ctx: Koa.Context, parts: Parts): Promise<void> {
  const form = await readForm(ctx, parts.csrf);
  const pending = await pendingRequest(ctx, parts);
  const { accountId } = pending;
  if (pending.prompt.name !== 'consent' || !accountId) return toStep(ctx, pending.uid);
  const ticked = new Set([form['allow']].flat().filter(value => typeof value === 'string'));
  const wanted = asksOf(pending);
  const allowed = wanted.optional.filter(claim => ticked.has(`claim:${claim}`));
  const language = parts.pages.language(ctx);
  await openWork(parts.db, { kind: 'person', id: accountId }, work =>
    giveConsent(work, {
      accountId,
      clientId: pending.app.clientId,
      scopes: wanted.scopes,
      claims: [...wanted.required, ...allowed],
      refusedScopes: [],
      refusedClaims: wanted.optional.filter(claim => !allowed.includes(claim)),
      resources: Object.fromEntries(Object.entries(wanted.resources).map(([indicator, scopes]) => [indicator, scopes.join(' ')])),
      language,
    }),
  );
  seeOther(ctx, await parts.interactions.consent(ctx));
}

/** "Don't allow": the app is told `access_denied`, and nothing about why. */
export async function submitDenial(ctx: Koa.Context, parts: Parts): Promise<void> {
  await readForm(ctx, parts.csrf);
  const pending = await pendingRequest(ctx, parts);
  const { accountId } = pending;
  parts.interactions.record(
    { type: 'consent.refused', ...(accountId !== undefined && { accountId }), clientId: pending.app.clientId },
    { kind: 'person', ...(accountId !== undefined && { id: accountId }) },
  );
  seeOther(ctx, await parts.interactions.refuse(ctx, 'access_denied', 'The person did not allow it.'));
}
