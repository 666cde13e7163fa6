import { findDeletionOf, findLetters } from '../../../domain/deletions/deletions.js';
import { openWork } from '../../../platform/storage/work.js';
import { askedFrom } from '../../../platform/web/origin.js';
import { countTry, DELETIONS } from '../../limits.js';
import { askFor, undo } from '../../privacy/deletion/ask.js';
import { statementUrl } from '../../privacy/deletion/tell.js';
import { listRecipientApps } from '../../privacy/recipients.js';
import { type AccountCall, type AccountPage, doneHere, leadTo, showAccount } from '../door.js';

/** Where somebody deletes their account. */
export const DELETE = '/account/data/delete';

/** Deleting an account, and calling that off. Calling off takes no proof: nobody in a hurry is sent to sign in again. */
export const DELETION_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: DELETE, within: 'data', run: showDelete },
  { method: 'POST', path: DELETE, sensitive: true, run: ask },
  { method: 'POST', path: `${DELETE}/keep`, form: DELETE, run: keep },
];

/* So many are named; the others are told as well. */
const MOST_NAMED = 20;

async function showDelete(call: AccountCall): Promise<void> {
  const { parts, me } = call;
  const [deletion, apps] = await Promise.all([
    /* Whether there is one came along with the session. */
    me.person.account.leaving_at === null ? undefined : findDeletionOf(parts.db, me.accountId),
    listRecipientApps(parts.db, me.accountId),
  ]);
  const letters = deletion && (await findLetters(parts.db, parts.keyring, deletion.id));
  const names = apps.map(({ clientId, name }) => name ?? clientId).sort((a, b) => a.localeCompare(b));
  showAccount(call, 'account/delete', {
    ...(deletion && {
      waiting: {
        beginsAt: deletion.beginsAt,
        ...(letters && { statementUrl: statementUrl(parts.issuer, letters.token) }),
      },
    }),
    kept: doneHere(call, ['kept']) !== undefined && !deletion,
    days: parts.deletionWait,
    apps: names.slice(0, MOST_NAMED),
    moreApps: Math.max(names.length - MOST_NAMED, 0),
  });
}

async function ask(call: AccountCall): Promise<void> {
  const { ctx, parts, me, actor } = call;
  const { accountId } = me;
  await countTry({ ctx, parts }, DELETIONS, { email: '', account: { id: accountId } });
  const at = new Date();
  const asked = { at, ...askedFrom(ctx) };
  await openWork(parts.db, actor, work =>
    askFor(work, parts, { accountId, cause: 'person', days: parts.deletionWait, at, asked }),
  );
  leadTo(call, DELETE);
}

async function keep(call: AccountCall): Promise<void> {
  const { ctx, parts, me, actor } = call;
  const { accountId } = me;
  const deletion = await findDeletionOf(parts.db, accountId);
  const asked = { at: new Date(), ...askedFrom(ctx) };
  if (deletion) {
    await openWork(parts.db, actor, work =>
      undo(work, parts, { id: deletion.id, accountId, by: 'account', asked }),
    );
  }
  leadTo(call, DELETE, 'kept');
}
