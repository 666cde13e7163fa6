import { z } from 'zod';
import {
  beginDispatch,
  CHANNELS,
  type Channel,
  listReaders,
  noteBatch,
} from '../../domain/messages/messages.js';
import type { Keyring } from '../../platform/crypto/keyring.js';
import { Refusal } from '../../platform/errors.js';
import type { JobDefinition } from '../../platform/jobs/jobs.js';
import type { Db } from '../../platform/storage/db.js';
import { type Job, openWork, type Work } from '../../platform/storage/work.js';
import { type Sending, sendOnTopic, type TopicMessage } from './send.js';

const JOB = 'dispatch-topic';
const BATCH = 100;

const contentSchema = z.object({
  topic: z.string(),
  channel: z.enum(CHANNELS),
  subject: z.string(),
  text: z.string(),
});
const payloadSchema = z.object({ id: z.uuid(), sealed: z.base64(), after: z.uuid().optional() });

/** What everybody is told who wants a topic by a channel. */
export type Content = Omit<TopicMessage, 'accountId'> & { readonly channel: Channel };

/** Begins to send a message to everybody who wants its topic; jobs do it in batches. Gives the id of the dispatch. */
export async function sendToEveryone(work: Work, keyring: Keyring, content: Content): Promise<string> {
  const id = await beginDispatch(work, content);
  const sealed = keyring.seal(JOB, JSON.stringify(content)).toString('base64');
  work.enqueue(batchOf({ id, sealed }));
  return id;
}

const batchOf = (payload: z.output<typeof payloadSchema>): Job => ({ name: JOB, payload });

/** Queues the messages of a dispatch, a batch at a time; a batch that runs again queues nothing twice. */
export function dispatchJob(db: Db, sending: Sending): JobDefinition {
  return {
    name: JOB,
    run: async payload => {
      const { id, sealed, after } = payloadSchema.parse(payload);
      const opened: unknown = JSON.parse(sending.keyring.open(JOB, Buffer.from(sealed, 'base64')));
      const content = contentSchema.parse(opened);
      const readers = await listReaders(db, { ...content, after, limit: BATCH });
      const reached = readers.length === BATCH ? readers.at(-1) : undefined;
      await openWork(db, { kind: 'system' }, async work => {
        const queued = await queueAll(work, sending, content, readers);
        const refused = readers.length - queued;
        if (!(await noteBatch(work, { id, after, reached, queued, refused }))) throw new DoneBefore();
        if (reached !== undefined) work.enqueue(batchOf({ id, sealed, after: reached }));
      }).catch(unlessDone);
    },
  };
}

/* Thrown within the work, so that nothing of it stays. */
class DoneBefore extends Error {}

function unlessDone(error: unknown): void {
  if (!(error instanceof DoneBefore)) throw error;
}

async function queueAll(
  work: Work,
  sending: Sending,
  content: Content,
  readers: readonly string[],
): Promise<number> {
  let queued = 0;
  for (const accountId of readers) {
    try {
      await sendOnTopic(work, sending, { ...content, accountId });
      queued += 1;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
  }
  return queued;
}
