import { validate } from 'uuid';
import { z } from 'zod';
import { namedPasskey } from '../../../domain/credentials/credentials.js';
import {
  type AuthenticatorApp,
  addApp,
  appUri,
  drawQr,
  dropApp,
  endSecondStep,
  findFactors,
  MOST_APPS,
  newAppSecret,
  newRecoveryCodes,
  periodOf,
  renameApp,
  replaceCodes,
  spelledSecret,
  storedCodes,
} from '../../../domain/factors/factors.js';
import { Refusal } from '../../../platform/errors.js';
import { openWork } from '../../../platform/storage/work.js';
import { countTry, SECOND_STEPS } from '../../limits.js';
import type { Problem } from '../../page-models.js';
import { type AccountCall, type AccountPage, leadTo, showAccount } from '../door.js';
import { leadToCodes } from './codes.js';
import { changing, dropping, shownApp, WAYS, waysOf } from './ways.js';

const APPS = `${WAYS}/apps` as const;
const NEW = `${APPS}/new` as const;
const ONE = `${APPS}/:id` as const;
const END = `${WAYS}/second-step` as const;

/** Adding, naming and removing authenticator apps, and doing without a second step. */
export const APP_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: NEW, sensitive: true, run: call => showNew(call) },
  { method: 'POST', path: NEW, sensitive: true, run: confirm },
  { method: 'GET', path: ONE, sensitive: true, run: call => showApp(call) },
  { method: 'POST', path: ONE, sensitive: true, keeps: ['name'], run: rename },
  { method: 'POST', path: `${ONE}/remove`, sensitive: true, form: ONE, run: remove },
  {
    method: 'GET',
    path: END,
    sensitive: true,
    run: call => showAccount(call, 'account/sign-in/end-second-step', {}),
  },
  { method: 'POST', path: `${END}/end`, sensitive: true, form: END, run: end },
];

const PURPOSE = 'app-setup';
const HALF_HOUR = 1_800_000;
const setupSchema = z.strictObject({
  accountId: z.string(),
  sessionUid: z.string(),
  secret: z.string(),
  at: z.number(),
});

/* Nothing is kept before a first code was right: the secret travels sealed, for this person in this session. */
function sealSetup({ parts, me }: AccountCall, secret: string): string {
  const setup = { accountId: me.accountId, sessionUid: me.sessionUid, secret, at: Date.now() };
  return parts.keyring.seal(PURPOSE, JSON.stringify(setup)).toString('base64url');
}

function openSetup({ parts, me, sent }: AccountCall): string | undefined {
  const sealed = sent['setup'];
  if (typeof sealed !== 'string' || sealed.length > 2_000) return undefined;
  try {
    const text = parts.keyring.open(PURPOSE, Buffer.from(sealed, 'base64url'));
    const { accountId, sessionUid, secret, at } = setupSchema.parse(JSON.parse(text));
    const mine = accountId === me.accountId && sessionUid === me.sessionUid;
    return mine && Date.now() - at < HALF_HOUR ? secret : undefined;
  } catch {
    return undefined;
  }
}

async function showNew(
  call: AccountCall,
  problems: readonly Problem[] = [],
  secret = newAppSecret(),
): Promise<void> {
  const { parts, me } = call;
  const { apps } = await findFactors(parts.db, me.accountId);
  if (problems.length > 0) call.ctx.status = 400;
  showAccount(call, 'account/sign-in/new-app', {
    problems,
    qr: drawQr(appUri(secret, { issuer: parts.rp.name, account: me.shown.email })),
    secret: spelledSecret(secret),
    setup: sealSetup(call, secret),
    full: apps.length >= MOST_APPS,
  });
}

/** Takes the first code of an app: from then on it counts, and its owner gets recovery codes if they have none. */
async function confirm(call: AccountCall): Promise<void> {
  const { ctx, parts, me, sent } = call;
  const secret = openSetup(call);
  if (secret === undefined) return showNew(call, [{ word: 'setup_expired' }]);
  const typed = typeof sent['code'] === 'string' ? sent['code'].slice(0, 64) : '';
  const code = typed.normalize('NFKC').replace(/[\s-]/g, '');
  await countTry(call, SECOND_STEPS, { email: me.shown.email, account: { id: me.accountId } });
  const period = periodOf(secret, code, new Date());
  if (period === undefined) {
    const word = typed.trim() === '' ? 'second_missing' : 'setup_wrong';
    return showNew(call, [{ word, field: 'code' }], secret);
  }
  const before = await findFactors(parts.db, me.accountId);
  const codes = before.codes ? [] : newRecoveryCodes();
  const stored = await storedCodes(parts.hasher, codes);
  const name = parts.pages.say(ctx, 'ways.app');
  const { outcome } = await changing(call, async (work, tell) => {
    const added = await addApp(work, parts.keyring, { accountId: me.accountId, secret, period, name });
    if (added.outcome !== 'added') return added;
    if (stored.length > 0) await replaceCodes(work, me.accountId, stored);
    await tell({ kind: 'app_added', undo: { appId: added.id, addedAt: work.at.toISOString() } });
    return added;
  });
  if (outcome === 'full') return showNew(call);
  if (outcome === 'added' && codes.length > 0) return leadToCodes(call, codes);
  leadTo(call, WAYS, 'app_added');
}

async function appOf({ parts, me, params }: AccountCall): Promise<AuthenticatorApp> {
  const { id = '' } = params;
  const { apps } = validate(id) ? await findFactors(parts.db, me.accountId) : { apps: [] };
  const app = apps.find(each => each.id === id);
  if (!app) throw unknown();
  return app;
}

const unknown = () => new Refusal('missing', 'app_unknown', 'There is no such app.');

async function showApp(call: AccountCall, problems: readonly Problem[] = [], typed?: string): Promise<void> {
  const { apps, events } = await waysOf(call);
  const app = apps.find(({ id }) => id === call.params['id']);
  if (!app) throw unknown();
  if (problems.length > 0) call.ctx.status = 400;
  showAccount(call, 'account/sign-in/app', {
    problems,
    app: shownApp(app, events),
    typed: typed ?? call.draft['name'] ?? app.name,
    last: apps.length < 2,
  });
}

const WRONG = { missing: 'app_name_missing', too_long: 'name_too_long' } as const;

async function rename(call: AccountCall): Promise<void> {
  const { parts, me, actor, sent } = call;
  const { id } = await appOf(call);
  const typed = typeof sent['name'] === 'string' ? sent['name'].slice(0, 1_000) : '';
  const named = namedPasskey(typed);
  if ('wrong' in named) return showApp(call, [{ word: WRONG[named.wrong], field: 'name' }], typed);
  await openWork(parts.db, actor, work => renameApp(work, me.accountId, id, named.name));
  leadTo(call, WAYS, 'app_renamed');
}

async function remove(call: AccountCall): Promise<void> {
  const { id } = await appOf(call);
  const dropped = await dropping(call, 'app_removed', (work, accountId) => dropApp(work, accountId, id));
  if (dropped === 'last') return showApp(call, [{ word: 'last_second_step' }]);
  leadTo(call, WAYS, 'app_removed');
}

async function end(call: AccountCall): Promise<void> {
  const ended = await changing(call, async (work, tell) => {
    const was = await endSecondStep(work, call.me.accountId);
    if (was) await tell({ kind: 'second_step_ended' });
    return was;
  });
  leadTo(call, WAYS, ended ? 'second_step_ended' : undefined);
}
