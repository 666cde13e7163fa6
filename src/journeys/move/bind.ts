import type Koa from 'koa';
import { z } from 'zod';
import { lockAccount } from '../../domain/accounts/accounts.js';
import { listEmails } from '../../domain/contacts/contacts.js';
import {
  addPasskey,
  beginRegistration,
  checkRegistration,
  listWaysIn,
  passkeyName,
} from '../../domain/credentials/credentials.js';
import {
  addApp,
  appUri,
  findFactors,
  MOST_APPS,
  newAppSecret,
  periodOf,
  spelledSecret,
} from '../../domain/factors/factors.js';
import { bindMove, type Move } from '../../domain/moves/moves.js';
import { Refusal } from '../../platform/errors.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import { readForm, readJson } from '../../platform/web/input.js';
import { noteReplay, type Parts, seeOther, show } from '../journey.js';
import { CHALLENGES, countTry, SECOND_STEPS } from '../limits.js';
import { tellEveryone } from '../notices/tell.js';
import type { Problem } from '../page-models.js';
import { claimedHere } from './claimed.js';
import { NEW_PHONE, type Standing, standingOf } from './standing.js';

/** The address that an account is known by on these pages: the old phone said that whoever reads it is its owner. */
export async function emailOf({ db }: Pick<Parts, 'db'>, accountId: string): Promise<string> {
  const emails = await listEmails(db, accountId);
  return (emails.find(({ isPrimary }) => isPrimary) ?? emails[0])?.address ?? '';
}

/** The page on which the new phone chooses what to add. */
export async function showBind(ctx: Koa.Context, parts: Parts, { move }: Standing): Promise<void> {
  const { password, passkeys } = await listWaysIn(parts.db, move.accountId);
  const synced = passkeys
    .filter(({ backedUp }) => backedUp)
    .map(({ aaguid, name }) => {
      const keeper = passkeyName(aaguid);
      return keeper === 'Passkey' ? name : keeper;
    });
  show(ctx, parts, 'move/bind', {
    email: await emailOf(parts, move.accountId),
    synced: [...new Set(synced)],
    mayApp: password !== undefined,
  });
}

/* A later step before an earlier one, or once more: nothing is done, and the page says where things stand. */
async function confirmedHere(ctx: Koa.Context, parts: Parts): Promise<Standing> {
  const standing = await claimedHere(ctx, parts);
  if (standing?.state === 'confirmed') return standing;
  throw new Refusal('conflict', 'finished', parts.pages.say(ctx, 'move.not_now'));
}

/* A challenge is answered in the browser that has claimed the move, for that move alone. */
const bindingOf = ({ id }: Move) => `move ${id}`;

/** What the new phone needs to make a passkey. */
export async function passkeyOptions(ctx: Koa.Context, parts: Parts): Promise<void> {
  await readJson(ctx, parts.csrf);
  const { move } = await confirmedHere(ctx, parts);
  await countTry({ ctx, parts }, CHALLENGES);
  const email = await emailOf(parts, move.accountId);
  ctx.status = 200;
  ctx.body = await beginRegistration(parts.db, {
    rp: parts.rp,
    binding: bindingOf(move),
    accountId: move.accountId,
    userName: email,
    displayName: email,
  });
}

/** Keeps the new phone's passkey. */
export async function keepPasskey(ctx: Koa.Context, parts: Parts): Promise<void> {
  const sent = await readJson(ctx, parts.csrf);
  const { move } = await confirmedHere(ctx, parts);
  const { accountId } = move;
  const answered = { rp: parts.rp, binding: bindingOf(move), response: sent['credential'] };
  const checked = await checkRegistration(parts.db, answered);
  if (checked.outcome === 'refused' && checked.reason === 'challenge')
    await noteReplay(ctx, parts, 'passkey_challenge', { accountId });
  if (checked.outcome === 'refused' || checked.passkey.accountId !== accountId) {
    ctx.set('Content-Language', parts.pages.language(ctx));
    throw new Refusal('invalid', 'passkey_refused', parts.pages.say(ctx, 'problem.passkey_failed'));
  }
  await binding(parts, move, async work => {
    const { id } = await addPasskey(work, checked);
    await tellEveryone(work, { ctx, parts }, { accountId, kind: 'passkey_added', undo: { passkeyId: id } });
    return { kind: 'passkey', id };
  });
  ctx.status = 200;
  ctx.body = { location: NEW_PHONE };
}

/* Whatever is added is added with the step that lets it be, or not at all. */
async function binding<Bound extends Parameters<typeof bindMove>[2]>(
  parts: Parts,
  move: Move,
  add: (work: Work) => Promise<Bound | undefined>,
): Promise<void> {
  await openWork(parts.db, { kind: 'person', id: move.accountId }, async work => {
    await lockAccount(work, move.accountId);
    const { state } = await standingOf(work.tx, move);
    const bound = state === 'confirmed' ? await add(work) : undefined;
    if (!bound || !(await bindMove(work, move, bound)))
      throw new Refusal('conflict', 'finished', 'This step is already done.');
  });
}

const PURPOSE = 'move-app';
const setupSchema = z.strictObject({ move: z.uuid(), secret: z.string() });

/* Nothing is kept before a first code was right: the secret travels sealed, for this move. */
function sealSetup({ keyring }: Parts, { id }: Move, secret: string): string {
  return keyring.seal(PURPOSE, JSON.stringify({ move: id, secret })).toString('base64url');
}

function openSetup({ keyring }: Parts, { id }: Move, sealed: unknown): string | undefined {
  if (typeof sealed !== 'string' || sealed.length > 2_000) return undefined;
  try {
    const setup = setupSchema.parse(JSON.parse(keyring.open(PURPOSE, Buffer.from(sealed, 'base64url'))));
    return setup.move === id ? setup.secret : undefined;
  } catch {
    return undefined;
  }
}

/** The form for the first code of an app on the new phone. */
export async function appForm(ctx: Koa.Context, parts: Parts): Promise<void> {
  const standing = await claimedHere(ctx, parts);
  if (standing?.state !== 'confirmed') return seeOther(ctx, NEW_PHONE);
  await showApp(ctx, parts, standing.move);
}

async function showApp(
  ctx: Koa.Context,
  parts: Parts,
  move: Move,
  problems: readonly Problem[] = [],
  secret = newAppSecret(),
): Promise<void> {
  const [email, { apps }] = await Promise.all([
    emailOf(parts, move.accountId),
    findFactors(parts.db, move.accountId),
  ]);
  if (problems.length > 0) ctx.status = 400;
  show(ctx, parts, 'move/app', {
    email,
    problems,
    uri: appUri(secret, { issuer: parts.rp.name, account: email }),
    secret: spelledSecret(secret),
    setup: sealSetup(parts, move, secret),
    full: apps.length >= MOST_APPS,
    here: `${NEW_PHONE}/app`,
  });
}

/** Takes the first code of the app on the new phone. */
export async function keepApp(ctx: Koa.Context, parts: Parts): Promise<void> {
  const sent = await readForm(ctx, parts.csrf);
  const { move } = await confirmedHere(ctx, parts);
  const { accountId } = move;
  const email = await emailOf(parts, accountId);
  await countTry({ ctx, parts }, SECOND_STEPS, { email, account: { id: accountId } });
  const secret = openSetup(parts, move, sent['setup']);
  if (secret === undefined) return showApp(ctx, parts, move, [{ word: 'setup_expired' }]);
  const typed = typeof sent['code'] === 'string' ? sent['code'].slice(0, 64) : '';
  const period = periodOf(secret, typed.normalize('NFKC').replace(/[\s-]/g, ''), new Date());
  if (period === undefined) {
    const word = typed.trim() === '' ? 'second_missing' : 'setup_wrong';
    return showApp(ctx, parts, move, [{ word, field: 'code' }], secret);
  }
  const name = parts.pages.say(ctx, 'move.app_name');
  await binding(parts, move, async work => {
    const added = await addApp(work, parts.keyring, { accountId, secret, period, name });
    if (added.outcome !== 'added') return undefined;
    const undo = { appId: added.id, addedAt: work.at.toISOString() };
    await tellEveryone(work, { ctx, parts }, { accountId, kind: 'app_added', undo });
    return { kind: 'app', id: added.id };
  });
  seeOther(ctx, NEW_PHONE);
}
