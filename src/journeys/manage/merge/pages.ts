import { findAccount } from '../../../domain/accounts/accounts.js';
import { findStandingMerge, UNDO_DAYS } from '../../../domain/merges/merges.js';
import { sayIn } from '../../../domain/purposes/purposes.js';
import { type Person, peopleHere } from '../../../oidc/people.js';
import { Refusal } from '../../../platform/errors.js';
import { openWork } from '../../../platform/storage/work.js';
import { providerName } from '../../federated/buttons.js';
import { countTry, MERGES } from '../../limits.js';
import { hindrancesOf, type Two } from '../../merging/hindrances.js';
import { mergeAccounts } from '../../merging/merge.js';
import { planOf, type ValueOffer } from '../../merging/plan.js';
import { undoMergeOf } from '../../merging/undo.js';
import { askWho, openPair } from '../ask.js';
import { type AccountCall, type AccountPage, doneHere, leadTo, showAccount } from '../door.js';
import { demandOf, meets } from '../freshness.js';
import { remember, secondFactorOf } from '../person.js';
import { shownValue, speakingOf } from '../profile/shown.js';
import type { MergeValue } from './models.js';

const MERGE = '/account/merge';
const REVIEW = '/account/merge/with/:pair';

/** Two accounts of one person become one: the way in, what becomes of what, and the way back for seven days. */
export const MERGE_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: MERGE, within: 'sign_in', run: showMerge },
  { method: 'POST', path: MERGE, sensitive: true, within: 'sign_in', run: begin },
  { method: 'POST', path: `${MERGE}/undo`, form: MERGE, sensitive: true, within: 'sign_in', run: undo },
  { method: 'GET', path: REVIEW, sensitive: true, within: 'sign_in', run: showReview },
  { method: 'POST', path: REVIEW, sensitive: true, within: 'sign_in', keeps: ['keep'], run: merge },
];

const DONE = ['merged', 'undone', 'same', 'over', 'gone'] as const;

async function showMerge(call: AccountCall): Promise<void> {
  const { parts, me } = call;
  const standing = await findStandingMerge(parts.db, me.accountId);
  const done = doneHere(call, DONE);
  const open = standing?.state === 'open' && { at: standing.madeAt, until: standing.undoUntil };
  showAccount(call, 'account/merge', { ...(done && { done }), ...(open && { open }) });
}

/* An ordinary sign-in, with all that it asks for and all its limits: whoever is asked learns nothing here about any address. */
async function begin({ ctx, parts, me }: AccountCall): Promise<void> {
  await countTry({ ctx, parts }, MERGES, { email: me.accountId, account: { id: me.accountId } });
  askWho(ctx, parts, `${MERGE}/with`, { prompt: 'select_account', beside: me.accountId });
}

/** The two accounts that a page is about, both signed in to in this browser and fresh; undefined when the browser was sent elsewhere. */
async function bothHere(call: AccountCall, showing: boolean): Promise<Person | undefined> {
  const { ctx, parts, me, params } = call;
  const pair = openPair(ctx, parts, params['pair']);
  if (pair?.mine !== me.accountId || pair.other === pair.mine) {
    leadTo(call, MERGE, pair?.mine === me.accountId ? 'same' : 'gone');
    return undefined;
  }
  const other = (await peopleHere()).find(({ accountId }) => accountId === pair.other);
  const second = { secondStep: other?.account.second_step ?? false };
  const demand = demandOf({ sensitive: true, showing, secondFactor: secondFactorOf(second) });
  /* Whoever is signed in here beside them, a minute ago, has proved nothing to this. */
  const forThis = (other?.signedInAt.getTime() ?? 0) >= Math.floor(pair.since / 1_000) * 1_000;
  const how = other && { authenticatedAt: other.signedInAt, acr: other.acr };
  if (other && how && forThis && meets(how, demand, new Date())) return other;
  const email = other?.account.email?.address;
  const wish = { accountId: pair.other, email, prompt: 'login', strengths: demand?.strengths } as const;
  askWho(ctx, parts, `${MERGE}/with`, { ...wish, beside: me.accountId });
  return undefined;
}

const keepOf = (value: unknown) => (value === 'other' ? 'other' : 'mine');

async function twoOf({ parts, me }: AccountCall, other: Person, keep: 'mine' | 'other'): Promise<Two> {
  const [mine, theirs] = [
    await findAccount(parts.db, me.accountId),
    await findAccount(parts.db, other.accountId),
  ];
  if (!mine || !theirs) throw new Refusal('missing', 'account_unknown', 'There is no such account.');
  return keep === 'mine' ? { stays: mine, goes: theirs } : { stays: theirs, goes: mine };
}

async function showReview(call: AccountCall): Promise<void> {
  const other = await bothHere(call, true);
  if (other) await review(call, other, keepOf(call.draft['keep'] ?? call.ctx.query['keep']));
}

async function review(call: AccountCall, other: Person, keep: 'mine' | 'other'): Promise<void> {
  const { parts, ctx, me } = call;
  const two = await twoOf(call, other, keep);
  const [hindrances, plan] = [await hindrancesOf(parts.db, parts, two), await planOf(parts.db, parts, two)];
  const emails = new Map([
    [me.accountId, me.shown.email],
    [other.accountId, other.account.email?.address ?? ''],
  ]);
  const side = ({ id, openedAt }: Two['stays']) => ({ email: emails.get(id) ?? '', since: openedAt });
  const { contacts, passkeys, links, ends, shared, lost, seeing } = plan;
  showAccount(call, 'account/merge-review', {
    action: ctx.path,
    stays: side(two.stays),
    goes: side(two.goes),
    otherUrl: keep === 'mine' ? `${ctx.path}?keep=other` : ctx.path,
    keep,
    hindrances: hindrances.map(({ word, accountId }) => ({ word, email: emails.get(accountId) ?? '' })),
    contacts: contacts.map(({ address }) => address),
    values: plan.offers.map(offer => shownOf(call, offer)),
    passkeys: passkeys.map(({ name }) => name),
    links: await Promise.all(links.map(({ providerId }) => providerName(call, providerId))),
    ends,
    narrower: shared.filter(one => one.narrower).map(({ app }) => app.name),
    same: shared.filter(one => !one.narrower).map(({ app }) => app.name),
    lost,
    seeing,
    days: UNDO_DAYS,
  });
}

/* What no app would hear of is taken over where nothing is in its place; anything else is for its person to say. */
function shownOf(call: AccountCall, { entry, value, tells }: ValueOffer): MergeValue {
  const speaking = speakingOf(call);
  const { attribute, kept } = entry;
  const sent = call.sent[`value-${attribute.name}`];
  const likely = kept === undefined && tells.length === 0 ? 'there' : 'here';
  return {
    name: attribute.name,
    label: sayIn(attribute.label, speaking.language),
    here: shownValue(attribute, kept?.value, speaking),
    there: shownValue(attribute, value, speaking) ?? { lines: [] },
    tells: tells.map(({ name }) => name),
    chosen: sent === 'here' || sent === 'there' ? sent : likely,
  };
}

async function merge(call: AccountCall): Promise<void> {
  const { ctx, parts, me, actor, sent } = call;
  const other = await bothHere(call, false);
  if (!other) return;
  const keep = keepOf(sent['keep']);
  const [mine, theirs] = [me, other].map(({ accountId, sessionUid }) => ({ accountId, sessionUid }));
  if (!mine || !theirs) return;
  const take = Object.entries(sent).flatMap(([field, value]) =>
    field.startsWith('value-') && value === 'there' ? [field.slice('value-'.length)] : [],
  );
  const sides = keep === 'mine' ? { stays: mine, goes: theirs } : { stays: theirs, goes: mine };
  const done = await openWork(parts.db, actor, work => mergeAccounts(work, call, { ...sides, take })).catch(
    hindered,
  );
  if (done === 'hindered') {
    ctx.status = 409;
    return review(call, other, keep);
  }
  remember(ctx, parts, sides.stays.accountId);
  leadTo(call, MERGE, 'merged');
}

/* The page says which, as it is by now. */
function hindered(error: unknown): 'hindered' {
  if (error instanceof Refusal && ['merge_hindered', 'merged_lately'].includes(error.code)) return 'hindered';
  throw error;
}

async function undo(call: AccountCall): Promise<void> {
  const { parts, me, actor } = call;
  const by = { session: me.sessionUid };
  const undone = await openWork(parts.db, actor, work => undoMergeOf(work, call, me.accountId, by));
  leadTo(call, MERGE, undone ? 'undone' : 'over');
}
