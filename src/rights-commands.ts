import { parseArgs } from 'node:util';
import { INSPECTION_PURPOSES, noteInspection } from './domain/accounts/accounts.js';
import {
  decideRight,
  dueOf,
  endLater,
  extendRight,
  findAnyRequest,
  isInForce,
  LONGEST_WORDS,
  lawFor,
  listOpenRequests,
  type RightsRequest,
  refuseObjection,
  urgencyOf,
} from './domain/rights/rights.js';
import type { Telling } from './journeys/notices/tell.js';
import { type RightsNews, type RightsValues, tellOfRightLater } from './journeys/privacy/rights/tell.js';
import { Refusal } from './platform/errors.js';
import { masked } from './platform/masks.js';
import { answering, type Shell, Usage } from './platform/shell.js';
import { openWork, type Work } from './platform/storage/work.js';

/** What `keyhold rights …` works with. */
export interface RightsCommand extends Shell {
  readonly telling: Telling;
}

export const RIGHTS_USAGE = `keyhold rights list [--after ID]                             what people asked for about their data, the earliest due first
keyhold rights show ID --purpose P [--reveal]                one of them, its words masked; they see that you looked, and why
keyhold rights decide ID --done | --refuse --answer TEXT     answer it; its person is told, and reads the answer
keyhold rights extend ID --because TEXT [--place PLACE]      put the answer off as far as the law of their place allows
keyhold rights lift ID                                       end a restriction in a week; its person is told before`;

const OPTIONS = {
  after: { type: 'string' },
  purpose: { type: 'string' },
  reveal: { type: 'boolean' },
  done: { type: 'boolean' },
  refuse: { type: 'boolean' },
  answer: { type: 'string' },
  because: { type: 'string' },
  place: { type: 'string' },
} as const;

type Values = ReturnType<typeof read>['values'];

const TAKES: Readonly<Record<string, readonly (keyof typeof OPTIONS)[]>> = {
  list: ['after'],
  show: ['purpose', 'reveal'],
  decide: ['done', 'refuse', 'answer'],
  extend: ['because', 'place'],
  lift: [],
};
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;
const PAGE = 100;

const read = (words: readonly string[]) =>
  parseArgs({ args: [...words], options: OPTIONS, allowPositionals: true });

/** Runs one verb and gives the exit code: 0 done, 1 refused, 2 not understood. */
export function runRights(words: readonly string[], command: RightsCommand): Promise<number> {
  return answering(command, RIGHTS_USAGE, async () => {
    const { values, positionals } = read(words);
    const [verb = '', id, ...rest] = positionals;
    const takes: readonly string[] | undefined = Object.hasOwn(TAKES, verb) ? TAKES[verb] : undefined;
    const fits = takes && rest.length === 0 && Object.keys(values).every(name => takes.includes(name));
    if (!fits || (verb === 'list') !== (id === undefined)) throw new Usage();
    if (id === undefined) return list(command, values.after);
    const request = await found(command, id);
    if (verb === 'show') return show(command, request, values);
    if (verb === 'decide') return decide(command, request, values);
    return verb === 'extend' ? extend(command, request, values) : lift(command, request);
  });
}

async function found({ db, telling }: RightsCommand, id: string): Promise<RightsRequest> {
  const request = UUID.test(id) ? await findAnyRequest(db, telling.keyring, id) : undefined;
  if (!request) throw new Refusal('missing', 'right_not_found', `There is no request ${id}.`);
  return request;
}

async function list(command: RightsCommand, id: string | undefined): Promise<object> {
  const last = id === undefined ? undefined : await found(command, id);
  const after = last && { due: dueOf(last), id: last.id };
  const open = await listOpenRequests(command.db, command.telling.keyring, { after, limit: PAGE });
  return open.map(present);
}

function present(request: RightsRequest): object {
  const { id, accountId, kind, state, law, place, askedAt, purposes, attributes, everything } = request;
  const due = dueOf(request);
  return {
    id,
    account: accountId,
    right: kind,
    state,
    law,
    place,
    asked_at: askedAt.toISOString(),
    due_at: due.toISOString(),
    ...(state === 'open' && { urgency: urgencyOf(due, new Date()) }),
    ...(isInForce(request) && { holds: { everything, purposes, attributes } }),
  };
}

async function show(
  { db }: RightsCommand,
  request: RightsRequest,
  { purpose: named, reveal = false }: Values,
): Promise<object> {
  const purpose = INSPECTION_PURPOSES.find(each => each === named);
  if (!purpose) {
    const all = INSPECTION_PURPOSES.join(', ');
    throw new Refusal(
      'invalid',
      'purpose_missing',
      `Say why with --purpose: ${all}. The person is shown it.`,
    );
  }
  const { accountId, words, attributes } = request;
  await openWork(db, { kind: 'operator' }, async work =>
    noteInspection(work, accountId, { purpose, seen: reveal ? attributes : [] }),
  );
  const said = words === undefined ? {} : reveal ? { words } : { words_masked: masked(words) };
  return { ...present(request), attributes, ...said };
}

function needed(text: string | undefined, option: string): string {
  const said = text?.trim() ?? '';
  if (said === '') throw new Refusal('invalid', 'missing', `Say why with ${option}; the person is told.`);
  if ([...said].length > LONGEST_WORDS)
    throw new Refusal('invalid', 'too_long', `${option} takes ${LONGEST_WORDS} characters at most.`);
  return said;
}

const telling = async (
  { db, telling: by }: RightsCommand,
  request: RightsRequest,
  news: RightsNews,
  act: (work: Work) => Promise<RightsValues>,
) =>
  openWork(db, { kind: 'operator' }, async work => {
    const values = await act(work);
    await tellOfRightLater(work, by, request, news, values);
    return values.until;
  });

async function decide(command: RightsCommand, request: RightsRequest, values: Values): Promise<object> {
  const { keyring } = command.telling;
  if ((values.done === true) === (values.refuse === true)) throw new Usage('Say either --done or --refuse.');
  const answer = needed(values.answer, '--answer');
  if (values.refuse && request.kind === 'objection' && request.state === 'done') {
    const until = await telling(command, request, 'restriction_ends', async work => ({
      until: await refuseObjection(work, keyring, request, answer),
    }));
    return { id: request.id, state: 'refused', ends_at: until?.toISOString() };
  }
  const state = values.done ? 'done' : 'refused';
  const outcome = values.done ? 'answered' : 'refused';
  await telling(command, request, 'right_decided', async work => {
    if (request.state === 'unconfirmed')
      throw new Refusal(
        'conflict',
        'unconfirmed',
        'An agent asked for this; its person has not confirmed it.',
      );
    if (!(await decideRight(work, keyring, request, { state, outcome, answer, by: 'operator' })))
      throw new Refusal('conflict', 'right_is_over', `${request.id} is not open.`);
    return {};
  });
  return { id: request.id, state };
}

async function extend(command: RightsCommand, request: RightsRequest, values: Values): Promise<object> {
  const because = needed(values.because, '--because');
  const [country, region] = (values.place ?? '').split('-');
  const law = values.place === undefined ? {} : { law: lawFor({ country, region }) };
  const until = await telling(command, request, 'right_extended', async work => ({
    until: await extendRight(work, command.telling.keyring, request, { because, ...law }),
  }));
  return { id: request.id, due_at: until?.toISOString() };
}

async function lift(command: RightsCommand, request: RightsRequest): Promise<object> {
  const until = await telling(command, request, 'restriction_ends', async work => ({
    until: await endLater(work, request),
  }));
  return { id: request.id, ends_at: until?.toISOString() };
}
