import { listKeys, resetKeys, rotateKey, SIGNING_ALGORITHMS } from './oidc/keys.js';
import { openKeyring } from './platform/crypto/keyring.js';
import type { Shell } from './platform/shell.js';
import { openWork } from './platform/storage/work.js';
import { listSamlKeys, PUBLISHED_DAYS, resetSamlKeys, rotateSamlKey } from './saml/keys.js';

/** What `keyhold keys …` works with. */
export interface KeysCommand extends Shell {
  readonly config: { readonly secret: string; readonly issuer: URL };
}

export const KEYS_USAGE = `keyhold keys list                                            the keys that tokens and SAML are signed with
keyhold keys rotate [RS256|ES256|EdDSA]                      a new key, which signs in ten minutes
keyhold keys rotate saml [--in DAYS]                         a new key for SAML, published at once; it signs in 14 days, or so many
keyhold keys reset                                           take all keys back: for a lost KEYHOLD_SECRET`;

/** Runs `keyhold keys …` and gives the exit code: 0 done, 2 not understood. */
export async function runKeys(words: readonly string[], command: KeysCommand): Promise<number> {
  const [verb, alg, ...rest] = words;
  const { db, config } = command;
  const keyring = openKeyring(config.secret);
  const algorithms = SIGNING_ALGORITHMS.filter(each => alg === undefined || each === alg);
  if (rest.length === 0 && verb === 'list' && alg === undefined) {
    const saml = (await listSamlKeys(db)).map(key => ({ alg: 'saml', ...key }));
    command.print(`${JSON.stringify([...(await listKeys(db)), ...saml], null, 2)}\n`);
    return 0;
  }
  const days = daysIn(rest);
  if (verb === 'rotate' && alg === 'saml' && days !== undefined) {
    const made = await rotateSamlKey(db, keyring, { issuer: config.issuer, days });
    command.print(`${JSON.stringify(made, null, 2)}\n`);
    return 0;
  }
  if (rest.length === 0 && verb === 'rotate' && algorithms.length > 0) {
    for (const each of algorithms) {
      const kid = await openWork(db, { kind: 'operator' }, work => rotateKey(work, keyring, each));
      command.print(`${JSON.stringify({ kid, alg: each, state: 'pending' })}\n`);
    }
    return 0;
  }
  if (rest.length === 0 && verb === 'reset' && alg === undefined) {
    const keys = await openWork(db, { kind: 'operator' }, async work => ({
      reset: await resetKeys(work),
      saml: await resetSamlKeys(work),
    }));
    command.print(`${JSON.stringify(keys)}\n`);
    return 0;
  }
  command.fail(KEYS_USAGE);
  return 2;
}

/* Nothing but how many days, if anything at all. */
function daysIn([option, value, ...more]: readonly string[]): number | undefined {
  if (option === undefined) return PUBLISHED_DAYS;
  const days = /^\d{1,3}$/.test(value ?? '') ? Number(value) : undefined;
  return option === '--in' && more.length === 0 ? days : undefined;
}
