import { drawQr } from '../../../domain/factors/factors.js';
import { findLatestMove, startMove, stateAt } from '../../../domain/moves/moves.js';
import { countTry, MOVES } from '../../limits.js';
import { LOOK_AGAIN, NEW_PHONE, type Standing, standingOf } from '../../move/standing.js';
import { openWhence, sealWhence } from '../../move/whence.js';
import type { Problem } from '../../page-models.js';
import { rememberedDigest } from '../../second-step/remembered.js';
import { type AccountCall, type AccountPage, leadTo, showAccount } from '../door.js';
import { changing, shownApp, shownPasskey, waysOf } from '../signing-in/ways.js';
import { codeHere, keepCode } from './code.js';
import type { MoveNowPage, MoveNowWord } from './models.js';

/** Where a move begins. */
export const MOVE = '/account/move';
/** Where the old phone sees how it goes on. */
export const NOW = `${MOVE}/now` as const;
/** What only the old phone holds. */
export const OLD = `${MOVE}/old` as const;

/** What now is where. */
export const DONE = `${MOVE}/done` as const;

/** Beginning a move, and looking at how it stands. */
export const BEGIN_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: MOVE, sensitive: true, run: showStart },
  { method: 'POST', path: MOVE, sensitive: true, run: begin },
  { method: 'GET', path: NOW, run: call => showNow(call) },
  { method: 'GET', path: `${NOW}.json`, run: tellState },
];

/** The move that was begun last for this person, as it stands. */
export async function latestOf({
  parts,
  me,
}: Pick<AccountCall, 'parts'> & { me: { accountId: string } }): Promise<Standing | undefined> {
  const move = await findLatestMove(parts.db, me.accountId);
  if (!move) return undefined;
  /* Whoever came through the door may act, and what is left of a tested one is theirs to do. */
  const state = stateAt(move, new Date());
  return state === 'tested' ? { move, state } : standingOf(parts.db, move);
}

const UNDER_WAY = ['waiting', 'claimed', 'confirmed', 'bound'];

async function showStart(call: AccountCall): Promise<void> {
  const standing = await latestOf(call);
  if (standing && UNDER_WAY.includes(standing.state)) return leadTo(call, NOW);
  if (standing?.state === 'tested') return leadTo(call, OLD);
  const { password, passkeys, apps, events } = await waysOf(call, { factors: call.me.secondStep });
  showAccount(call, 'account/move/start', {
    synced: passkeys.filter(({ backedUp }) => backedUp).map(each => shownPasskey(each, events)),
    local: passkeys.filter(({ backedUp }) => !backedUp).map(each => shownPasskey(each, events)),
    apps: apps.map(app => shownApp(app, events)),
    hasPassword: password !== undefined,
  });
}

async function begin(call: AccountCall): Promise<void> {
  const { ctx, parts, me } = call;
  await countTry(call, MOVES, { email: me.shown.email, account: { id: me.accountId } });
  const startedFrom = await sealWhence(ctx, parts);
  const remembered = rememberedDigest(call, me.accountId);
  const { accountId, sessionUid } = me;
  const started = await changing(call, work =>
    startMove(work, { accountId, sessionUid, remembered, startedFrom }),
  );
  keepCode(call, started);
  leadTo(call, NOW);
}

/** How the move stands for this session: only the one that began it may say which phone is the new one. */
export function wordOf({ me }: Pick<AccountCall, 'me'>, { state, why, move }: Standing): MoveNowWord {
  if (why) return why;
  const begun = state === 'waiting' || state === 'claimed';
  return begun && move.sessionUid !== me.sessionUid ? 'elsewhere' : state;
}

/** Shows where the move stands; `problems` when something was sent that is not due. */
export async function showNow(call: AccountCall, problems: readonly Problem[] = []): Promise<void> {
  const standing = await latestOf(call);
  if (!standing) return leadTo(call, MOVE);
  const state = wordOf(call, standing);
  if (state === 'tested' && problems.length === 0) return leadTo(call, OLD);
  if (state === 'finished' && problems.length === 0) return leadTo(call, DONE);
  if (problems.length > 0) call.ctx.status = 409;
  const { move } = standing;
  const waits = ['waiting', 'confirmed', 'bound'].includes(state);
  showAccount(call, 'account/move/now', {
    state,
    problems,
    ...codeOf(call, standing, state),
    ...(state === 'claimed' && {
      asked: { at: move.claimedAt ?? move.startedAt, ...openWhence(call.parts, move.claimedFrom) },
    }),
    numbers: state === 'claimed' ? move.numbers : [],
    added: move.bound !== undefined,
    ...(waits && { refresh: LOOK_AGAIN }),
  });
}

function codeOf(call: AccountCall, { move }: Standing, state: MoveNowWord): Pick<MoveNowPage, 'code'> {
  const secret = state === 'waiting' ? codeHere(call, move.id) : undefined;
  if (secret === undefined) return {};
  const url = new URL(`${NEW_PHONE}/${secret}`, call.parts.issuer).href;
  return { code: { qr: drawQr(url), url, minutes: minutesTo(move.until) } };
}

const minutesTo = (until: Date) => Math.max(1, Math.ceil((until.getTime() - Date.now()) / 60_000));

/* For the page's script, which looks whether something has happened. */
async function tellState(call: AccountCall): Promise<void> {
  const { ctx, parts } = call;
  const standing = await latestOf(call);
  const state = standing ? wordOf(call, standing) : 'none';
  const count = standing ? minutesTo(standing.move.until) : 0;
  ctx.status = 200;
  ctx.body = { state, left: parts.pages.say(ctx, 'move.code_lasts', { count }) };
}
