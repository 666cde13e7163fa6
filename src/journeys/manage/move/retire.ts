import { z } from 'zod';
import { findAccount, lockAccount } from '../../../domain/accounts/accounts.js';
import {
  dropPasskey,
  listPasskeys,
  type Passkey,
  passkeyUserId,
} from '../../../domain/credentials/credentials.js';
import { dropApp, forgetBrowser, isRemembered } from '../../../domain/factors/factors.js';
import { findMove, finishMove, type Move, type Retired } from '../../../domain/moves/moves.js';
import { listLiveSessions } from '../../../oidc/live-sessions.js';
import { endTheseSessionsOf } from '../../../oidc/session.js';
import type { Db } from '../../../platform/storage/db.js';
import type { Work } from '../../../platform/storage/work.js';
import { type Parts, show } from '../../journey.js';
import type { Standing } from '../../move/standing.js';
import type { Problem } from '../../page-models.js';
import { isLastFactor } from '../../second-step/demand.js';
import { type AccountCall, type AccountPage, leadTo, showAccount } from '../door.js';
import { changing, shownApp, shownPasskey, waysOf } from '../signing-in/ways.js';
import { DONE, latestOf, MOVE, NOW, OLD } from './begin.js';
import type { MoveDonePage, OldThing } from './models.js';

/** What only the old phone holds is taken away from it, or left; and what now is where. */
export const RETIRE_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: OLD, sensitive: true, run: call => showOld(call) },
  { method: 'POST', path: OLD, sensitive: true, run: retire },
  { method: 'GET', path: DONE, run: showDone },
];

async function testedOf(call: AccountCall): Promise<Standing | undefined> {
  const standing = await latestOf(call);
  return standing?.state === 'tested' ? standing : undefined;
}

/** All that the old phone holds and the new one does not, as far as anybody can know; what has to stay says why. */
async function thingsOf(call: AccountCall, { move }: Standing): Promise<readonly OldThing[]> {
  const { db } = call.parts;
  const { password, passkeys, apps, events } = await waysOf(call, { factors: call.me.secondStep });
  const local = passkeys.filter(({ id, backedUp }) => !backedUp && id !== move.bound);
  const others = apps.filter(({ id }) => id !== move.bound);
  const lastWay = password === undefined && passkeys.length < 2;
  const signedIn = isHere(call, move) || (await sessionsOfOld(db, move)).length > 0;
  return [
    ...local.map((passkey): OldThing => {
      const { url: _, synced: __, ...seen } = shownPasskey(passkey, events);
      const stays = lastWay ? ({ stays: 'last_way_in' } as const) : {};
      return { value: `passkey ${passkey.id}`, kind: 'passkey', ...seen, ...stays };
    }),
    ...others.map((app): OldThing => {
      const { url: _, ...seen } = shownApp(app, events);
      const stays = apps.length < 2 ? ({ stays: 'last_second_step' } as const) : {};
      return { value: `app ${app.id}`, kind: 'app', ...seen, ...stays };
    }),
    ...(signedIn ? [{ value: 'session', kind: 'session' } as const] : []),
    ...((await isRememberedStill(call, move)) ? [{ value: 'browser', kind: 'browser' } as const] : []),
  ];
}

/* All that live on the device on which the move was begun. */
async function sessionsOfOld(db: Db, { accountId, sessionUid }: Move): Promise<readonly string[]> {
  if (sessionUid === undefined) return [];
  const [begun] = await listLiveSessions(db, accountId, { limit: 1, first: sessionUid });
  if (begun?.uid !== sessionUid) return [];
  return (await listLiveSessions(db, accountId, { device: begun.device })).map(({ uid }) => uid);
}

const isHere = ({ me }: AccountCall, { sessionUid }: Move) => sessionUid === me.sessionUid;

async function isRememberedStill({ parts }: AccountCall, { accountId, remembered }: Move): Promise<boolean> {
  if (remembered === undefined) return false;
  const account = await findAccount(parts.db, accountId);
  return account !== undefined && isRemembered(parts.db, account, remembered);
}

async function showOld(call: AccountCall, problems: readonly Problem[] = []): Promise<void> {
  const standing = await testedOf(call);
  if (!standing) return leadTo(call, MOVE);
  if (problems.length > 0) call.ctx.status = 400;
  showAccount(call, 'account/move/old', {
    problems,
    things: await thingsOf(call, standing),
    isOld: isHere(call, standing.move),
  });
}

const chosenSchema = z
  .union([z.string().max(64), z.array(z.string().max(64)).max(50)])
  .optional()
  .transform(sent => (sent === undefined ? [] : [sent].flat()));

/** Takes away what was ticked, in one work: the last way in and the last second step stay, whatever was ticked. */
async function retire(call: AccountCall): Promise<void> {
  const { me, sent } = call;
  const standing = await testedOf(call);
  if (!standing) return leadTo(call, NOW);
  const { move } = standing;
  const keeps = sent['keep'] === 'yes';
  const things = await thingsOf(call, standing);
  const ticked = chosenSchema.safeParse(sent['thing']).data ?? [];
  const chosen = keeps ? [] : things.filter(({ value, stays }) => !stays && ticked.includes(value));
  if (!keeps && chosen.length === 0) return showOld(call, [{ word: 'move_nothing_ticked', field: 'thing' }]);
  const sessions = await sessionsOfOld(call.parts.db, move);
  const retired = await changing(call, async (work, tell) => {
    await lockAccount(work, move.accountId);
    const now = await findMove(work.tx, move.accountId, move.id);
    if (now?.state !== 'tested') return undefined;
    const gone = await takeAway(work, call.parts, { move, chosen, sessions });
    await finishMove(work, move, gone);
    if (chosen.length > 0) await tell({ kind: 'phone_retired', undo: { moveId: move.id } });
    return gone;
  });
  if (retired && retired.sessions > 0 && sessions.includes(me.sessionUid)) return sayGoodbye(call);
  leadTo(call, DONE);
}

interface Taking {
  readonly move: Move;
  readonly chosen: readonly OldThing[];
  readonly sessions: readonly string[];
}

async function takeAway(work: Work, parts: Parts, { move, chosen, sessions }: Taking): Promise<Retired> {
  const { accountId } = move;
  const gone = { passkeys: 0, apps: 0, sessions: 0, browsers: 0 };
  for (const { value, kind } of chosen) {
    const id = value.split(' ')[1] ?? '';
    if (kind === 'passkey' && (await dropsPasskey(work, parts, accountId, id))) gone.passkeys++;
    if (kind === 'app' && (await dropApp(work, accountId, id)) === 'dropped') gone.apps++;
    if (kind === 'session')
      gone.sessions = await endTheseSessionsOf(work, accountId, sessions, 'ended-elsewhere');
    if (
      kind === 'browser' &&
      move.remembered &&
      (await forgetBrowser(work, accountId, { digest: move.remembered }))
    )
      gone.browsers++;
  }
  return gone;
}

async function dropsPasskey(
  work: Work,
  parts: Parts,
  accountId: string,
  passkeyId: string,
): Promise<boolean> {
  if (await isLastFactor(work, parts, accountId, { passkeyId })) return false;
  return (await dropPasskey(work, accountId, passkeyId)) === 'dropped';
}

function signalOf(call: AccountCall, passkeys: readonly Passkey[]): MoveDonePage['signal'] {
  return {
    rpId: call.parts.rp.id,
    userId: passkeyUserId(call.me.accountId),
    known: passkeys.map(({ credentialId }) => credentialId).join(' '),
    name: call.me.shown.email,
  };
}

/* Whoever asked is signed out by it: nothing of the account can be shown here any more, and the browser still has to hear
   which passkeys are none. */
async function sayGoodbye(call: AccountCall): Promise<void> {
  const passkeys = await listPasskeys(call.parts.db, call.me.accountId);
  show(call.ctx, call.parts, 'move/over', { signal: signalOf(call, passkeys), here: '/' });
  call.ctx.status = 200;
}

async function showDone(call: AccountCall): Promise<void> {
  const standing = await latestOf(call);
  if (standing?.state !== 'finished') return leadTo(call, MOVE);
  const { password, passkeys, apps, codes, events } = await waysOf(call, {
    factors: call.me.secondStep,
  });
  showAccount(call, 'account/move/done', {
    passkeys: passkeys.map(each => shownPasskey(each, events)),
    apps: apps.map(app => shownApp(app, events)),
    hasPassword: password !== undefined,
    ...(apps.length > 0 && { codesLeft: codes?.left ?? 0 }),
    signal: signalOf(call, passkeys),
  });
}
