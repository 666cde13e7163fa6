import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import type { Keyring } from '../crypto/keyring.js';
import type { JobDefinition } from '../jobs/jobs.js';
import type { Db } from '../storage/db.js';
import { type Job, openWork } from '../storage/work.js';
import { type Mail, mailSchema } from './letter.js';
import type { Transport } from './transport.js';

export type { Letter, Mail } from './letter.js';
export { clearMailbox, getMailboxMail, listMailbox, type MailboxMail } from './mailbox.js';
export { openTransport, type Transport, type TransportSettings, tryTransport } from './transport.js';

/** What this room records. */
export const MAIL_FACTS = ['mail.dropped'] as const;

const JOB = 'send-mail';
const payloadSchema = z.object({ id: z.uuid(), sealed: z.base64() });
const sealedSchema = mailSchema.extend({ decoy: z.boolean() });

/**
 * The job that sends a mail; enqueue it in the work that is the reason for it. Sealed, since mails carry codes and links.
 * A decoy costs the same and is sent to nobody: whoever asks for a mail to somebody unknown must not see it by the time.
 */
export function sealMail(keyring: Keyring, mail: Mail, decoy = false): Job {
  const content = sealedSchema.parse({ ...mail, decoy });
  const sealed = keyring.seal('mail', JSON.stringify(content)).toString('base64');
  return { name: JOB, payload: { id: uuidv7(), sealed } };
}

/** Sends what `sealMail` sealed; tried with growing pauses, and dropped with a fact after the last try. */
export function sendMailJob(db: Db, keyring: Keyring, transport: Transport): JobDefinition {
  return {
    name: JOB,
    run: async (payload, attempt) => {
      const { id, sealed } = payloadSchema.parse(payload);
      try {
        const opened: unknown = JSON.parse(keyring.open('mail', Buffer.from(sealed, 'base64')));
        const { decoy, ...mail } = sealedSchema.parse(opened);
        if (!decoy) await transport.send({ id, ...mail }, attempt.signal);
      } catch (error) {
        if (!attempt.last) throw error;
        await openWork(db, { kind: 'system' }, async work => {
          work.record({ type: 'mail.dropped', detail: { mail: id, tries: attempt.attempt } });
        });
      }
    },
  };
}
