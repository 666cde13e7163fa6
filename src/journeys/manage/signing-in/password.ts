import { listWaysIn, PASSWORD_MINIMUM, setPassword } from '../../../domain/credentials/credentials.js';
import type { Problem } from '../../page-models.js';
import { passwordProblems } from '../../sign-up/account.js';
import { type AccountCall, type AccountPage, leadTo, showAccount } from '../door.js';
import { changing, droppingPassword, hasOtherWays, WAYS } from './ways.js';

const PASSWORD = `${WAYS}/password` as const;

/** Setting, changing and removing the password. */
export const PASSWORD_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: PASSWORD, sensitive: true, run: call => showForm(call) },
  { method: 'POST', path: PASSWORD, sensitive: true, run: savePassword },
  { method: 'POST', path: `${PASSWORD}/remove`, sensitive: true, form: PASSWORD, run: removeIt },
];

async function showForm(call: AccountCall, problems: readonly Problem[] = []): Promise<void> {
  const { password, passkeys } = await listWaysIn(call.parts.db, call.me.accountId);
  if (problems.length > 0) call.ctx.status = 400;
  showAccount(call, 'account/sign-in/password', {
    problems,
    minimumLength: PASSWORD_MINIMUM.alone,
    exists: password !== undefined,
    last: passkeys.length === 0 && !(await hasOtherWays(call)),
  });
}

/* Whoever is here proved within five minutes who they are, by the old password or by something stronger. */
async function savePassword(call: AccountCall): Promise<void> {
  const { parts, me, sent } = call;
  const password = typeof sent['password'] === 'string' ? sent['password'] : '';
  const { email, name = '' } = me.shown;
  const problems = await passwordProblems(parts, password, { email, name });
  if (problems.length > 0) return showForm(call, problems);
  const hash = await parts.hasher.hash(password);
  const done = await changing(call, async (work, tell) => {
    const kept = await setPassword(work, me.accountId, hash);
    await tell({ kind: kept === 'set' ? 'password_set' : 'password_changed' });
    return kept;
  });
  leadTo(call, WAYS, `password_${done}`);
}

async function removeIt(call: AccountCall): Promise<void> {
  const dropped = await droppingPassword(call);
  if (dropped === 'last') return showForm(call, [{ word: 'last_way_in' }]);
  leadTo(call, WAYS, dropped === 'dropped' ? 'password_removed' : undefined);
}
