import { listKeys, resetKeys, rotateKey, SIGNING_ALGORITHMS } from './oidc/keys.js';
import { openKeyring } from './platform/crypto/keyring.js';
import type { Shell } from './platform/shell.js';
import { openWork } from './platform/storage/work.js';

/** What `keyhold keys …` works with. */
export interface KeysCommand extends Shell {
  readonly secret: string;
}

export const KEYS_USAGE = `keyhold keys list                                            the keys that tokens are signed with
keyhold keys rotate [RS256|ES256|EdDSA]                      a new key, which signs in ten minutes
keyhold keys reset                                           take all keys back: for a lost KEYHOLD_SECRET`;

/** Runs `keyhold keys …` and gives the exit code: 0 done, 2 not understood. */
export async function runKeys(words: readonly string[], command: KeysCommand): Promise<number> {
  const [verb, alg, ...rest] = words;
  const algorithms = SIGNING_ALGORITHMS.filter(each => alg === undefined || each === alg);
  if (rest.length === 0 && verb === 'list' && alg === undefined) {
    command.print(`${JSON.stringify(await listKeys(command.db), null, 2)}\n`);
    return 0;
  }
  if (rest.length === 0 && verb === 'rotate' && algorithms.length > 0) {
    const keyring = openKeyring(command.secret);
    for (const each of algorithms) {
      const kid = await openWork(command.db, { kind: 'operator' }, work => rotateKey(work, keyring, each));
      command.print(`${JSON.stringify({ kid, alg: each, state: 'pending' })}\n`);
    }
    return 0;
  }
  if (rest.length === 0 && verb === 'reset' && alg === undefined) {
    const keys = await openWork(command.db, { kind: 'operator' }, resetKeys);
    command.print(`${JSON.stringify({ reset: keys })}\n`);
    return 0;
  }
  command.fail(KEYS_USAGE);
  return 2;
}
