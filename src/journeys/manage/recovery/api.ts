import { z } from 'zod';
import { findWaiting } from '../../../domain/recoveries/recoveries.js';
import { openWork } from '../../../platform/storage/work.js';
import { stopRecovery } from '../../recovery/lost/stop.js';
import { type ApiOperation, operation } from '../api.js';

/** A recovery that waits after a lost phone, for the apps that a person lets see it and stop it. */
export const RECOVERY_OPERATIONS: readonly ApiOperation[] = [
  operation({
    method: 'GET',
    path: '/api/me/recovery',
    scope: 'account:security:read',
    summary: 'Whether somebody has said that the phone is lost, and from when to when they can go on.',
    answer: z.strictObject({
      waiting: z.strictObject({ ready_at: z.iso.datetime(), expires_at: z.iso.datetime() }).nullable(),
    }),
    run: async ({ parts, me }) => {
      const waiting = await findWaiting(parts.db, me.accountId);
      if (!waiting) return { waiting: null };
      const { readyAt, expiresAt } = waiting;
      return { waiting: { ready_at: readyAt.toISOString(), expires_at: expiresAt.toISOString() } };
    },
  }),
  /* Not sensitive: an owner in a hurry must not be sent to sign in again. */
  operation({
    method: 'DELETE',
    path: '/api/me/recovery',
    scope: 'account:security:write',
    summary: 'Stops it: what it had paused counts again. Done twice it is as done once.',
    answer: z.strictObject({ stopped: z.boolean() }),
    run: async ({ ctx, parts, me, actor }) => {
      const waiting = await findWaiting(parts.db, me.accountId);
      const outcome =
        waiting &&
        (await openWork(parts.db, actor, work => stopRecovery(work, { ctx, parts }, waiting, 'stop')));
      return { stopped: outcome === 'stopped' };
    },
  }),
];
