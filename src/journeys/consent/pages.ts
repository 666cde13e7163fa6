import {
  askConsentAgain,
  digestOf,
  findConsent,
  giveConsent,
  refuseConsent,
} from '../../domain/consents/consents.js';
import { derivedClaims, isKept, type ProfileSchema, sourceOf } from '../../domain/profiles/profiles.js';
import { isRequired, type Purpose, sayIn } from '../../domain/purposes/purposes.js';
import { ACCOUNT_SCOPES, type AccountScope, accountApiOf } from '../../domain/resources/resources.js';
import { openWork } from '../../platform/storage/work.js';
import { badgeOf, seeOther, show } from '../journey.js';
import type { AccountAskWord, Ask, AskWord, Problem } from '../page-models.js';
import type { Turn } from '../turn.js';
import { askedAgain, asksOf, outdatedIn, type Wanted } from './asks.js';
import { explained, saidOf } from './explaining.js';
import { termsOf } from './terms.js';
import { wordingOf } from './wording.js';

/* What is asked now, in which words and under which terms: the same for showing it and for taking the answer. */
async function asked({ ctx, parts, pending }: Turn) {
  const { app, accountId } = pending;
  const outdated = outdatedIn(pending);
  const standing =
    outdated.length > 0 && accountId ? await findConsent(parts.db, accountId, app.clientId) : undefined;
  const wanted = askedAgain(asksOf(pending, parts.profile), outdated, parts.profile, standing);
  const house = parts.rp.name;
  const terms = termsOf(wanted, { app, schema: parts.profile, issuer: parts.issuer, house });
  const account = await parts.interactions.account(pending);
  const email = account?.email?.address ?? '';
  const known: Readonly<Record<string, unknown>> = { ...account?.profile, email };
  const language = parts.pages.language(ctx);
  const say = (key: string, words: Readonly<Record<string, unknown>>) => parts.pages.say(ctx, key, words);
  const page = {
    uid: pending.uid,
    app: badgeOf(pending),
    verified: app.verified || app.firstParty,
    ...linesOf(wanted, { parts, known, language, claims: pending.params['claims'], say }),
    purposes: explained(wanted, parts.profile, language),
    ...(terms.lasts !== undefined && { days: Math.max(1, Math.floor(terms.lasts / 86_400)) }),
    destination: URL.parse(pending.redirectUri)?.host || pending.redirectUri,
    links: {
      ...(app.site && { site: app.site }),
      ...(app.policy && { policy: app.policy }),
      ...(app.terms && { terms: app.terms }),
    },
  };
  const wording = wordingOf(parts.renderer, { language, page, house });
  return { wanted, outdated, terms, email, language, page, wording };
}

/** Shows who asks for what; optional lines are not ticked. */
export async function showConsent(turn: Turn, problems: readonly Problem[] = []): Promise<void> {
  const { ctx, parts, pending } = turn;
  const { page, email, wording, ...shown } = await asked(turn);
  const { accountId } = pending;
  if (shown.outdated.length > 0 && accountId) {
    await openWork(parts.db, { kind: 'person', id: accountId }, work =>
      askConsentAgain(work, { ...recordOf(turn, accountId, { ...shown, wording }), ...NO_ANSWER }),
    );
  }
  show(ctx, parts, 'consent', { ...page, problems, email, wording: digestOf(wording) });
}

const NO_ANSWER = {
  scopes: [],
  claims: [],
  refusedScopes: [],
  refusedClaims: [],
  uses: [],
  refusedUses: [],
  resources: {},
};

type Asked = Pick<
  Awaited<ReturnType<typeof asked>>,
  'wanted' | 'outdated' | 'terms' | 'language' | 'wording'
>;

/* What goes on record of an answer, as if nothing optional had been allowed. */
function recordOf(
  { parts, pending }: Turn,
  accountId: string,
  { wanted, outdated, terms, language, wording }: Asked,
) {
  const { lasts, ...rest } = terms;
  const { needed, offered } = usesOf(wanted, parts.profile);
  return {
    accountId,
    clientId: pending.app.clientId,
    ...rest,
    scopes: wanted.scopes,
    claims: wanted.required,
    refusedScopes: [],
    refusedClaims: wanted.optional,
    uses: needed.map(({ id }) => id),
    refusedUses: offered.map(({ id }) => id),
    resources: Object.fromEntries(
      Object.entries(wanted.resources).map(([indicator, scopes]) => [
        indicator,
        [...scopes].sort().join(' '),
      ]),
    ),
    renews: outdated,
    validUntil: lasts === undefined ? undefined : new Date(Date.now() + lasts * 1_000),
    wording,
    language,
    method: 'consent_page',
  };
}

/* What does not rest on consent is told, and not offered for a choice that would be none. */
function usesOf({ uses = [] }: Wanted, { purposes }: ProfileSchema) {
  const asked = purposes.filter(({ id }) => uses.includes(id));
  return { needed: asked.filter(isRequired), offered: asked.filter(purpose => !isRequired(purpose)) };
}

function linesOf(wanted: Wanted, { parts, known, language, claims, say }: Telling) {
  const { needed, offered } = usesOf(wanted, parts.profile);
  const use = ({ id, name }: Purpose): Ask => ({
    value: `use:${id}`,
    text: say('consent.use', { purpose: sayIn(name, language) }),
  });
  const claim = (name: string): Ask => ({
    value: `claim:${name}`,
    ...because(saidOf(claims, name)),
    ...claimWords(parts.profile, name, language),
    ...now(known[name]),
    ...(isMissing(parts.profile, name, known) && { missing: true }),
  });
  const scopes = wanted.scopes.map(
    (scope): Ask => ({ value: `scope:${scope}`, ...scopeWords(scope), ...now(known[scope]) }),
  );
  return {
    required: [
      ...scopes,
      ...resourceLines(wanted, accountApiOf(parts.issuer)),
      ...wanted.required.map(claim),
      ...needed.map(use),
    ],
    optional: [...wanted.optional.map(claim), ...offered.map(use)],
  };
}

/* What is said, of what is known about somebody, in which language. */
interface Telling {
  readonly parts: Turn['parts'];
  readonly known: Readonly<Record<string, unknown>>;
  readonly language: string;
  /** The `claims` parameter. */
  readonly claims: unknown;
  say(key: string, words: Readonly<Record<string, unknown>>): string;
}

/** How scopes of APIs are put to a person; `ours` is the account API. */
export const resourceLines = (wanted: Pick<Wanted, 'resources'>, ours: string): Ask[] =>
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
  'account:rights:read': 'account_rights_read',
  'account:rights:write': 'account_rights_write',
  'account:deletion:read': 'account_deletion_read',
  'account:deletion:write': 'account_deletion_write',
  'account:devices:read': 'account_devices_read',
  'account:devices:write': 'account_devices_write',
  'account:history:read': 'account_history_read',
  'account:history:object': 'account_history_object',
  'account:consents:read': 'account_consents_read',
  'account:consents:write': 'account_consents_write',
  'account:exports:read': 'account_exports_read',
  'account:exports:write': 'account_exports_write',
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

/** How a scope of the protocol is put to a person. */
export function scopeWords(scope: string): Pick<Ask, 'word' | 'text'> {
  return SCOPES.includes(scope) ? { word: scope as AskWord } : { text: scope.replaceAll('_', ' ') };
}

/** How a claim is put to a person. */
export function claimWords(
  schema: ProfileSchema,
  name: string,
  language: string,
): Pick<Ask, 'word' | 'text'> {
  const derived = derivedClaims(schema).find(each => each.name === name);
  if (derived) return { word: derived.name };
  const attribute = schema.attributes.find(each => each.name === name);
  return { text: attribute ? sayIn(attribute.ask ?? attribute.label, language) : name };
}

function isMissing(schema: ProfileSchema, claim: string, known: Telling['known']): boolean {
  const source = sourceOf(schema, claim);
  const attribute = schema.attributes.find(({ name }) => name === source);
  return attribute !== undefined && isKept(attribute) && known[source] === undefined;
}

const because = (said: string | undefined) => (said === undefined ? {} : { said });
const now = (value: unknown) => (typeof value === 'string' ? { now: value } : {});

/**
 * "Allow": what is on record is our consent; the engine's Grant is made from it when the request goes on. An answer to other
 * words than those that would stand there now is none: they are shown first.
 */
export async function submitConsent(turn: Turn): Promise<void> {
  const { ctx, parts, pending, sent } = turn;
  const { accountId } = pending;
  if (!accountId) throw new Error('nobody is there to consent');
  const now = await asked(turn);
  if (sent['wording'] !== digestOf(now.wording)) {
    ctx.status = 400;
    return showConsent(turn, [{ word: 'consent_changed' }]);
  }
  const ticked = new Set([sent['allow']].flat());
  const record = recordOf(turn, accountId, now);
  const { optional, required } = now.wanted;
  const allowsUse = (purpose: string) => ticked.has(`use:${purpose}`);
  await openWork(parts.db, { kind: 'person', id: accountId }, work =>
    giveConsent(work, {
      ...record,
      claims: [...required, ...optional.filter(claim => ticked.has(`claim:${claim}`))],
      refusedClaims: optional.filter(claim => !ticked.has(`claim:${claim}`)),
      uses: [...record.uses, ...record.refusedUses.filter(allowsUse)],
      refusedUses: record.refusedUses.filter(purpose => !allowsUse(purpose)),
    }),
  );
  seeOther(ctx, await parts.interactions.consent(ctx));
}

/**
 * "Don't allow", or leaving before that: the app is told `access_denied`, and nothing about why. A no to words that have changed
 * since is a no all the same, and no words are on record that were not shown.
 */
export async function submitDenial(turn: Turn): Promise<void> {
  const { ctx, parts, pending, step, sent } = turn;
  const { accountId } = pending;
  if (step === 'consent' && accountId) {
    const { wanted, ...now } = await asked(turn);
    const record = recordOf(turn, accountId, { wanted, ...now });
    const isRead = sent['wording'] === digestOf(now.wording);
    const unread = isRead ? {} : { wording: undefined, notices: {} };
    const nothing = { scopes: [], claims: [], uses: [], resources: {}, validUntil: undefined, ...unread };
    const refusedClaims = [...wanted.required, ...wanted.optional];
    const refused = { refusedScopes: wanted.scopes, refusedClaims, refusedUses: wanted.uses ?? [] };
    await openWork(parts.db, { kind: 'person', id: accountId }, work =>
      refuseConsent(work, { ...record, ...nothing, ...refused }),
    );
  }
  seeOther(ctx, await parts.interactions.refuse(ctx, 'access_denied', 'The person did not allow it.'));
}
