import { type ContactChange, PROOF_MINUTES } from '../../../domain/contacts/contacts.js';
import { Refusal } from '../../../platform/errors.js';
import type { Problem } from '../../page-models.js';
import { type AccountCall, type AccountPage, doneHere, leadTo, showAccount } from '../door.js';
import { findMyChange, listMyChanges, makeMain, removeMine, undoMine } from './changes.js';
import { findMine, listMine, type MyContact, noSuch, onPages, wasMine } from './mine.js';
import type { ContactCodePage, ContactsDone, ShownChange, ShownContact } from './models.js';
import { beginContact, findBegun, proveContact } from './proofs.js';
import { NEWS_OF } from './tell.js';

const LIST = '/account/contacts';
const ONE = '/account/contacts/:id';
const PROOF = '/account/contacts/proofs/:proof';
const CHANGE = '/account/contacts/changes/:change';

/** How one is reached: the list, one address, adding one, the code that proves it, undoing. */
export const CONTACT_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: LIST, nav: 'contacts', run: showList },
  { method: 'GET', path: `${LIST}/add-email`, sensitive: true, run: call => showAdd(call, 'email') },
  {
    method: 'POST',
    path: `${LIST}/add-email`,
    sensitive: true,
    keeps: ['email'],
    run: call => add(call, 'email'),
  },
  { method: 'GET', path: `${LIST}/add-phone`, sensitive: true, run: call => showAdd(call, 'phone') },
  {
    method: 'POST',
    path: `${LIST}/add-phone`,
    sensitive: true,
    keeps: ['phone'],
    run: call => add(call, 'phone'),
  },
  /* Whoever began was fresh, and a code is good for ten minutes: to be asked who one is in between helps nobody. */
  { method: 'GET', path: PROOF, run: call => showCode(call) },
  { method: 'POST', path: PROOF, run: prove },
  { method: 'POST', path: `${PROOF}/send`, form: PROOF, sensitive: true, run: sendAgain },
  { method: 'GET', path: CHANGE, sensitive: true, run: call => showChange(call, false) },
  { method: 'POST', path: CHANGE, sensitive: true, run: undo },
  { method: 'GET', path: ONE, sensitive: true, run: showOne },
  { method: 'POST', path: `${ONE}/prove`, form: ONE, sensitive: true, run: proveAnew },
  { method: 'POST', path: `${ONE}/main`, form: ONE, sensitive: true, run: makeOneMain },
  { method: 'POST', path: `${ONE}/remove`, form: ONE, sensitive: true, run: removeOne },
];

const shownOf = ({ id, kind, address, isPrimary: isMain, verifiedAt }: MyContact): ShownContact => ({
  id,
  kind,
  address,
  isMain,
  proved: verifiedAt !== undefined,
});

const changeOf = ({ id, kind, what, address, madeAt: at, undoUntil: until }: ContactChange): ShownChange => ({
  id,
  word: NEWS_OF[kind][what],
  address,
  at,
  until,
});

const DONE = ['added', 'main_email', 'main_phone', 'removed', 'undone', 'over'] as const;

async function showList(call: AccountCall): Promise<void> {
  const asker = onPages(call);
  const [mine, changes] = await Promise.all([listMine(asker), listMyChanges(asker)]);
  const done = doneHere(call, DONE);
  const of = (kind: ShownContact['kind']) => mine.map(shownOf).filter(each => each.kind === kind);
  showAccount(call, 'account/contacts', {
    emails: of('email'),
    phones: of('phone'),
    changes: changes.map(changeOf),
    phonesOn: call.parts.sms !== undefined,
    ...(done && { done }),
  });
}

async function showOne(call: AccountCall): Promise<void> {
  const found = await findMine(onPages(call), call.params['id']);
  if (!found) return lost(call, 'over');
  showAccount(call, 'account/contact', {
    contact: shownOf(found),
    addedAt: found.addedAt,
    ...(found.kept && { kept: found.kept }),
    ...(found.next !== undefined && { next: found.next }),
  });
}

/* It went in another tab, or by the first of two presses. */
async function lost(call: AccountCall, done: ContactsDone): Promise<void> {
  if (!(await wasMine(onPages(call), call.params['id']))) throw noSuch();
  leadTo(call, LIST, done);
}

type Kind = ShownContact['kind'];

function showAdd(call: AccountCall, kind: Kind, typed = call.draft[kind] ?? '', problem?: Problem): void {
  const problems = problem && { problems: [problem] };
  showAccount(call, 'account/contact-add', { kind, typed: typed.slice(0, 300), ...problems });
}

async function add(call: AccountCall, kind: Kind): Promise<void> {
  const typed = typeof call.sent[kind] === 'string' ? call.sent[kind] : '';
  return begin(call, kind, typed, problem => {
    showAdd(call, kind, typed, problem);
  });
}

/* What was typed stays where it was, whatever is wrong with it. */
async function begin(
  call: AccountCall,
  kind: Kind,
  typed: string,
  fail: (problem: Problem) => void,
  done?: string,
): Promise<void> {
  const begun = await beginContact(onPages(call), kind, typed).catch(limited);
  if (begun.outcome === 'begun') return leadTo(call, `${LIST}/proofs/${begun.proof}`, done);
  fail({ ...(begun.outcome === 'limited' ? begun.problem : { word: begun.word }), field: kind });
  call.ctx.status = begun.outcome === 'limited' ? 429 : 400;
}

function limited(error: unknown): { readonly outcome: 'limited'; readonly problem: Problem } {
  if (!(error instanceof Refusal) || error.kind !== 'limited') throw error;
  const count = Math.max(1, Math.ceil((error.retryAfter ?? 60) / 60));
  return { outcome: 'limited', problem: { word: 'limited', vars: { count } } };
}

const STATES: Readonly<Record<string, ContactCodePage['state']>> = {
  open: 'open',
  undelivered: 'undelivered',
  expired: 'expired',
  'too-many': 'ended',
};

async function showCode(
  call: AccountCall,
  problem?: Problem,
  state?: ContactCodePage['state'],
): Promise<void> {
  const begun = await findBegun(onPages(call), call.params['proof'] ?? '');
  if (!begun) return leadTo(call, LIST, 'over');
  if (begun.state === 'used' && state !== 'taken') return leadTo(call, LIST, 'added');
  showAccount(call, 'account/contact-code', {
    proof: begun.id,
    kind: begun.kind,
    address: begun.address,
    minutes: PROOF_MINUTES,
    state: state ?? STATES[begun.state] ?? 'over',
    sentAgain: doneHere(call, ['sent']) !== undefined && !problem,
    ...(problem && { problems: [problem] }),
  });
}

async function prove(call: AccountCall): Promise<void> {
  const typed = typeof call.sent['code'] === 'string' ? call.sent['code'].slice(0, 64) : '';
  const code = typed.normalize('NFKC').replace(/\D/g, '');
  if (code.length !== 8) {
    await showCode(call, { word: code === '' ? 'code_needed' : 'code_malformed', field: 'code' });
    if (call.ctx.status !== 303) call.ctx.status = 400;
    return;
  }
  const proved = await proveContact(onPages(call), call.params['proof'] ?? '', code).catch(limited);
  if (proved.outcome === 'added') return leadTo(call, LIST, 'added');
  if (proved.outcome === 'taken') return showCode(call, undefined, 'taken');
  if (proved.outcome === 'ended') return showCode(call);
  const wrong: Problem =
    proved.outcome === 'wrong' ? { word: 'code_wrong', vars: { count: proved.triesLeft } } : proved.problem;
  await showCode(call, { ...wrong, field: 'code' });
  if (call.ctx.status !== 303) call.ctx.status = proved.outcome === 'wrong' ? 400 : 429;
}

async function sendAgain(call: AccountCall): Promise<void> {
  const begun = await findBegun(onPages(call), call.params['proof'] ?? '');
  if (!begun || begun.state === 'used') return leadTo(call, LIST, begun ? 'added' : 'over');
  return begin(
    call,
    begun.kind,
    begun.address,
    problem => showAdd(call, begun.kind, begun.address, problem),
    'sent',
  );
}

async function proveAnew(call: AccountCall): Promise<void> {
  const found = await findMine(onPages(call), call.params['id']);
  if (!found) return lost(call, 'over');
  const { kind, address } = found;
  return begin(call, kind, address, problem => showAdd(call, kind, address, problem));
}

async function makeOneMain(call: AccountCall): Promise<void> {
  const asker = onPages(call);
  const found = await findMine(asker, call.params['id']);
  if (!found) return lost(call, 'over');
  if (!found.verifiedAt) return leadTo(call, LIST, 'over');
  await makeMain(asker, found).catch(gone);
  leadTo(call, LIST, `main_${found.kind}`);
}

/* Sent twice, or done in another tab: what was wanted is so. */
async function removeOne(call: AccountCall): Promise<void> {
  const asker = onPages(call);
  const found = await findMine(asker, call.params['id']);
  if (!found) return lost(call, 'removed');
  const refused = await removeMine(asker, found).then(() => undefined, gone);
  if (refused?.code === 'last_address') return leadTo(call, `${LIST}/${found.id}`);
  leadTo(call, LIST, 'removed');
}

function gone(error: unknown): Refusal {
  if (error instanceof Refusal && ['no_such_address', 'last_address'].includes(error.code)) return error;
  throw error;
}

async function showChange(call: AccountCall, taken: boolean): Promise<void> {
  const change = await findMyChange(onPages(call), call.params['change'] ?? '');
  if (!change) throw noSuch();
  if (change.undoneAt || change.undoUntil <= new Date()) return leadTo(call, LIST, 'over');
  showAccount(call, 'account/contact-undo', { change: changeOf(change), taken });
}

async function undo(call: AccountCall): Promise<void> {
  const id = call.params['change'] ?? '';
  const undone = await undoMine(onPages(call), id).catch((error: unknown) => {
    if (error instanceof Refusal && error.code === 'address_taken') return undefined;
    throw error;
  });
  if (undone?.outcome === 'ended' && undone.reason === 'none') throw noSuch();
  if (undone) return leadTo(call, LIST, undone.outcome === 'undone' ? 'undone' : 'over');
  await showChange(call, true);
  call.ctx.status = 409;
}
