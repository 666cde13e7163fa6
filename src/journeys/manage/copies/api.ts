import { z } from 'zod';
import { findAccount } from '../../../domain/accounts/accounts.js';
import {
  dropExport,
  EXPORT_STATES,
  EXPORTS_A_DAY,
  type Export,
  listExports,
} from '../../../domain/exports/exports.js';
import { Refusal } from '../../../platform/errors.js';
import { EXPORT_SCOPES } from '../../../platform/storage/export-file.js';
import { openWork } from '../../../platform/storage/work.js';
import { type ApiCall, type ApiOperation, fileOperation, operation } from '../api.js';
import { doingOf } from '../profile/api.js';
import { tellsDaily, tellsNothing } from '../topics.js';
import { askCopy, fetchCopy, ownCopy } from './copies.js';

const PATH = '/api/me/exports';

const copySchema = z.strictObject({
  id: z.uuid(),
  scope: z.enum(EXPORT_SCOPES),
  state: z.enum(EXPORT_STATES),
  asked_at: z.iso.datetime(),
  /** So many kinds of things are in it by now. */
  walked: z.number().int(),
  ready_at: z.iso.datetime().optional(),
  /** Until when it can be fetched. */
  expires_at: z.iso.datetime().optional(),
  fetched_at: z.iso.datetime().optional(),
});

function shown({ id, scope, state, walked, askedAt, readyAt, expiresAt, fetchedAt }: Export) {
  return {
    id,
    scope,
    state,
    walked,
    asked_at: askedAt.toISOString(),
    ...(readyAt && { ready_at: readyAt.toISOString() }),
    ...(expiresAt && { expires_at: expiresAt.toISOString() }),
    ...(fetchedAt && { fetched_at: fetchedAt.toISOString() }),
  };
}

function refusalOf(outcome: 'running' | 'too_many'): Refusal {
  if (outcome === 'running') {
    return new Refusal('conflict', 'export_running', 'A copy is being made already.');
  }
  const message = `There are at most ${EXPORTS_A_DAY} copies in a day.`;
  return new Refusal('limited', 'too_many_exports', message, { retryAfter: 3_600 });
}

/* The one that its owner is written to in: an app's words are not the person's. */
async function languageOf({ parts, me }: ApiCall): Promise<string> {
  return (await findAccount(parts.db, me.accountId))?.language ?? 'en';
}

async function askerOf(call: ApiCall) {
  return { ...(await doingOf(call)), me: call.me, actor: call.actor };
}

/** Copies of all that is held about a person, for the apps that they let ask for them. */
export const COPY_OPERATIONS: readonly ApiOperation[] = [
  operation({
    method: 'GET',
    path: PATH,
    scope: 'account:exports:read',
    summary: 'The copies of their data that the person asked for, newest first.',
    answer: z.strictObject({ exports: z.array(copySchema) }),
    tells: tellsDaily('account:exports'),
    run: async ({ parts, me }) => ({ exports: (await listExports(parts.db, me.accountId)).map(shown) }),
  }),
  operation({
    method: 'POST',
    path: PATH,
    scope: 'account:exports:write',
    sensitive: true,
    summary: `Asks for a copy; one at a time, and ${EXPORTS_A_DAY} in a day. The person is told at every proven address.`,
    input: z.strictObject({ scope: z.enum(EXPORT_SCOPES) }),
    answer: copySchema,
    status: 202,
    tells: tellsNothing,
    run: async call => {
      const { scope } = call.input;
      const asker = await askerOf(call);
      const asked = await askCopy(asker, scope, await languageOf(call));
      if (asked.outcome !== 'asked') throw refusalOf(asked.outcome);
      return shown(await ownCopy(call, asked.id));
    },
  }),
  operation({
    method: 'GET',
    path: `${PATH}/:id`,
    scope: 'account:exports:read',
    summary: 'One copy: how far it is, and until when it can be fetched.',
    answer: copySchema,
    tells: tellsDaily('account:exports'),
    run: async call => shown(await ownCopy(call, call.params['id'] ?? '')),
  }),
  operation({
    method: 'DELETE',
    path: `${PATH}/:id`,
    scope: 'account:exports:write',
    summary: 'Stops a copy that is being made, or deletes one that can be fetched.',
    run: async call => {
      const { id } = await ownCopy(call, call.params['id'] ?? '');
      const key = { accountId: call.me.accountId, id };
      await openWork(call.parts.db, call.actor, work => dropExport(work, key));
    },
  }),
  fileOperation({
    method: 'GET',
    path: `${PATH}/:id/file`,
    scope: 'account:exports:read',
    sensitive: true,
    summary: 'The copy itself, as a ZIP.',
    sends: 'application/zip',
    run: async call => fetchCopy(await askerOf(call), call.params['id'] ?? ''),
  }),
];
