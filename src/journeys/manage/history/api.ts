import { z } from 'zod';
import { Refusal } from '../../../platform/errors.js';
import { readEvents } from '../../../platform/storage/events.js';
import { openWork } from '../../../platform/storage/work.js';
import { freezeHere } from '../../notices/here.js';
import { type ApiOperation, operation } from '../api.js';
import { tellsDaily, tellsNothing } from '../topics.js';
import { written } from './download.js';
import { actionOf, eventsOf, namesFor, ownAction } from './listing.js';
import { KINDS } from './said.js';

const MOST = 100;

const eventSchema = z.strictObject({
  id: z.uuid(),
  time: z.iso.datetime(),
  type: z.string(),
  kind: z.enum(KINDS),
  by: z.enum(['person', 'app', 'operator', 'system']),
  app: z.strictObject({ client_id: z.string(), name: z.string().optional() }).optional(),
  device: z.string().optional(),
  country: z.string().optional(),
  network_address: z.string().optional(),
  /** The attributes of the profile that it is about, by name. */
  attributes: z.array(z.string()).readonly().optional(),
  /** Attributes that staff saw unmasked, and their codes for themselves and the case. */
  seen: z.array(z.string()).optional(),
  team: z.string().optional(),
  reference: z.string().optional(),
});

const instant = z.iso.datetime({ offset: true }).transform(text => new Date(text));

/** What was done about an account, for the apps its person lets see it; every try one by one. */
export const HISTORY_OPERATIONS: readonly ApiOperation[] = [
  operation({
    method: 'GET',
    path: '/api/me/history',
    scope: 'account:history:read',
    summary: 'What was done about the account, newest first.',
    query: z.strictObject({
      kind: z.enum(KINDS).optional(),
      from: instant.optional(),
      to: instant.optional(),
      /** `next` of the page before. */
      before: z.uuid().optional(),
      limit: z.coerce.number().int().min(1).max(MOST).default(50),
    }),
    tells: tellsDaily('account:history'),
    answer: z.strictObject({ events: z.array(eventSchema), next: z.uuid().optional() }),
    run: async ({ parts, me, query: { limit, ...filter } }) => {
      /* An app that may read the history of one account is not told that of another one which became part of it. */
      const { accountId } = me;
      const wanted = { ...eventsOf(filter), accountId, limit: limit + 1 };
      const events = await readEvents(parts.db, parts.keyring, wanted);
      const page = events.slice(0, limit);
      const names = await namesFor(parts, page);
      const actions = await Promise.all(page.map(event => actionOf(parts, event, names)));
      const next = events.length > limit ? page.at(-1)?.id : undefined;
      return { events: actions.map(written), ...(next !== undefined && { next }) };
    },
  }),
  /* Not sensitive: freezing must never wait for somebody to sign in again. */
  operation({
    method: 'POST',
    path: '/api/me/history/:id/object',
    scope: 'account:history:object',
    summary:
      'Says that an action was not the person: freezes the account and ends every session and token, this one too.',
    tells: tellsNothing,
    answer: z.strictObject({ frozen: z.literal(true) }),
    run: async call => {
      const { parts, me, ctx, actor } = call;
      const { harmless, passkeyId } = await ownAction(call);
      if (harmless) {
        throw new Refusal('conflict', 'nothing_to_freeze', 'Nobody got in by this, and nothing was changed.');
      }
      const undo = passkeyId === undefined ? {} : { passkeyId };
      const { accountId, authenticatedAt } = me;
      await openWork(parts.db, actor, work =>
        freezeHere(work, { ctx, parts }, { accountId, undo, signedInAt: authenticatedAt }),
      );
      return { frozen: true } as const;
    },
  }),
];
