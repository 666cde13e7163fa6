import { findWaiting } from '../../../domain/recoveries/recoveries.js';
import { openWork } from '../../../platform/storage/work.js';
import { show } from '../../journey.js';
import { freezeHere } from '../../notices/here.js';
import { howOf, stopRecovery } from '../../recovery/lost/stop.js';
import { askedOf } from '../../recovery/lost/tell.js';
import { type AccountCall, type AccountPage, doneHere, leadTo, showAccount } from '../door.js';

const RECOVERY = '/account/recovery';

/** A recovery that somebody began who says that they have lost their phone, for whoever is signed in meanwhile. */
export const RECOVERY_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: RECOVERY, run: showRecovery },
  { method: 'POST', path: `${RECOVERY}/stop`, form: RECOVERY, run: stop },
];

async function showRecovery(call: AccountCall): Promise<void> {
  const { parts, me } = call;
  const waiting = await findWaiting(parts.db, me.accountId);
  showAccount(call, 'account/recovery', {
    done: doneHere(call, ['stopped']) !== undefined && !waiting,
    ...(waiting && {
      waiting: {
        readyAt: waiting.readyAt,
        expiresAt: waiting.expiresAt,
        asked: askedOf(parts.keyring, waiting),
      },
    }),
  });
}

/* No proof stands in the way: an owner in a hurry must not be sent to sign in again. */
async function stop({ ctx, parts, me, actor, sent, ...rest }: AccountCall): Promise<void> {
  const { accountId } = me;
  const call = { ctx, parts, me, actor, sent, ...rest };
  const how = howOf(sent);
  if (how === 'freeze') {
    const signedInAt = me.authenticatedAt;
    await openWork(parts.db, actor, work =>
      freezeHere(work, { ctx, parts }, { accountId, undo: {}, signedInAt }),
    );
    return show(ctx, parts, 'objection/done', { fromAccount: true });
  }
  const waiting = how && (await findWaiting(parts.db, accountId));
  if (!waiting) return leadTo(call, RECOVERY);
  await openWork(parts.db, actor, work => stopRecovery(work, { ctx, parts }, waiting, 'stop'));
  leadTo(call, RECOVERY, 'stopped');
}
