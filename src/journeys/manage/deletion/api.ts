import { z } from 'zod';
import { type Deletion, findDeletionOf, findLetters } from '../../../domain/deletions/deletions.js';
import { openWork } from '../../../platform/storage/work.js';
import { askedFrom } from '../../../platform/web/origin.js';
import { countTry, DELETIONS } from '../../limits.js';
import { askFor, undo } from '../../privacy/deletion/ask.js';
import { listRecipientApps } from '../../privacy/recipients.js';
import { type ApiCall, type ApiOperation, operation } from '../api.js';
import { tellsNothing } from '../topics.js';

const standing = z.strictObject({
  /** Null where nobody asked for one. */
  waiting: z.strictObject({ asked_at: z.iso.datetime(), begins_at: z.iso.datetime() }).nullable(),
  /** Apps that are told when it begins. */
  apps_to_tell: z.int().min(0),
});

/** The deletion of an account, for apps that a person lets ask for it. */
export const DELETION_OPERATIONS: readonly ApiOperation[] = [
  operation({
    method: 'GET',
    path: '/api/me/deletion',
    scope: 'account:deletion:read',
    summary: 'Whether the account is to be deleted, when that begins, and how many apps will be told.',
    answer: standing,
    run: async call => presented(call, await findDeletionOf(call.parts.db, call.me.accountId)),
  }),
  operation({
    method: 'POST',
    path: '/api/me/deletion',
    scope: 'account:deletion:write',
    sensitive: true,
    summary:
      'Asks for the account to be deleted. Until it begins it can be undone; asked twice it is as asked once.',
    input: z.strictObject({}),
    answer: standing,
    tells: tellsNothing,
    status: 202,
    run: async call => {
      const { ctx, parts, me, actor } = call;
      const { accountId } = me;
      await countTry({ ctx, parts }, DELETIONS, { email: '', account: { id: accountId } });
      const at = new Date();
      const asked = { at, ...askedFrom(ctx) };
      const deletion = await openWork(parts.db, actor, work =>
        askFor(work, parts, { accountId, cause: 'person', days: parts.deletionWait, at, asked }),
      );
      return presented(call, deletion);
    },
  }),
  /* Not sensitive: an owner in a hurry must not be sent to sign in again. */
  operation({
    method: 'DELETE',
    path: '/api/me/deletion',
    scope: 'account:deletion:write',
    summary: 'Calls the deletion off, as long as it has not begun. Done twice it is as done once.',
    answer: z.strictObject({ undone: z.boolean() }),
    tells: tellsNothing,
    run: async ({ ctx, parts, me, actor }) => {
      const { accountId } = me;
      const deletion = await findDeletionOf(parts.db, accountId);
      const letters = deletion && (await findLetters(parts.db, parts.keyring, deletion.id));
      if (!deletion || !letters) return { undone: false };
      const asked = { at: new Date(), ...askedFrom(ctx) };
      const undone = await openWork(parts.db, actor, work =>
        undo(work, parts, { id: deletion.id, accountId, by: 'app', asked }),
      );
      return { undone };
    },
  }),
];

async function presented({ parts, me }: ApiCall, deletion: Deletion | undefined) {
  const apps = await listRecipientApps(parts.db, me.accountId);
  const waiting = deletion && {
    asked_at: deletion.askedAt.toISOString(),
    begins_at: deletion.beginsAt.toISOString(),
  };
  return { waiting: waiting ?? null, apps_to_tell: apps.length };
}
