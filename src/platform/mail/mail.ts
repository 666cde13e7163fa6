import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import type { Keyring } from '../crypto/keyring.js';
import { type DeliveryLedger, deliver } from '../jobs/delivery.js';
import type { JobDefinition } from '../jobs/jobs.js';
import type { Db } from '../storage/db.js';
import { type Job, openWork } from '../storage/work.js';
import { type Mail, mailSchema } from './letter.js';
import type { Transport } from './transport.js';

export type { Letter, Mail } from './letter.js';
export {
  clearMailbox,
  forgetMailbox,
  getMailboxMail,
  listMailbox,
  type MailboxMail,
  putIntoMailbox,
} from './mailbox.js';
export { openTransport, type Transport, type TransportSettings, tryTransport } from './transport.js';

/** What this room records. */
export const MAIL_FACTS = ['mail.dropped'] as const;

const JOB = 'send-mail';
const payloadSchema = z.object({ id: z.uuid(), accountId: z.uuid().optional(), sealed: z.base64() });
const sealedSchema = mailSchema.extend({ decoy: z.boolean() });

/** How a mail is queued. */
export interface Queuing {
  /** The id by which it is known from now on. */
  readonly id?: string;
  /** Whose messages it belongs to. */
  readonly accountId?: string | undefined;
  /** It costs the same and is sent to nobody: whoever asks for a mail to somebody unknown must not see it by the time. */
  readonly decoy?: boolean;
}

/** The job that sends a mail; enqueue it in the work that is the reason for it. Sealed, since mails carry codes and links. */
export function sealMail(
  keyring: Keyring,
  mail: Mail,
  { id = uuidv7(), accountId, decoy = false }: Queuing = {},
): Job {
  const content = sealedSchema.parse({ ...mail, decoy });
  const sealed = keyring.seal('mail', JSON.stringify(content)).toString('base64');
  return { name: JOB, payload: { id, accountId, sealed } };
}

/** Sends what `sealMail` sealed; tried with growing pauses, and dropped with a fact after the last try. */
export function sendMailJob(
  db: Db,
  keyring: Keyring,
  transport: Transport,
  ledger: DeliveryLedger,
): JobDefinition {
  return {
    name: JOB,
    run: async (payload, attempt) => {
      const { id, accountId, sealed } = payloadSchema.parse(payload);
      const outcome = await deliver(ledger, { id, accountId }, attempt, async () => {
        const opened: unknown = JSON.parse(keyring.open('mail', Buffer.from(sealed, 'base64')));
        const { decoy, ...mail } = sealedSchema.parse(opened);
        if (!decoy) await transport.send({ id, ...mail }, attempt.signal);
      });
      if (outcome !== 'dropped') return;
      const whose = accountId === undefined ? {} : { accountId };
      await openWork(db, { kind: 'system' }, async work => {
        work.record({ type: 'mail.dropped', ...whose, detail: { mail: id, tries: attempt.attempt } });
      });
    },
  };
}
