import { namesOfClients } from '../../../domain/clients/clients.js';
import { type Command, commandsOf } from '../../../domain/commands/commands.js';
import { sayIn } from '../../../domain/purposes/purposes.js';
import {
  type About,
  confirmRight,
  deadlinesOf,
  findRequest,
  LONGEST_WORDS,
  lawOf,
  listInForce,
  listMandates,
  listRequests,
  RIGHTS,
  type Right,
  type RightsRequest,
} from '../../../domain/rights/rights.js';
import { Refusal } from '../../../platform/errors.js';
import { openWork } from '../../../platform/storage/work.js';
import {
  endByPerson,
  lawOfPerson,
  objectingTo,
  takeBackWish,
  takeWish,
  type WishProblem,
} from '../../privacy/rights/ask.js';
import { reasonOf } from '../../privacy/rights/recipients.js';
import { type AccountCall, type AccountPage, doneHere, leadTo, showAccount } from '../door.js';
import { isEventId } from '../history/listing.js';
import { countChange } from '../profile/limits.js';
import { wishIn } from '../profile/pages.js';
import { speakingOf } from '../profile/shown.js';
import { type Holdable, type OfferedRight, RIGHTS_DONE, type ShownRecipient } from './models.js';
import { REQUESTS, shownRequest } from './shown.js';

const ASK = `${REQUESTS}/ask/:right` as const;
const ONE = `${REQUESTS}/:id` as const;

/**
 * What somebody asks for by law: each right with what happens at once, what they asked for with its clock, and how it ends.
 * Whoever asks, confirms or ends something proves anew who they are (GDPR Art. 12(6)); taking back makes nobody poorer.
 */
export const RIGHTS_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: REQUESTS, within: 'data', run: showRights },
  { method: 'GET', path: ASK, sensitive: true, within: 'data', run: call => showAsk(call) },
  { method: 'POST', path: ASK, sensitive: true, within: 'data', keeps: ['words'], run: ask },
  { method: 'GET', path: ONE, within: 'data', run: showOne },
  { method: 'POST', path: `${ONE}/withdraw`, form: ONE, run: withdraw },
  { method: 'POST', path: `${ONE}/confirm`, form: ONE, sensitive: true, run: confirm },
  { method: 'POST', path: `${ONE}/end`, form: ONE, sensitive: true, run: end },
];

const NOW: Readonly<Record<Right, `/account/${string}`>> = {
  access: '/account/data/copy',
  portability: '/account/data/copy',
  rectification: '/account/profile',
  restriction: `${REQUESTS}/ask/restriction`,
  objection: `${REQUESTS}/ask/objection`,
  erasure: '/account/data/delete',
};
/* These are done at once by what is chosen on their page; the others can be asked for in writing as well. */
const AT_ONCE: readonly Right[] = ['restriction', 'objection'];
const PAGE = 50;

function offered(right: Right): OfferedRight {
  return {
    right,
    nowUrl: NOW[right],
    ...(!AT_ONCE.includes(right) && { askUrl: `${REQUESTS}/ask/${right}` }),
  };
}

async function showRights(call: AccountCall): Promise<void> {
  const { parts, me } = call;
  const { db, keyring } = parts;
  const { accountId } = me;
  const [requests, inForce, mandates] = await Promise.all([
    listRequests(db, keyring, { accountId, limit: PAGE }),
    listInForce(db, keyring, accountId),
    listMandates(db, keyring, accountId),
  ]);
  const speaking = speakingOf(call);
  const shown = (request: RightsRequest) => shownRequest(parts, speaking, request, mandates, new Date());
  const done = doneHere(call, RIGHTS_DONE);
  showAccount(call, 'account/rights', {
    ...(done && { done }),
    rights: RIGHTS.map(offered),
    inForce: inForce.map(shown),
    requests: requests.filter(({ id }) => !inForce.some(held => held.id === id)).map(shown),
    agentsUrl: '/account/data/agents',
  });
}

function rightOf({ params }: AccountCall): Right {
  const right = RIGHTS.find(each => each === params['right']);
  if (!right) throw new Refusal('missing', 'not_found', 'There is nothing at this address.');
  return right;
}

/* What is held for a purpose that nobody may restrict, there is none of: everything can be kept and not used. */
function choices(call: AccountCall, right: Right, chosen: readonly string[]) {
  const { parts } = call;
  const { language } = speakingOf(call);
  const purposes = parts.profile.purposes
    .filter(purpose => right === 'restriction' || (right === 'objection' && objectingTo(purpose)))
    .map((purpose): Holdable => {
      const value = `purpose:${purpose.id}`;
      const label = sayIn(purpose.name, language);
      return { value, label, hint: sayIn(purpose.why, language), chosen: chosen.includes(value) };
    });
  const attributes = parts.profile.attributes
    .filter(({ see }) => right === 'restriction' && see.includes('person'))
    .map(({ name, label }): Holdable => {
      const value = `attribute:${name}`;
      return { value, label: sayIn(label, language), chosen: chosen.includes(value) };
    });
  return { purposes, attributes, everything: chosen.includes('everything') };
}

async function showAsk(call: AccountCall, problem?: Exclude<WishProblem, 'held_already'>): Promise<void> {
  const { parts, me, sent, draft, ctx } = call;
  const right = rightOf(call);
  const now = new Date();
  const law = await lawOfPerson(parts.db, me.accountId, now);
  const typed = sent['words'] ?? draft['words'];
  const isAbout = problem === 'right_about_missing' || problem === 'right_not_objectable';
  if (problem) ctx.status = problem === 'rights_full' ? 429 : 422;
  showAccount(call, 'account/rights-ask', {
    right,
    action: `${REQUESTS}/ask/${right}`,
    ...(problem && { problems: [{ word: problem, field: isAbout ? 'about' : 'words' }] }),
    words: typeof typed === 'string' ? typed : '',
    longest: LONGEST_WORDS,
    due: deadlinesOf(law, now).dueAt,
    law: law.law,
    ...choices(call, right, listed(sent['about'])),
  });
}

function listed(value: unknown): readonly string[] {
  const all: readonly unknown[] = Array.isArray(value) ? value : [value];
  return all.filter(each => typeof each === 'string');
}

/** What is chosen on the page, read as what a request is about. */
export function aboutFrom(chosen: readonly string[]): About {
  const named = (kind: string) =>
    chosen.filter(each => each.startsWith(`${kind}:`)).map(each => each.slice(kind.length + 1));
  return {
    everything: chosen.includes('everything'),
    purposes: named('purpose'),
    attributes: named('attribute'),
  };
}

async function ask(call: AccountCall): Promise<void> {
  const { parts, me, actor, sent } = call;
  const kind = rightOf(call);
  await countChange({ ...call, accountId: me.accountId });
  const words = wishIn(sent['words']);
  const about = aboutFrom(listed(sent['about']));
  const wish = { accountId: me.accountId, kind, about, words };
  const taken = await openWork(parts.db, actor, work => takeWish(work, call, wish));
  if (taken === 'held_already') return leadTo(call, REQUESTS, 'held');
  if (typeof taken === 'string') return showAsk(call, taken);
  leadTo(call, REQUESTS, taken.holdsFrom ? 'held' : 'asked');
}

/** One's own request; somebody else's is none, like one that never was. */
export async function ownRequest({
  parts,
  me,
  params,
}: Pick<AccountCall, 'parts' | 'params'> & { readonly me: { readonly accountId: string } }) {
  const id = params['id'] ?? '';
  const found = isEventId(id) ? await findRequest(parts.db, parts.keyring, me.accountId, id) : undefined;
  if (!found) throw new Refusal('missing', 'not_found', 'There is nothing at this address.');
  return found;
}

/** The apps that were told of a request, each with what it answered. */
export async function recipientsOf(
  { parts }: Pick<AccountCall, 'parts'>,
  { id, refersTo, holdsFrom, liftedAt }: RightsRequest,
): Promise<readonly (Command & { readonly app: string })[]> {
  const reasons = [
    ...(holdsFrom ? [reasonOf('begun', id)] : []),
    ...(liftedAt ? [reasonOf('ended', id)] : []),
    ...(refersTo === undefined ? [] : [reasonOf('corrected', refersTo)]),
  ];
  const pages = await Promise.all(reasons.map(reason => commandsOf(parts.db, reason)));
  const commands = pages.flatMap(({ commands }) => commands);
  if (commands.length === 0) return [];
  const names = await namesOfClients(parts.db, [...new Set(commands.map(({ clientId }) => clientId))]);
  return commands.map(command => ({ ...command, app: names.get(command.clientId) ?? command.clientId }));
}

async function showOne(call: AccountCall): Promise<void> {
  const { parts, me } = call;
  const request = await ownRequest(call);
  const { id, state, words, answer, extendedBecause } = request;
  const isByAgent = request.mandateId !== undefined;
  const [mandates, recipients] = await Promise.all([
    isByAgent ? listMandates(parts.db, parts.keyring, me.accountId) : [],
    recipientsOf(call, request),
  ]);
  const done = doneHere(call, RIGHTS_DONE);
  const waits = state === 'open' || state === 'unconfirmed';
  showAccount(call, 'account/rights-request', {
    ...(done && { done }),
    request: shownRequest(parts, speakingOf(call), request, mandates, new Date()),
    law: request.law,
    source: lawOf(request).source,
    ...(words !== undefined && { words }),
    ...(answer !== undefined && { answer }),
    ...(extendedBecause !== undefined && { extendedBecause }),
    recipients: recipients.map(
      ({ app, state: said, endedAt, sentAt, askedAt }): ShownRecipient => ({
        app,
        state: said,
        at: endedAt ?? sentAt ?? askedAt,
      }),
    ),
    ...(waits && { withdrawUrl: `${REQUESTS}/${id}/withdraw` }),
    ...(state === 'unconfirmed' && { confirmUrl: `${REQUESTS}/${id}/confirm` }),
  });
}

async function withdraw(call: AccountCall): Promise<void> {
  const { parts, me, actor } = call;
  const { id } = await ownRequest(call);
  const gone = await openWork(parts.db, actor, work => takeBackWish(work, parts.keyring, me.accountId, id));
  leadTo(call, REQUESTS, gone === 'withdrawn' ? 'taken_back' : 'over');
}

async function confirm(call: AccountCall): Promise<void> {
  const { parts, me, actor } = call;
  const { id, kind } = await ownRequest(call);
  const confirmed = await openWork(parts.db, actor, work => confirmRight(work, me.accountId, id));
  /* What the software does at once, its person begins where it is done. */
  const now = ['access', 'portability', 'erasure'].includes(kind) ? NOW[kind] : undefined;
  if (confirmed && now) return leadTo(call, now);
  leadTo(call, REQUESTS, confirmed ? 'confirmed' : 'over');
}

async function end(call: AccountCall): Promise<void> {
  const { parts, actor } = call;
  const request = await ownRequest(call);
  const ended = await openWork(parts.db, actor, work => endByPerson(work, call, request));
  leadTo(call, REQUESTS, ended ? 'ended' : 'over');
}
