import { giveConsent } from '../../domain/consents/consents.js';
import type { ProfileSchema } from '../../domain/profiles/profiles.js';
import { sayIn } from '../../domain/purposes/purposes.js';
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
    ...linesOf(asksOf(pending, parts.profile), { parts, known, language: parts.pages.language(ctx) }),
    destination: URL.parse(pending.redirectUri)?.host || pending.redirectUri,
    links: {
      ...(app.site && { site: app.site }),
      ...(app.policy && { policy: app.policy }),
      ...(app.terms && { terms: app.terms }),
    },
  });
}

function linesOf(wanted: Wanted, { parts, known, language }: Telling) {
  const claim = (name: string): Ask => ({
    value: `claim:${name}`,
    text: wordsOf(parts.profile, name, language),
    ...now(known[name]),
  });
  const scopes = wanted.scopes.map(
    (scope): Ask => ({ value: `scope:${scope}`, ...scopeWords(scope), ...now(known[scope]) }),
  );
  return {
    required: [
      ...scopes,
      ...resourceLines(wanted, accountApiOf(parts.issuer)),
      ...wanted.required.map(claim),
    ],
    optional: wanted.optional.map(claim),
  };
}

/* What is said, of what is known about somebody, in which language. */
interface Telling {
  readonly parts: Turn['parts'];
  readonly known: Readonly<Record<string, unknown>>;
  readonly language: string;
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
  'account:disclosures:read': 'account_disclosures_read',
  'account:devices:read': 'account_devices_read',
  'account:devices:write': 'account_devices_write',
  'account:history:read': 'account_history_read',
  'account:history:object': 'account_history_object',
  'account:messages:read': 'account_messages_read',
  'account:security:read': 'account_security_read',
  'account:security:write': 'account_security_write',
  'account:preferences:read': 'account_preferences_read',
  'account:preferences:write': 'account_preferences_write',
};

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
