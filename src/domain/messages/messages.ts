import type { Keyring } from '../../platform/crypto/keyring.js';
import type { DeliveryLedger } from '../../platform/jobs/delivery.js';
import type { Db } from '../../platform/storage/db.js';
import { openPersonal } from '../../platform/storage/origin.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import { type Account, findAccount, isHeldBack } from '../accounts/accounts.js';
import type { Message, MessageFilter, MessageState, NewMessage } from './message.js';
import * as store from './store.js';

export {
  beginDispatch,
  type Dispatch,
  listDispatches,
  listReaders,
  noteBatch,
} from './dispatches.js';
export { exportMessages } from './exported.js';
export { type MessageRetention, sweepMessages } from './jobs.js';
export {
  CHANNELS,
  type Channel,
  MESSAGE_FILTERS,
  MESSAGE_KINDS,
  MESSAGE_STATES,
  type Message,
  type MessageFilter,
  type MessageKind,
  type MessageState,
  type NewMessage,
} from './message.js';
export {
  findOptIn,
  giveOptIn,
  listOptIns,
  type OptIn,
  type OptInChange,
  type OptInPlace,
  restoreOptIn,
  withdrawOptIn,
} from './opt-ins.js';
export { forgetMessages } from './store.js';
export { applyTopics, listTopics, planTopics, type Topic, type TopicsPlan, wordsOf } from './topics.js';

/** The facts this room records. */
export const MESSAGE_FACTS = [
  'message.withheld',
  'topic.declared',
  'topic.retired',
  'opt_in.given',
  'opt_in.withdrawn',
  'opt_in.restored',
  'dispatch.begun',
] as const;

/** Puts on record that a message goes out, with the last statement of the work that queues it. */
export function keepMessage(work: Work, keyring: Keyring, message: NewMessage): void {
  const { id, accountId, channel, kind, template, templateVersion, language, topic } = message;
  work.leave({
    into: store.INTO_MESSAGES,
    row: {
      id,
      account_id: accountId,
      channel,
      kind,
      template,
      template_version: templateVersion,
      language,
      topic: topic?.topic ?? null,
      opt_in: topic?.optIn ?? null,
      queued_at: message.sentAt ?? work.at,
      state: message.sentAt ? 'sent' : 'queued',
    },
    personal: { keyring, accountId, context: id, plain: JSON.stringify([message.to, message.subject]) },
  });
}

/**
 * Where it is kept what becomes of messages. One of a topic is looked at again at the moment it would go out: whether there
 * still is an opt-in, and whether its account may act.
 */
export function openLedger(db: Db, mayAct: (account: Account | undefined) => boolean): DeliveryLedger {
  return {
    isDue: async outgoing => {
      const { id, accountId } = outgoing;
      if (accountId === undefined) return true;
      const found = await store.findOnItsWay(db, accountId, id);
      if (!found) return true;
      if (found.state === 'sent' || found.state === 'withheld') return false;
      if (found.topic === undefined) return true;
      const { topic, purpose } = found;
      const account = found.wanted ? await findAccount(db, accountId) : undefined;
      const restricted = isHeldBack(account?.restriction, { purpose });
      if (found.wanted && mayAct(account) && !restricted) return true;
      const inactive = restricted ? 'restricted' : 'account_inactive';
      const reason = found.wanted ? inactive : 'no_opt_in';
      await openWork(db, { kind: 'system' }, async work => {
        const withheld = { state: 'withheld', tries: 0, reason } as const;
        if (!(await store.updateDelivery(work.tx, outgoing, withheld))) return;
        work.record({ type: 'message.withheld', accountId, detail: { message: id, topic, reason } });
      });
      return false;
    },
    note: async (outgoing, delivery) => {
      if (outgoing.accountId === undefined) return;
      await openWork(db, { kind: 'system' }, work => store.updateDelivery(work.tx, outgoing, delivery));
    },
  };
}

/** What became of a message of an account so far. */
export async function findMessageState(
  db: Db,
  accountId: string,
  id: string,
): Promise<MessageState | undefined> {
  return (await store.findOnItsWay(db, accountId, id))?.state;
}

/** How many messages are listed at most at a time. */
export const MOST_MESSAGES = 200;

/** A page of the messages of an account, newest first; `before` leads to the next one, where there is one. */
export interface MessagesPage {
  readonly messages: readonly Message[];
  readonly before: string | undefined;
}

/** The messages that an account got, or that are on their way to it. */
export async function listMessages(
  db: Db,
  keyring: Keyring,
  { limit, ...listed }: { accountId: string; only?: MessageFilter; before?: string; limit: number },
): Promise<MessagesPage> {
  const most = Math.min(Math.max(limit, 1), MOST_MESSAGES);
  const kept = await store.listMessages(db, { ...listed, limit: most + 1 });
  const messages = kept.slice(0, most).map(message => opened(keyring, listed.accountId, message));
  return { messages, before: kept.length > most ? messages.at(-1)?.id : undefined };
}

function opened(
  keyring: Keyring,
  accountId: string,
  { sealed, key, ...message }: store.KeptMessage,
): Message {
  const plain = sealed && key && openPersonal({ keyring, accountId, context: message.id, sealed, key });
  const [to, subject] = plain ? (JSON.parse(plain) as [string, string]) : [];
  return { ...message, to, subject };
}
