import { z } from 'zod';
import {
  CHANNELS,
  listMessages,
  MESSAGE_FILTERS,
  MESSAGE_KINDS,
  MESSAGE_STATES,
  MOST_MESSAGES,
} from '../../../domain/messages/messages.js';
import { type ApiOperation, operation } from '../api.js';
import { tellsDaily } from '../topics.js';

const time = z.iso.datetime();

const messageSchema = z.strictObject({
  id: z.uuid(),
  channel: z.enum(CHANNELS),
  kind: z.enum(MESSAGE_KINDS),
  template: z.string(),
  template_version: z.string(),
  language: z.string(),
  subject: z.string().nullable(),
  to: z.string().nullable(),
  queued_at: time,
  state: z.enum(MESSAGE_STATES),
  state_at: time,
  reason: z.string().nullable(),
  topic: z.string().nullable(),
  opt_in: z.strictObject({ id: z.uuid(), given_at: time, wording: z.string() }).nullable(),
});

/** What was sent to a person, for apps that they let. */
export const MESSAGES_OPERATIONS: readonly ApiOperation[] = [
  operation({
    method: 'GET',
    path: '/api/me/messages',
    scope: 'account:messages:read',
    summary:
      'The messages that were sent or are on their way, newest first: what, why, to which address, and what became of each.',
    query: z.strictObject({
      only: z.enum(MESSAGE_FILTERS).optional(),
      before: z.uuid().optional(),
      limit: z.coerce.number().int().min(1).max(MOST_MESSAGES).default(50),
    }),
    tells: tellsDaily('account:messages'),
    answer: z.strictObject({
      messages: z.array(messageSchema),
      /** Leads to the next ones. */
      before: z.uuid().nullable(),
    }),
    run: async ({ parts, me, query: { only, before, limit } }) => {
      const page = await listMessages(parts.db, parts.keyring, {
        accountId: me.accountId,
        limit,
        ...(only && { only }),
        ...(before && { before }),
      });
      const messages = page.messages.map(({ agreed, ...message }) => ({
        id: message.id,
        channel: message.channel,
        kind: message.kind,
        template: message.template,
        template_version: message.templateVersion,
        language: message.language,
        subject: message.subject ?? null,
        to: message.to ?? null,
        queued_at: message.queuedAt.toISOString(),
        state: message.state,
        state_at: message.stateAt.toISOString(),
        reason: message.reason ?? null,
        topic: message.topic ?? null,
        opt_in: agreed
          ? { id: agreed.optIn, given_at: agreed.at.toISOString(), wording: agreed.wording }
          : null,
      }));
      return { messages, before: page.before ?? null };
    },
  }),
];
