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
import { answering, type Shell, Usage } from './platform/shell.js';
import type { Db } from './platform/storage/db.js';
import { openWork } from './platform/storage/work.js';

/** What `keyhold people role …` works with. */
export interface RolesCommand extends Shell {
  readonly config: { readonly secondStepRoles: readonly string[] };
}

export const ROLES_USAGE = `keyhold people role add EMAIL ROLE | remove EMAIL ROLE       give somebody a role, or take it`;

const CHANGES = { add: giveRole, remove: takeRole } as const;

/** Runs `keyhold people role …` and gives the exit code: 0 done, 1 refused, 2 not understood. */
export function runRoles([verb, email, ...words]: readonly string[], command: RolesCommand): Promise<number> {
  const { db, config } = command;
  return answering(command, ROLES_USAGE, async () => {
    const change = verb === 'add' || verb === 'remove' ? CHANGES[verb] : undefined;
    const [role] = words;
    if (email === undefined || !change || role === undefined || words.length > 1) throw new Usage();
    mustBeRole(role);
    const { id } = await accountOf(db, email);
    await openWork(db, { kind: 'operator' }, work => change(work, id, role));
    const { roles } = await accountOf(db, email);
    const required = mustHaveSecondFactor(roles, config.secondStepRoles);
    return { account: id, roles, second_step_required: required };
  });
}

function mustBeRole(role: string): void {
  if (ROLE_NAME.test(role)) return;
  throw new Refusal('invalid', 'role_malformed', `A role is named by a-z, 0-9, - and _, not ${role}.`);
}

async function accountOf(db: Db, typed: string): Promise<Account> {
  const email = normaliseEmail(typed);
  const account = email === undefined ? undefined : await findByIdentifier(db, 'email', email);
  if (!account) throw new Refusal('missing', 'account_unknown', `Nobody has the address ${typed}.`);
  return account;
}
