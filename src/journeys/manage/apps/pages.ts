import { namesOfClients } from '../../../domain/clients/clients.js';
import { digestOf, type LiveConsent } from '../../../domain/consents/consents.js';
import { sayIn } from '../../../domain/purposes/purposes.js';
import { accountApiOf } from '../../../domain/resources/resources.js';
import { Refusal } from '../../../platform/errors.js';
import { resourceLines, scopeWords } from '../../consent/pages.js';
import { wordsOn } from '../../consent/wording.js';
import type { Ask } from '../../page-models.js';
import { onPages } from '../contacts/mine.js';
import { type AccountCall, type AccountPage, doneHere, leadTo, showAccount } from '../door.js';
import { type Choice, choicesOf, endsOf, saveChange, takeBack, USE, usesOf } from './change.js';
import { type ConnectedApp, findOneApp, listConnected, type OneApp, UNUSED_DAYS } from './listing.js';
import { DONE, type ShownAllowed, type ShownConnected, type ShownGroup } from './models.js';

const PATH = '/account/apps';
const ONE = `${PATH}/:client` as const;
const REMOVE = `${ONE}/remove` as const;

/**
 * What each app may have. Nothing here asks who one is anew: to allow it asked for nothing more either, and taking back is as
 * easy as that (GDPR Art. 7(3)).
 */
export const APPS_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: PATH, nav: 'apps', run: showApps },
  { method: 'GET', path: ONE, run: showOne },
  { method: 'POST', path: ONE, run: change },
  { method: 'GET', path: REMOVE, run: showRemove },
  { method: 'POST', path: REMOVE, run: remove },
];

const addressOf = (clientId: string) => `${PATH}/${encodeURIComponent(clientId)}` as const;

function badgeOf({ clientId, name, hasLogo }: Pick<LiveConsent, 'clientId' | 'name' | 'hasLogo'>) {
  return { name, ...(hasLogo && { logo: `/clients/${encodeURIComponent(clientId)}/logo` }) };
}

async function showApps(call: AccountCall): Promise<void> {
  const { after } = call.ctx.query;
  const page = typeof after === 'string' && after.length <= 255 ? { after } : {};
  const { apps, house, next } = await listConnected(call.parts, call.me.accountId, page);
  const done = doneHere(call, DONE);
  const shown = apps.map(app => ({ unused: app.unused, app: shownConnected(call, app) }));
  showAccount(call, 'account/apps', {
    ...(done && { done }),
    apps: shown.map(({ app }) => app),
    unused: shown.filter(({ unused }) => unused).map(({ app }) => app),
    unusedDays: UNUSED_DAYS,
    house: house.map(app => ({ ...badgeOf(app), used: app.usedAt })),
    ...(next !== undefined && { nextUrl: `${PATH}?${new URLSearchParams({ after: next })}` }),
    ...('after' in page && { firstUrl: PATH }),
  });
}

function shownConnected(call: AccountCall, app: ConnectedApp): ShownConnected {
  const { ctx, parts } = call;
  const { clientId, givenAt: at, validUntil, used, got } = app;
  const url = addressOf(clientId);
  const say = ({ word, text }: Pick<Ask, 'word' | 'text'>) =>
    word ? parts.pages.say(ctx, `ask.${word}`) : (text ?? '');
  const language = parts.pages.language(ctx);
  const single = choicesOf(parts, app, language, key => parts.pages.say(ctx, key));
  const labels = [
    ...app.scopes.filter(scope => scope !== 'openid').map(scope => say(scopeWords(scope))),
    ...single.filter(({ scope, allowed }) => scope === undefined && allowed).map(({ label }) => label),
    ...resourceAsks(call, app).map(say),
    ...usesOf(parts, app, language)
      .filter(({ allowed }) => allowed)
      .map(({ label }) => parts.pages.say(ctx, 'consent.use', { purpose: label })),
  ];
  return {
    ...badgeOf(app),
    url,
    removeUrl: `${url}/remove`,
    labels: labels.length > 0 ? labels : [say({ word: 'openid' })],
    at,
    ...(validUntil && { until: validUntil }),
    ...(used && { used }),
    ...(got && { got }),
  };
}

function resourceAsks({ parts }: AccountCall, { resources }: LiveConsent): readonly Ask[] {
  const split = Object.entries(resources).map(([indicator, scopes]) => [indicator, scopes.split(' ')]);
  return resourceLines({ resources: Object.fromEntries(split) }, accountApiOf(parts.issuer));
}

/* Of an app that its person never said anything about there is no page; of one that may have nothing any more there is. */
async function oneOf(call: AccountCall): Promise<OneApp & { readonly clientId: string }> {
  const { ctx, parts, me, params } = call;
  const clientId = params['client'] ?? '';
  const number = Number(ctx.query['before']);
  const before = Number.isInteger(number) && number > 0 && number < 2 ** 31 ? number : undefined;
  const found = await findOneApp(parts, me.accountId, { clientId, before });
  if (!found) throw new Refusal('missing', 'not_found', 'There is nothing at this address.');
  return { ...found, clientId };
}

async function showOne(call: AccountCall): Promise<void> {
  const { ctx } = call;
  const { app, clientId, used, events, older } = await oneOf(call);
  const done = doneHere(call, DONE);
  const url = addressOf(clientId);
  const name = app ? app.name : await nameOf(call, clientId);
  showAccount(call, 'account/app', {
    ...(done && { done }),
    app: app ? badgeOf(app) : { name },
    url,
    ...(used && { used }),
    ...(app && { allowed: { ...allowedOf(call, app), wording: digestOf(wordingFor(call, app)) } }),
    history: events.map(({ id, at, event }) => ({ at, event, receiptUrl: `/account/receipts/${id}` })),
    ...(older !== undefined && { olderUrl: `${url}?before=${older}` }),
    ...(ctx.query['before'] !== undefined && { newestUrl: url }),
    toldUrl: `/account/disclosures?${new URLSearchParams({ app: clientId })}`,
  });
}

async function nameOf({ parts }: AccountCall, clientId: string): Promise<string> {
  return (await namesOfClients(parts.db, [clientId])).get(clientId) ?? clientId;
}

function allowedOf(call: AccountCall, app: LiveConsent): Omit<ShownAllowed, 'wording'> {
  const { parts, ctx } = call;
  const language = parts.pages.language(ctx);
  const choices = choicesOf(parts, app, language, key => parts.pages.say(ctx, key));
  const byScope = Map.groupBy(choices, ({ scope }) => scope);
  const asks = app.scopes.map((scope): Ask => ({ value: `scope:${scope}`, ...scopeWords(scope) }));
  const isGroup = ({ value }: Ask) => byScope.has(value.slice('scope:'.length));
  const groups = asks
    .filter(isGroup)
    .map(ask => ({ ask, of: byScope.get(ask.value.slice('scope:'.length)) }));
  const single = byScope.get(undefined);
  const uses = usesOf(parts, app, language);
  return {
    at: app.givenAt,
    ...(app.validUntil && { until: app.validUntil }),
    seen: app.id,
    groups: [
      ...groups.map(({ ask, of = [] }) => ({ ask, ...shownGroup(of, language) })),
      ...(single ? [shownGroup(single, language)] : []),
      ...(uses.length > 0 ? [{ ...shownGroup(uses, language), uses: true as const }] : []),
    ],
    others: [...asks.filter(ask => !isGroup(ask)), ...resourceAsks(call, app)],
    ...endsOf(parts, app),
    removeUrl: `${addressOf(app.clientId)}/remove`,
  };
}

const FOLDED = 4;

function shownGroup(choices: readonly Choice[], language: string): ShownGroup {
  return {
    choices: choices.map(({ claim, label, purpose, allowed }) => ({
      claim,
      label,
      allowed,
      /* A use is called as its purpose is. */
      ...(purpose && !claim.startsWith(USE) && { purpose: sayIn(purpose.name, language) }),
      ...(purpose && { why: sayIn(purpose.why, language) }),
    })),
    folded: choices.length >= FOLDED && choices.every(({ allowed }) => allowed),
  };
}

/* The words that were answered, without anything about whoever answers. */
function wordingFor(call: AccountCall, app: LiveConsent): string {
  const { ctx, parts } = call;
  const { at: _at, until: _until, ...allowed } = allowedOf(call, app);
  const model = {
    app: { name: app.name },
    url: '',
    allowed: { ...allowed, seen: '', wording: '' },
    history: [],
    toldUrl: '',
    me: { id: '', email: '', initial: '' },
    nav: [],
    here: '',
  };
  return wordsOn(parts.renderer, 'account/app', model, {
    language: parts.pages.language(ctx),
    house: parts.rp.name,
  });
}

const END = /^(?:30|90|365)$/;

async function change(call: AccountCall): Promise<void> {
  const { ctx, parts, sent } = call;
  const { app, clientId } = await oneOf(call);
  const url = addressOf(clientId);
  if (!app || sent['seen'] !== app.id) return leadTo(call, url, app ? 'other' : 'gone');
  const language = parts.pages.language(ctx);
  const ticked = new Set([sent['allow']].flat());
  const turnedIn = (choices: readonly Choice[]) => {
    const turned = choices.filter(({ claim, allowed }) => ticked.has(claim) !== allowed);
    const of = (was: boolean) => turned.filter(({ allowed }) => allowed === was).map(({ claim }) => claim);
    return { allow: of(false), refuse: of(true), any: turned.length > 0 };
  };
  const { allow, refuse, any } = turnedIn(choicesOf(parts, app, language));
  const uses = turnedIn(usesOf(parts, app, language));
  const purposes = (named: readonly string[]) => named.map(each => each.slice(USE.length));
  const until = endSent(sent['until'], endsOf(parts, app));
  if (!any && !uses.any && until === undefined) return leadTo(call, url);
  const wording = wordingFor(call, app);
  /* Under words that were not shown nothing more is allowed; to take away is never refused for that. */
  const isRead = sent['wording'] === digestOf(wording);
  const isMore = allow.length + uses.allow.length > 0 || until !== undefined;
  if (isMore && !isRead) return leadTo(call, url, 'other');
  const said = { language, ...(isRead && { wording }), method: 'account' } as const;
  const change = { app, allow, refuse, until, ...said };
  const asked = { ...change, allowUses: purposes(uses.allow), refuseUses: purposes(uses.refuse) };
  leadTo(call, url, (await saveChange(onPages(call), asked)) ? 'changed' : 'other');
}

function endSent(sent: unknown, { days, never }: ReturnType<typeof endsOf>): Date | null | undefined {
  if (sent === 'none') return never ? null : undefined;
  const chosen = typeof sent === 'string' && END.test(sent) ? Number(sent) : undefined;
  if (chosen === undefined || !days.includes(chosen)) return undefined;
  return new Date(Date.now() + chosen * 86_400_000);
}

async function showRemove(call: AccountCall): Promise<void> {
  const { app, clientId } = await oneOf(call);
  const backUrl = addressOf(clientId);
  if (!app) return leadTo(call, backUrl, 'gone');
  showAccount(call, 'account/app-remove', { app: badgeOf(app), url: `${backUrl}/remove`, backUrl });
}

async function remove(call: AccountCall): Promise<void> {
  const { app, clientId } = await oneOf(call);
  const taken = app !== undefined && (await takeBack(onPages(call), app, 'account'));
  leadTo(call, addressOf(clientId), taken ? 'withdrawn' : 'gone');
}
