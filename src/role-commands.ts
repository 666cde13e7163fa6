import {
  type Account,
  findByIdentifier,
  giveRole,
  mustHaveSecondFactor,
  normaliseEmail,
  ROLE_NAME,
  takeRole,
} from './domain/accounts/accounts.js';
import { Refusal } from './platform/errors.js';
import type { Db } from './platform/storage/db.js';
import { openWork, type Work } from './platform/storage/work.js';

/** What `keyhold people role …` works with. */
export interface RolesCommand {
  readonly db: Db;
  readonly config: { readonly secondStepRoles: readonly string[] };
  print(text: string): void;
  fail(text: string): void;
}

export const ROLES_USAGE = `keyhold people role list EMAIL                               what somebody may do here
keyhold people role add EMAIL ROLE | remove EMAIL ROLE       give somebody a role, or take it`;

/** Runs `keyhold people role …` and gives the exit code: 0 done, 1 refused, 2 not understood. */
export async function runRoles(
  [verb, email, role, ...rest]: readonly string[],
  command: RolesCommand,
): Promise<number> {
  const { db, config, print, fail } = command;
  const change = verb === 'add' ? giveRole : verb === 'remove' ? takeRole : undefined;
  const complete = change ? role !== undefined : verb === 'list' && role === undefined;
  if (!complete || email === undefined || rest.length > 0) {
    fail(ROLES_USAGE);
    return 2;
  }
  try {
    const { id } = await accountOf(db, email);
    if (change) await changeRole(db, id, role ?? '', change);
    const { roles } = await accountOf(db, email);
    const required = mustHaveSecondFactor(roles, config.secondStepRoles);
    print(`${JSON.stringify({ account: id, roles, second_step_required: required }, null, 2)}\n`);
    return 0;
  } catch (problem) {
    if (!(problem instanceof Refusal)) throw problem;
    fail(problem.message);
    return 1;
  }
}

async function changeRole(
  db: Db,
  accountId: string,
  role: string,
  change: (work: Work, accountId: string, role: string) => Promise<boolean>,
): Promise<void> {
  if (!ROLE_NAME.test(role))
    throw new Refusal('invalid', 'role_malformed', `A role is named by a-z, 0-9, - and _, not ${role}.`);
  await openWork(db, { kind: 'operator' }, work => change(work, accountId, role));
}

async function accountOf(db: Db, typed: string): Promise<Account> {
  const email = normaliseEmail(typed);
  const account = email === undefined ? undefined : await findByIdentifier(db, 'email', email);
  if (!account) throw new Refusal('missing', 'account_unknown', `Nobody has the address ${typed}.`);
  return account;
}
