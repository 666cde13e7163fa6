import { findAccount, findByIdentifier, normaliseEmail } from './domain/accounts/accounts.js';
import { findWording } from './domain/consents/consents.js';
import { withdrawFromApp } from './journeys/consent/withdraw.js';
import { Refusal } from './platform/errors.js';
import { answering, type Shell, Usage } from './platform/shell.js';
import type { Db } from './platform/storage/db.js';
import { openWork } from './platform/storage/work.js';

export const CONSENTS_USAGE = `keyhold consents withdraw EMAIL|ID CLIENT_ID                 take back all that somebody allowed an app, for them
keyhold consents wording SHA256                              the exact words of a consent page, by their hash in the ledger`;

/** Runs one verb and gives the exit code: 0 done, 1 refused, 2 not understood. */
export function runConsents(words: readonly string[], shell: Shell): Promise<number> {
  return answering(shell, CONSENTS_USAGE, async () => {
    const [verb, first, second, ...rest] = words;
    if (verb === 'withdraw' && first !== undefined && second !== undefined && rest.length === 0)
      return withdraw(shell.db, first, second);
    if (verb === 'wording' && first !== undefined && second === undefined) return wording(shell.db, first);
    throw new Usage();
  });
}

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

async function withdraw(db: Db, whom: string, clientId: string): Promise<object> {
  const email = normaliseEmail(whom);
  const account = UUID.test(whom)
    ? await findAccount(db, whom)
    : email && (await findByIdentifier(db, 'email', email));
  if (!account) throw new Refusal('missing', 'account_unknown', `Nobody here is ${whom}.`);
  const accountId = account.id;
  const withdrawn = await openWork(db, { kind: 'operator' }, work =>
    withdrawFromApp(work, { accountId, clientId, method: 'command' }),
  );
  if (!withdrawn) throw new Refusal('missing', 'no_consent', `They allow ${clientId} nothing.`);
  return { account: accountId, client_id: clientId, state: 'withdrawn' };
}

async function wording(db: Db, digest: string): Promise<unknown> {
  const found = /^[\da-f]{64}$/.test(digest) ? await findWording(db, digest) : undefined;
  if (found === undefined) throw new Refusal('missing', 'wording_unknown', 'No page ever had these words.');
  return JSON.parse(found) as unknown;
}
