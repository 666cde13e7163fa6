import { validate } from 'uuid';
import { namedPasskey } from '../../../domain/credentials/credentials.js';
import {
  type AuthenticatorApp,
  addApp,
  dropApp,
  endSecondStep,
  findFactors,
  MOST_APPS,
  newRecoveryCodes,
  periodOf,
  renameApp,
  replaceCodes,
  storedCodes,
} from '../../../domain/factors/factors.js';
import { Refusal } from '../../../platform/errors.js';
import { openWork } from '../../../platform/storage/work.js';
import { countTry, SECOND_STEPS } from '../../limits.js';
import type { Problem } from '../../page-models.js';
import { appSetup, digitsOf, openSetup } from '../../second-step/app-setup.js';
import { isLastFactor } from '../../second-step/demand.js';
import { type AccountCall, type AccountPage, leadTo, showAccount } from '../door.js';
import { leadToCodes } from './codes.js';
import { changing, dropping, mustHaveOne, shownApp, WAYS, waysOf } from './ways.js';

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
  { method: 'GET', path: END, sensitive: true, run: call => showEnd(call) },
  { method: 'POST', path: `${END}/end`, sensitive: true, form: END, run: end },
];

/* For this person in this session. */
const bindingOf = ({ me }: AccountCall) => `${me.sessionUid} ${me.accountId}`;

async function showNew(call: AccountCall, problems: readonly Problem[] = [], secret?: string): Promise<void> {
  const { parts, me } = call;
  const { apps } = await findFactors(parts.db, me.accountId);
  if (problems.length > 0) call.ctx.status = 400;
  showAccount(call, 'account/sign-in/new-app', {
    problems,
    ...appSetup(parts, { binding: bindingOf(call), email: me.shown.email, secret }),
    full: apps.length >= MOST_APPS,
  });
}

/** Takes the first code of an app: from then on it counts, and its owner gets recovery codes if they have none. */
async function confirm(call: AccountCall): Promise<void> {
  const { ctx, parts, me, sent } = call;
  const secret = openSetup(parts, bindingOf(call), sent['setup']);
  if (secret === undefined) return showNew(call, [{ word: 'setup_expired' }]);
  const typed = typeof sent['code'] === 'string' ? sent['code'].slice(0, 64) : '';
  const code = digitsOf(typed);
  await countTry(call, SECOND_STEPS, { email: me.shown.email, account: { id: me.accountId } });
  const period = code === undefined ? undefined : periodOf(secret, code, new Date());
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

async function showEnd(call: AccountCall, problems: readonly Problem[] = []): Promise<void> {
  if (problems.length > 0) call.ctx.status = 400;
  const { passkeys } = await waysOf(call);
  const needed = passkeys.length === 0 && mustHaveOne(call);
  showAccount(call, 'account/sign-in/end-second-step', { problems, needed });
}

async function end(call: AccountCall): Promise<void> {
  const ended = await changing(call, async (work, tell) => {
    if (await isLastFactor(work, call.parts, call.me.accountId, 'apps')) return 'last';
    const was = await endSecondStep(work, call.me.accountId);
    if (was) await tell({ kind: 'second_step_ended' });
    return was;
  });
  if (ended === 'last') return showEnd(call, [{ word: 'last_factor' }]);
  leadTo(call, WAYS, ended ? 'second_step_ended' : undefined);
}
