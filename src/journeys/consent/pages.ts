import { giveConsent } from '../../domain/consents/consents.js';
import { ACCOUNT_SCOPES, type AccountScope, accountApiOf } from '../../domain/resources/resources.js';
import { openWork } from '../../platform/storage/work.js';
import { badgeOf, seeOther, show } from '../journey.js';
import type { AccountAskWord, Ask, AskWord, Problem } from '../page-models.js';
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
    ...linesOf(asksOf(pending), known, accountApiOf(parts.issuer)),
    destination: URL.parse(pending.redirectUri)?.host || pending.redirectUri,
    links: {
      ...(app.site && { site: app.site }),
      ...(app.policy && { policy: app.policy }),
      ...(app.terms && { terms: app.terms }),
    },
  });
}

function linesOf(wanted: Wanted, known: Readonly<Record<string, unknown>>, ours: string) {
  const claim = (name: string) => line('claim', name, known);
  const scopes = wanted.scopes.map(scope => line('scope', scope, known));
  return {
    required: [...scopes, ...resourceLines(wanted, ours), ...wanted.required.map(claim)],
    optional: wanted.optional.map(claim),
  };
}

const resourceLines = (wanted: Wanted, ours: string): Ask[] =>
  Object.entries(wanted.resources).flatMap(([indicator, scopes]) =>
    scopes.map(scope => ({
      value: `resource:${indicator}:${scope}`,
      ...(indicator === ours
        ? spoken(scope)
        : { text: `${scope} (${URL.parse(indicator)?.host ?? indicator})` }),
    })),
  );

function spoken(scope: string): Pick<Ask, 'word' | 'text'> {
  const word = ACCOUNT_SCOPES.find(one => one === scope);
  return word ? { word: ACCOUNT_WORDS[word] } : { text: scope };
}

/** How each scope of the account API is put to a person. */
const ACCOUNT_WORDS: Readonly<Record<AccountScope, AccountAskWord>> = {
  'account:overview:read': 'account_overview_read',
  'account:profile:read': 'account_profile_read',
  'account:profile:write': 'account_profile_write',
  'account:contacts:read': 'account_contacts_read',
  'account:contacts:write': 'account_contacts_write',
  'account:history:read': 'account_history_read',
  'account:messages:read': 'account_messages_read',
  'account:preferences:read': 'account_preferences_read',
  'account:preferences:write': 'account_preferences_write',
};

const WORDS: ReadonlySet<string> = new Set<AskWord>([
  'openid',
  'profile',
  'email',
  'address',
  'phone',
  'offline_access',
  'name',
  'given_name',
  'family_name',
  'middle_name',
  'nickname',
  'preferred_username',
  'picture',
  'website',
  'gender',
  'birthdate',
  'zoneinfo',
  'locale',
  'phone_number',
  'email_verified',
  'phone_number_verified',
  'updated_at',
]);

function line(kind: 'scope' | 'claim', name: string, known: Readonly<Record<string, unknown>>): Ask {
  const value = known[name];
  const now = typeof value === 'string' ? { now: value } : {};
  const said = WORDS.has(name) ? { word: name as AskWord } : { text: name.replaceAll('_', ' ') };
  return { value: `${kind}:${name}`, ...said, ...now };
}

/** "Allow": what is on record is our consent; the engine's Grant is made from it when the request goes on. */
export async function submitConsent({ ctx, parts, pending, sent }: Turn): Promise<void> {
  const { accountId } = pending;
  if (!accountId) throw new Error('nobody is there to consent');
  const ticked = new Set([sent['allow']].flat());
  const wanted = asksOf(pending);
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
