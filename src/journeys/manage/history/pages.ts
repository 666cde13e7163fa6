import type { Readable } from 'node:stream';
import type { ProfileSchema } from '../../../domain/profiles/profiles.js';
import { sayIn } from '../../../domain/purposes/purposes.js';
import { Refusal } from '../../../platform/errors.js';
import { sealHere } from '../../notices/here.js';
import { type AccountCall, type AccountPage, showAccount } from '../door.js';
import { FRESH_SECONDS } from '../freshness.js';
import { csvOf, jsonOf, type Telling } from './download.js';
import { type Action, type Listing, listHistory, ownAction, type Tries } from './listing.js';
import type { HistoryRow, KindLink, ShownAction } from './models.js';
import { type Asked, addressOf, askedOf } from './query.js';
import { KINDS } from './said.js';

const PATH = '/account/history';

/** What was done about an account: to look through, to take along, and to object to. */
export const HISTORY_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: PATH, nav: 'history', run: showHistory },
  { method: 'GET', path: `${PATH}.csv`, run: call => download(call, 'csv') },
  { method: 'GET', path: `${PATH}.json`, run: call => download(call, 'json') },
  { method: 'GET', path: `${PATH}/:id/object`, run: showObjection },
];

function zoneOf({ me }: AccountCall): string | undefined {
  const zone = me.person.account.profile?.['zoneinfo'];
  return typeof zone === 'string' ? zone : undefined;
}

async function showHistory(call: AccountCall): Promise<void> {
  const { ctx, parts, me } = call;
  const asked = askedOf(ctx.query, zoneOf(call));
  const listing = asked.problems.length > 0 ? NOTHING : await listHistory(parts, me.accountId, asked.filter);
  showAccount(call, 'account/history', {
    rows: listing.rows.map(row => rowOf(call, row, asked)),
    ...filterOf(asked),
    ...linksOf(asked, listing),
  });
}

const NOTHING: Listing = { rows: [], older: undefined };

function filterOf({ kind, from, to, problems }: Asked) {
  const link = (word: KindLink['word'], wanted?: string): KindLink => ({
    word,
    url: addressOf(PATH, { kind: wanted, from, to }),
    current: kind === wanted,
  });
  return {
    kinds: [link('all'), ...KINDS.map(one => link(one, one))],
    ...(kind && { kind }),
    from,
    to,
    ...(problems.length > 0 && { problems }),
    filtered: kind !== undefined || from !== '' || to !== '',
  };
}

function linksOf({ kind, from, to, before }: Asked, { older }: Listing) {
  const filter = { kind, from, to };
  return {
    ...(older !== undefined && { olderUrl: addressOf(PATH, { ...filter, before: older }) }),
    ...(before !== undefined && { newestUrl: addressOf(PATH, filter) }),
    csvUrl: addressOf(`${PATH}.csv`, filter),
    jsonUrl: addressOf(`${PATH}.json`, filter),
  };
}

function rowOf(call: AccountCall, row: Action | Tries, { from, to }: Asked): HistoryRow {
  if (!('count' in row)) return { ...shownOf(call, row), objectUrl: `${PATH}/${row.id}/object` };
  const { count: tries, more, newest, before } = row;
  return {
    tries,
    more,
    newest: shownOf(call, newest),
    url: addressOf(PATH, { kind: 'tries', from, to, before }),
  };
}

function shownOf(
  { ctx, parts, me }: AccountCall,
  { word, accountId, at, by, app, device, country, address, about, look }: Action,
): ShownAction {
  return {
    word,
    at,
    by,
    ...(accountId !== me.accountId && { merged: true as const }),
    ...(app && { app: app.name ?? app.clientId }),
    ...(device !== undefined && { device }),
    ...(country !== undefined && { country }),
    ...(address !== undefined && { address }),
    ...(about.length > 0 && { about: labelsOf(parts.profile, about, parts.pages.language(ctx)) }),
    ...(look && {
      saw: labelsOf(parts.profile, look.seen, parts.pages.language(ctx)),
      codes: [look.team, look.reference].filter(code => code !== undefined),
    }),
  };
}

/* What was declared then may be gone by now: then its name must do. */
function labelsOf({ attributes }: ProfileSchema, names: readonly string[], language: string) {
  return names.map(name => {
    const attribute = attributes.find(each => each.name === name);
    return attribute ? sayIn(attribute.label, language) : name;
  });
}

/** So many whole histories are written out for an account in an hour. */
const DOWNLOADS = { name: 'history-download', per: 'account', max: 20, window: 3_600 } as const;

async function download(call: AccountCall, shape: 'csv' | 'json'): Promise<void> {
  const { ctx, parts, me } = call;
  const { filter, problems } = askedOf(ctx.query, zoneOf(call));
  if (problems.length > 0) throw new Refusal('invalid', 'days_invalid', 'These days cannot be used.');
  const verdict = await parts.protection.count([{ ...DOWNLOADS, subject: me.accountId }]);
  if (!verdict.allowed) {
    const message = 'This was downloaded many times already. Please wait.';
    throw new Refusal('limited', 'too_many_downloads', message, { retryAfter: verdict.retryAfter });
  }
  const telling: Telling = {
    say: key => parts.pages.say(ctx, key),
    country: code => parts.pages.country(ctx, code),
  };
  ctx.attachment(`history.${shape}`);
  ctx.type = shape === 'csv' ? 'text/csv; charset=utf-8; header=present' : 'application/json; charset=utf-8';
  const write = shape === 'csv' ? csvOf : jsonOf;
  ctx.body = write(parts, me.accountId, filter, telling) satisfies Readable;
}

/* Looking changes nothing: only the button does, and it asks for nothing more, since freezing must never wait. */
async function showObjection(call: AccountCall): Promise<void> {
  const { ctx, parts, me } = call;
  const action = await ownAction(call);
  const { accountId, sessionUid } = me;
  const { harmless, passkeyId } = action;
  const undo = passkeyId === undefined ? {} : { passkeyId };
  const fresh = Date.now() - me.authenticatedAt.getTime() < FRESH_SECONDS * 1000;
  showAccount(call, 'account/history-object', {
    action: shownOf(call, action),
    harmless,
    ...(!harmless && { objection: sealHere(ctx, parts, { accountId, sessionUid, undo }) }),
    ...(passkeyId !== undefined && { passkey: fresh ? 'now' : 'by_mail' }),
  });
}
