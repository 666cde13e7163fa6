import type Koa from 'koa';
import { validate } from 'uuid';
import {
  addPasskey,
  beginRegistration,
  checkRegistration,
  findPasskey,
  namedPasskey,
  type Passkey,
  renamePasskey,
} from '../../../domain/credentials/credentials.js';
import { Refusal } from '../../../platform/errors.js';
import { openWork } from '../../../platform/storage/work.js';
import type { Csrf } from '../../../platform/web/csrf.js';
import { readForm, readJson } from '../../../platform/web/input.js';
import { noteReplay } from '../../journey.js';
import { CHALLENGES, countTry } from '../../limits.js';
import type { Problem } from '../../page-models.js';
import { type AccountCall, type AccountPage, leadTo, showAccount } from '../door.js';
import { changing, droppingPasskey, hasOtherWays, mustHaveOne, shownPasskey, WAYS, waysOf } from './ways.js';

const PASSKEYS = `${WAYS}/passkeys` as const;
const NEW = `${PASSKEYS}/new` as const;
const ONE = `${PASSKEYS}/:id` as const;

/* A page's script sends JSON. */
const read = (ctx: Koa.Context, csrf: Csrf) =>
  ctx.is('application/json') ? readJson(ctx, csrf) : readForm(ctx, csrf);

/** Adding, naming and removing passkeys. */
export const PASSKEY_PAGES: readonly AccountPage[] = [
  {
    method: 'GET',
    path: NEW,
    sensitive: true,
    run: call => showAccount(call, 'account/sign-in/new-passkey', {}),
  },
  { method: 'POST', path: NEW, sensitive: true, read, run: keepPasskey },
  { method: 'POST', path: `${NEW}/options`, sensitive: true, form: NEW, read, run: creationOptions },
  { method: 'GET', path: ONE, sensitive: true, run: call => showPasskey(call) },
  { method: 'POST', path: ONE, sensitive: true, keeps: ['name'], run: rename },
  { method: 'POST', path: `${ONE}/remove`, sensitive: true, form: ONE, run: remove },
];

/* A challenge is answered in the session that asked for it, and nowhere else. */
const bindingOf = ({ me }: AccountCall) => `account ${me.sessionUid}`;

async function creationOptions(call: AccountCall): Promise<void> {
  const { ctx, parts, me } = call;
  await countTry(call, CHALLENGES);
  ctx.status = 200;
  ctx.body = await beginRegistration(parts.db, {
    rp: parts.rp,
    binding: bindingOf(call),
    accountId: me.accountId,
    userName: me.shown.email,
    displayName: me.shown.name ?? me.shown.email,
  });
}

async function keepPasskey(call: AccountCall): Promise<void> {
  const { ctx, parts, me, sent } = call;
  const answered = { rp: parts.rp, binding: bindingOf(call), response: sent['credential'] };
  const checked = await checkRegistration(parts.db, answered);
  if (checked.outcome === 'refused' && checked.reason === 'challenge')
    await noteReplay(ctx, parts, 'passkey_challenge', { accountId: me.accountId });
  if (checked.outcome === 'refused' || checked.passkey.accountId !== me.accountId) {
    ctx.set('Content-Language', parts.pages.language(ctx));
    throw new Refusal('invalid', 'passkey_refused', parts.pages.say(ctx, 'problem.passkey_failed'));
  }
  await changing(call, async (work, tell) => {
    const { id } = await addPasskey(work, checked);
    await tell({ kind: 'passkey_added', undo: { passkeyId: id } });
  });
  ctx.status = 200;
  ctx.body = { location: `${WAYS}?done=passkey_added` };
}

async function passkeyOf({ parts, me, params }: AccountCall): Promise<Passkey> {
  const { id = '' } = params;
  const passkey = validate(id) ? await findPasskey(parts.db, me.accountId, id) : undefined;
  if (!passkey) throw unknown();
  return passkey;
}

const unknown = () => new Refusal('missing', 'passkey_unknown', 'There is no such passkey.');

async function showPasskey(
  call: AccountCall,
  problems: readonly Problem[] = [],
  typed?: string,
): Promise<void> {
  const { password, passkeys, apps, events } = await waysOf(call);
  const passkey = passkeys.find(({ id }) => id === call.params['id']);
  if (!passkey) throw unknown();
  if (problems.length > 0) call.ctx.status = 400;
  showAccount(call, 'account/sign-in/passkey', {
    problems,
    passkey: shownPasskey(passkey, events),
    typed: typed ?? call.draft['name'] ?? passkey.name,
    last: password === undefined && passkeys.length < 2 && !(await hasOtherWays(call)),
    needed: apps.length === 0 && passkeys.length < 2 && mustHaveOne(call),
  });
}

const WRONG = { missing: 'passkey_name_missing', too_long: 'name_too_long' } as const;

async function rename(call: AccountCall): Promise<void> {
  const { parts, me, actor, sent } = call;
  const { id } = await passkeyOf(call);
  const typed = typeof sent['name'] === 'string' ? sent['name'].slice(0, 1_000) : '';
  const named = namedPasskey(typed);
  if ('wrong' in named) return showPasskey(call, [{ word: WRONG[named.wrong], field: 'name' }], typed);
  await openWork(parts.db, actor, work => renamePasskey(work, me.accountId, id, named.name));
  leadTo(call, WAYS, 'passkey_renamed');
}

async function remove(call: AccountCall): Promise<void> {
  const { id } = await passkeyOf(call);
  const dropped = await droppingPasskey(call, id);
  if (dropped === 'last') return showPasskey(call, [{ word: 'last_way_in' }]);
  if (dropped === 'last_factor') return showPasskey(call, [{ word: 'last_factor' }]);
  leadTo(call, WAYS, 'passkey_removed');
}
