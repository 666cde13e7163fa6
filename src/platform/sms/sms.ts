import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import type { Keyring } from '../crypto/keyring.js';
import { type DeliveryLedger, deliver, NotTakenOver } from '../jobs/delivery.js';
import type { JobDefinition } from '../jobs/jobs.js';
import { putIntoMailbox } from '../mail/mail.js';
import type { Outbound } from '../outbound.js';
import type { Db } from '../storage/db.js';
import { type Job, openWork } from '../storage/work.js';
import { type NumberedSms, type Sms, smsSchema } from './text.js';
import { sendByTwilio, type TwilioSettings } from './twilio.js';

export { type Sms, withCode } from './text.js';
export type { TwilioSettings } from './twilio.js';

/** What this room records. */
export const SMS_FACTS = ['sms.dropped'] as const;

/** What became of the text messages of this process. */
export type SmsOutcome = 'sent' | 'refused' | 'failed';

/** How text messages leave. */
export interface SmsSender {
  /** Resolves when the message was taken over. Nobody knows whether one that timed out was: it is tried again. */
  send(sms: NumberedSms, signal?: AbortSignal): Promise<void>;
  /** How many ended how, since the process began. */
  counts(): Readonly<Record<SmsOutcome, number>>;
}

/** The settings that decide how text messages leave. */
export interface SmsSettings {
  /** With a provider; it goes to the development mailbox without one. */
  readonly sms?: (TwilioSettings & { readonly provider: 'twilio' }) | undefined;
  readonly production: boolean;
}

/** Opens the way out for text messages; undefined where there is none: in production without a provider. */
export function openSmsSender(
  { sms: provider, production }: SmsSettings,
  db: Db,
  outbound: Pick<Outbound, 'fetch'>,
): SmsSender | undefined {
  if (provider) return counting((sms, signal) => sendByTwilio(outbound, provider, sms, signal));
  if (production) return undefined;
  return counting(({ id, to, text }) =>
    db.transaction(tx => putIntoMailbox(tx, { id, to, subject: 'SMS', text, html: '' })),
  );
}

function counting(send: SmsSender['send']): SmsSender {
  const counts: Record<SmsOutcome, number> = { sent: 0, refused: 0, failed: 0 };
  return {
    send: async (sms, signal) => {
      try {
        await send(sms, signal);
        counts.sent += 1;
      } catch (error) {
        counts[error instanceof NotTakenOver && error.refused ? 'refused' : 'failed'] += 1;
        throw error;
      }
    },
    counts: () => ({ ...counts }),
  };
}

const JOB = 'send-sms';
const payloadSchema = z.object({ id: z.uuid(), accountId: z.uuid().optional(), sealed: z.base64() });
const sealedSchema = smsSchema.extend({ until: z.int() });

/** How a text message is queued. */
export interface SmsQueuing {
  readonly id?: string;
  /** Whose messages it belongs to. */
  readonly accountId?: string | undefined;
  /** After that moment nobody wants it any more. */
  readonly until: Date;
}

/** The job that sends a text message; enqueue it in the work that is the reason for it. Sealed, since it carries a code. */
export function sealSms(keyring: Keyring, sms: Sms, { id = uuidv7(), accountId, until }: SmsQueuing): Job {
  const content = sealedSchema.parse({ ...sms, until: until.getTime() });
  const sealed = keyring.seal('sms', JSON.stringify(content)).toString('base64');
  return { name: JOB, payload: { id, accountId, sealed } };
}

/** Sends what `sealSms` sealed: tried with growing pauses while it is wanted, and dropped with a fact when it never will be. */
export function sendSmsJob(
  db: Db,
  keyring: Keyring,
  sender: SmsSender | undefined,
  ledger: DeliveryLedger,
): JobDefinition {
  return {
    name: JOB,
    run: async (payload, attempt) => {
      const { id, accountId, sealed } = payloadSchema.parse(payload);
      let reason = 'unknown';
      const outcome = await deliver(ledger, { id, accountId }, attempt, async () => {
        try {
          const opened: unknown = JSON.parse(keyring.open('sms', Buffer.from(sealed, 'base64')));
          const { until, ...sms } = sealedSchema.parse(opened);
          if (Date.now() > until) throw new NotTakenOver(`sms ${id} was not sent`, 'too_late', false, true);
          if (!sender) throw new NotTakenOver(`sms ${id} was not sent`, 'no_provider', false);
          await sender.send({ id, ...sms }, attempt.signal);
        } catch (error) {
          if (error instanceof NotTakenOver) reason = error.reason;
          throw error;
        }
      });
      if (outcome !== 'dropped') return;
      const whose = accountId === undefined ? {} : { accountId };
      await openWork(db, { kind: 'system' }, async work => {
        work.record({ type: 'sms.dropped', ...whose, detail: { sms: id, tries: attempt.attempt, reason } });
      });
    },
  };
}
