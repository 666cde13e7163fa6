import { LONGEST_WISH } from '../../../domain/corrections/corrections.js';
import {
  type ChangeOutcome,
  changeProfile,
  hasChange,
  undoChange,
  withdrawChange,
} from '../../../domain/profiles/profiles.js';
import { sayIn } from '../../../domain/purposes/purposes.js';
import { Refusal } from '../../../platform/errors.js';
import { openWork } from '../../../platform/storage/work.js';
import type { Problem } from '../../page-models.js';
import { askToCorrect, takeBackCorrection } from '../../privacy/rights/corrections.js';
import { type AccountCall, type AccountPage, doneHere, leadTo, type Sent, showAccount } from '../door.js';
import { END_PURPOSE_PAGES } from './end-purpose.js';
import { type ProfileEntry, profileAndSkippedOf, profileOf } from './entries.js';
import { countChange } from './limits.js';
import type { ProfileDone, ShownBlock, ShownEntry } from './models.js';
import { changePath, fieldsOf, shownEntry, shownLimits, speakingOf } from './shown.js';
import { tellOf, tellOfChanges } from './tell.js';

const KEEPS = ['value', 'street_address', 'postal_code', 'locality', 'region', 'country'];
const CHANGE = '/account/profile/change/:attribute';
const SURE_CHANGE = '/account/profile/sure-change/:attribute';
const CORRECTION = '/account/profile/correction/:attribute';

/** What is known about a person, and how they change it, undo it and have it corrected. */
export const PROFILE_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: '/account/profile', nav: 'profile', run: showProfile },
  { method: 'GET', path: CHANGE, run: call => showChange(call, {}) },
  { method: 'POST', path: CHANGE, keeps: KEEPS, run: change },
  { method: 'GET', path: SURE_CHANGE, sensitive: true, run: call => showChange(call, {}) },
  { method: 'POST', path: SURE_CHANGE, sensitive: true, keeps: KEEPS, run: change },
  { method: 'GET', path: '/account/profile/undo/:change', run: showUndo },
  { method: 'POST', path: '/account/profile/undo/:change', run: undo },
  { method: 'POST', path: '/account/profile/withdraw/:change', form: '/account/profile', run: withdraw },
  ...END_PURPOSE_PAGES,
  { method: 'GET', path: CORRECTION, run: call => showCorrection(call, {}) },
  { method: 'POST', path: CORRECTION, keeps: ['wish'], run: ask },
  {
    method: 'POST',
    path: '/account/profile/corrections/:correction/withdraw',
    form: '/account/profile',
    run: takeBack,
  },
];

const DONE: readonly ProfileDone[] = [
  'changed',
  'unchanged',
  'waiting',
  'scheduled',
  'undone',
  'withdrawn',
  'over',
  'asked',
  'taken_back',
  'ended',
];

async function showProfile(call: AccountCall): Promise<void> {
  const speaking = speakingOf(call);
  const entries = await profileAndSkippedOf(call.parts, call.me.accountId);
  const providers = new Map((await call.parts.federation.enabled()).map(({ id, name }) => [id, name]));
  const shown = entries.map(entry => sentByName(shownEntry(entry, speaking), providers));
  const isHeld = ({ value, open, undoable, refused, correction }: (typeof shown)[number]) =>
    undoable.length > 0 || [value, open, refused, correction].some(part => part !== undefined);
  const done = doneHere(call, DONE);
  showAccount(call, 'account/profile', {
    held: shown.filter(isHeld),
    /* What is not held and cannot be given is nothing to look at. */
    empty: shown.filter(entry => !isHeld(entry) && entry.changeUrl !== undefined),
    ...(done && { done }),
  });
}

/* One that is gone is called by its id. */
function sentByName(entry: ShownEntry, providers: ReadonlyMap<string, string>): ShownEntry {
  const name = entry.sentBy === undefined ? undefined : providers.get(entry.sentBy);
  return name === undefined ? entry : { ...entry, sentBy: name };
}

/** The attribute that a route names, if its person may see it. */
export async function entryOf(call: AccountCall): Promise<ProfileEntry> {
  const entries = await profileOf(call.parts, call.me.accountId);
  const entry = entries.find(({ attribute }) => attribute.name === call.params['attribute']);
  if (!entry)
    throw new Refusal('missing', 'attribute_not_found', 'There is nothing of that name in a profile.');
  return entry;
}

/** Whether the page is one that took a fresh proof of who it is. */
export const isSure = ({ ctx }: AccountCall) => ctx.path.startsWith('/account/profile/sure-');

interface Again {
  readonly problems?: readonly Problem[];
  readonly blocked?: ShownBlock;
}

async function showChange(call: AccountCall, { problems, blocked }: Again): Promise<void> {
  const entry = await entryOf(call);
  const { attribute, kept, mayChange } = entry;
  if (!mayChange || attribute.type === 'picture')
    return leadTo(call, mayChange ? changePath(attribute) : '/account/profile');
  /* Whoever is to prove anew who they are does so before they type. */
  if (attribute.limits.step_up && !isSure(call)) return leadTo(call, changePath(attribute, true));
  const speaking = speakingOf(call);
  const shown = shownEntry(entry, speaking);
  const why = blocked ?? shown.blocked;
  showAccount(call, 'account/profile-change', {
    entry: shown,
    action: changePath(attribute, isSure(call)),
    ...(attribute.hint && { hint: sayIn(attribute.hint, speaking.language) }),
    fields: fieldsOf(attribute, kept?.value, { ...call.draft, ...call.sent }, speaking),
    limits: shownLimits(attribute),
    ...(why && { blocked: why }),
    ...(problems && { problems }),
  });
  if (call.ctx.method === 'POST') call.ctx.status = blocked ? 409 : 422;
}

async function change(call: AccountCall): Promise<void> {
  const { parts, me, actor, params, sent } = call;
  const { attribute = '' } = params;
  const declared = parts.profile.attributes.find(({ name }) => name === attribute);
  const isAddress = declared !== undefined && 'type' in declared && declared.type === 'address';
  await countChange({ ...call, accountId: me.accountId });
  const values = { [attribute]: isAddress ? addressIn(sent) : (sent['value'] ?? '') };
  const outcome = await openWork(parts.db, actor, async work => {
    const asking = { accountId: me.accountId, values, fresh: isSure(call) };
    const taken = await changeProfile(work, { schema: parts.profile, keyring: parts.keyring }, asking);
    if (taken.outcome === 'taken') await tellOfChanges(work, call, me.accountId, taken.changes);
    return taken;
  });
  await answer(call, outcome);
}

/** Leads on after a change, or shows the form again with why it was not made. */
async function answer(call: AccountCall, outcome: ChangeOutcome): Promise<void> {
  if (outcome.outcome === 'taken')
    return leadTo(call, '/account/profile', outcome.changes[0]?.became ?? 'unchanged');
  if (outcome.outcome === 'blocked') {
    const [blocked] = outcome.blocked;
    return showChange(call, blocked ? { blocked } : {});
  }
  const [first] = outcome.problems;
  if (!first || first.problem === 'unknown' || first.problem === 'not_yours' || first.problem === 'by_upload')
    throw new Refusal('missing', 'attribute_not_found', 'There is nothing of that name to change.');
  return showChange(call, { problems: [{ word: `value_${first.problem}`, field: 'value' }] });
}

function addressIn(sent: Sent): Readonly<Record<string, string>> {
  const typed = KEEPS.slice(1).map(part => [part, sent[part]] as const);
  return Object.fromEntries(typed.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

async function showUndo(call: AccountCall): Promise<void> {
  const speaking = speakingOf(call);
  const entries = await profileOf(call.parts, call.me.accountId);
  const entry = entries.find(({ undoable }) => undoable.some(({ id }) => id === call.params['change']));
  const shown = entry && shownEntry(entry, speaking);
  const change = shown?.undoable.find(({ id }) => id === call.params['change']);
  if (!change) await ownOrMissing(call);
  showAccount(call, 'account/profile-undo', shown && change ? { entry: shown, change } : {});
}

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;
const idOf = (id: string | undefined) => (id !== undefined && UUID.test(id) ? id : undefined);

async function undo(call: AccountCall): Promise<void> {
  const { parts, me, actor, params } = call;
  const id = idOf(params['change']);
  await countChange({ ...call, accountId: me.accountId });
  const undone = await openWork(parts.db, actor, async work => {
    const rules = { schema: parts.profile, keyring: parts.keyring };
    const attribute = id && (await undoChange(work, rules, { accountId: me.accountId, id }));
    if (!attribute) return false;
    const changes = [{ attribute, became: 'changed' as const }];
    await tellOf(work, call, { accountId: me.accountId, news: 'profile_undone', changes });
    return true;
  });
  if (!undone) await ownOrMissing(call);
  leadTo(call, '/account/profile', undone ? 'undone' : 'over');
}

/* A form that is sent twice finds its work done; a change of somebody else's is none. */
async function ownOrMissing({ parts, me, params }: AccountCall): Promise<void> {
  const id = idOf(params['change']);
  if (id && (await hasChange(parts.db, me.accountId, id))) return;
  throw new Refusal('missing', 'change_not_found', 'There is no such change.');
}

async function withdraw(call: AccountCall): Promise<void> {
  const { parts, me, actor, params } = call;
  const id = idOf(params['change']);
  const gone =
    id && (await openWork(parts.db, actor, work => withdrawChange(work, { accountId: me.accountId, id })));
  if (!gone) await ownOrMissing(call);
  leadTo(call, '/account/profile', gone ? 'withdrawn' : 'over');
}

async function showCorrection(call: AccountCall, { problems }: Again): Promise<void> {
  const entry = await entryOf(call);
  const wish = call.sent['wish'] ?? call.draft['wish'];
  showAccount(call, 'account/profile-correction', {
    entry: shownEntry(entry, speakingOf(call)),
    wish: typeof wish === 'string' ? wish : '',
    longest: LONGEST_WISH,
    ...(problems && { problems }),
  });
  if (problems) call.ctx.status = 422;
}

async function ask(call: AccountCall): Promise<void> {
  const { parts, me, actor, sent } = call;
  const { attribute } = await entryOf(call);
  const wish = wishIn(sent['wish']);
  if (wish === '') return showCorrection(call, { problems: [{ word: 'wish_missing', field: 'wish' }] });
  if ([...wish].length > LONGEST_WISH) {
    return showCorrection(call, {
      problems: [{ word: 'wish_too_long', field: 'wish', vars: { count: LONGEST_WISH } }],
    });
  }
  await countChange({ ...call, accountId: me.accountId });
  const asked = await openWork(parts.db, actor, work =>
    askToCorrect(work, call, { accountId: me.accountId, attribute: attribute.name, wish }),
  );
  if (asked === 'too_many')
    return showCorrection(call, { problems: [{ word: 'wish_repeated', field: 'wish' }] });
  leadTo(call, '/account/profile', 'asked');
}

/** A wish as it was typed: lines stay, other control characters and marks that turn text around do not. */
export function wishIn(typed: unknown): string {
  if (typeof typed !== 'string') return '';
  return typed
    .normalize('NFC')
    .replaceAll('\r\n', '\n')
    .replace(/[^\P{Cc}\n]|[\u202a-\u202e\u2066-\u2069]/gu, ' ')
    .trim();
}

async function takeBack(call: AccountCall): Promise<void> {
  const { parts, me, actor, params } = call;
  const id = idOf(params['correction']);
  const gone =
    id &&
    (await openWork(parts.db, actor, work => takeBackCorrection(work, parts.keyring, me.accountId, id)));
  if (!gone || gone === 'none') {
    throw new Refusal('missing', 'correction_not_found', 'There is nothing to take back.');
  }
  leadTo(call, '/account/profile', gone === 'withdrawn' ? 'taken_back' : 'over');
}
