import type { Config } from './config.js';
import { normaliseEmail } from './domain/accounts/accounts.js';
import {
  proveAnyway,
  speaksFor,
  type TrialOutcome,
  tellTrial,
  tellTrouble,
} from './domain/federation/federation.js';
import { leftOutOf } from './journeys/federated/taking.js';
import { openKeyring } from './platform/crypto/keyring.js';
import { openOutbound } from './platform/outbound.js';
import { answering, type Shell, Usage } from './platform/shell.js';
import { openWork } from './platform/storage/work.js';
import { standingIn } from './profile-commands.js';

/** What trying out a directory works with. */
export interface DirectoryCommand extends Shell {
  readonly config: Pick<Config, 'secret' | 'issuer' | 'allowPrivateNetwork'>;
  /** What was typed: a password, and perhaps the end of its line. */
  readonly typed: () => Promise<string>;
}

export const DIRECTORY_USAGE = `keyhold federation test ID ADDRESS < FILE                    the same with a directory: the password is read from standard input`;

/** Tries out a sign-in by a directory and gives the exit code: 0 done, 1 refused, 2 not understood. Nobody is tied to anything. */
export function runTrial(words: readonly string[], command: DirectoryCommand): Promise<number> {
  return answering(command, DIRECTORY_USAGE, async () => {
    const [id = '', typed = '', ...rest] = words;
    const address = normaliseEmail(typed);
    if (rest.length > 0) throw new Usage();
    if (!address) throw new Usage(`${typed} is no e-mail address.`);
    const password = (await command.typed()).replace(/\r?\n$/, '');
    const outcome = await tried(command, id, { address, password });
    await openWork(command.db, { kind: 'operator' }, async work =>
      work.record({ type: 'identity_provider.tried', detail: { provider: id, came: outcome.came } }),
    );
    return outcome;
  });
}

async function tried(
  { db, config }: DirectoryCommand,
  id: string,
  typed: { readonly address: string; readonly password: string },
): Promise<TrialOutcome> {
  const { issuer, allowPrivateNetwork } = config;
  const outbound = openOutbound({ allowPrivateNetwork });
  const reaching = { db, keyring: openKeyring(config.secret), outbound, issuer, allowPrivateNetwork };
  try {
    const { provider, identity } = await proveAnyway(reaching, id, typed);
    const { address } = identity.email ?? {};
    const email = address === undefined ? undefined : { address, verified: await speaksFor(db, id, address) };
    const arrived = { provider, identity: { ...identity, ...(email && { email }) } };
    return tellTrial(arrived, leftOutOf({ profile: await standingIn({ db }) }, arrived));
  } catch (error) {
    return tellTrouble(error);
  } finally {
    await outbound.close();
  }
}
