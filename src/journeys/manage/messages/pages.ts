import { z } from 'zod';
import {
  listMessages,
  MESSAGE_FILTERS,
  type Message,
  type MessageFilter,
} from '../../../domain/messages/messages.js';
import { type AccountCall, type AccountPage, showAccount } from '../door.js';
import type { FilterWord, ShownMessage } from './models.js';

const PATH = '/account/messages';
const PAGE = 20;
const idSchema = z.uuid();

/** What was sent to somebody, and why. */
export const MESSAGES_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: PATH, nav: 'messages', run: showMessages },
];

async function showMessages(call: AccountCall): Promise<void> {
  const { ctx, parts, me } = call;
  const only = MESSAGE_FILTERS.find(filter => filter === ctx.query['only']);
  const before = idSchema.safeParse(ctx.query['before']).data;
  const page = await listMessages(parts.db, parts.keyring, {
    accountId: me.accountId,
    limit: PAGE,
    ...(only && { only }),
    ...(before && { before }),
  });
  showAccount(call, 'account/messages', {
    filters: (['all', ...MESSAGE_FILTERS] as const).map(word => ({
      word,
      url: urlOf(word),
      current: word === (only ?? 'all'),
    })),
    filtered: only !== undefined,
    messages: page.messages.map(shownOf),
    ...(page.before && { olderUrl: urlOf(only ?? 'all', page.before) }),
    ...(before && { newestUrl: urlOf(only ?? 'all') }),
  });
}

function urlOf(word: FilterWord, before?: string): string {
  const query = new URLSearchParams({
    ...(word !== 'all' && ({ only: word } satisfies { only: MessageFilter })),
    ...(before && { before }),
  });
  return query.size > 0 ? `${PATH}?${query}` : PATH;
}

function shownOf({ id, subject, to, channel, kind, state, queuedAt: at, agreed }: Message): ShownMessage {
  return {
    id,
    channel,
    kind,
    state,
    at,
    ...(subject !== undefined && { subject }),
    ...(to !== undefined && { to }),
    ...(agreed && { agreed: { at: agreed.at, name: agreed.name, wording: agreed.wording } }),
  };
}
