import { parseArgs } from 'node:util';
import { accountByEmail } from './domain/accounts/accounts.js';
import { checkReceipt } from './journeys/receipts/check.js';
import { listReceiptKeys } from './oidc/receipts.js';
import { Refusal } from './platform/errors.js';
import { answering, readWords, type Shell, Usage } from './platform/shell.js';

/** What `keyhold receipts …` works with. */
export interface ReceiptsCommand extends Shell {
  readonly config: { readonly issuer: URL };
}

export const RECEIPTS_USAGE = `keyhold receipts verify FILE|- [--email ADDRESS]             whether we signed a receipt of a consent, just as it is; and
                                                             whether it is about whoever has that address
keyhold receipts keys                                        the public keys that receipts are verified with`;

/** Runs one verb and gives the exit code: 0 a good receipt, 1 none, 2 not understood. */
export function runReceipts(words: readonly string[], command: ReceiptsCommand): Promise<number> {
  return answering(command, RECEIPTS_USAGE, async () => {
    const { values, positionals } = parseArgs({
      args: [...words],
      options: { email: { type: 'string' } },
      allowPositionals: true,
    });
    const [verb, file, ...rest] = positionals;
    if (verb === 'keys' && file === undefined && values.email === undefined)
      return { keys: await listReceiptKeys(command.db) };
    if (verb !== 'verify' || file === undefined || rest.length > 0) throw new Usage();
    return verify(file, values.email, command);
  });
}

const FAULTS = {
  unreadable: 'This is no receipt.',
  unknown_signer: 'It was not signed by a key of this installation.',
  altered: 'It was changed after it was signed, or somebody else signed it in our name.',
  other_issuer: 'Another issuer gave it out.',
  not_on_record: 'It is signed, but what it says is not in our ledger.',
  other_person: 'It is a good receipt, and of another person.',
} as const;

async function verify(file: string, email: string | undefined, { db, config }: ReceiptsCommand) {
  const receipt = await readWords(file);
  const accountId = email === undefined ? undefined : (await accountByEmail(db, email)).id;
  const checked = await checkReceipt({ db, issuer: config.issuer }, receipt, accountId);
  if (!checked.valid) throw new Refusal('invalid', checked.fault, FAULTS[checked.fault]);
  return checked.receipt;
}
