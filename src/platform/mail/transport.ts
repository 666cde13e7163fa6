import { createTransport } from 'nodemailer';
import { NotTakenOver } from '../jobs/delivery.js';
import type { Db } from '../storage/db.js';
import type { Letter } from './letter.js';
import { putIntoMailbox } from './mailbox.js';

/** How mail leaves: to an SMTP server, or into the development mailbox. */
export interface Transport {
  /** Resolves when the letter was taken over; every try of one letter carries the same Message-ID. */
  send(letter: Letter, signal?: AbortSignal): Promise<void>;
  close(): void;
}

/** The settings that decide it. */
export interface TransportSettings {
  readonly smtpUrl?: string | undefined;
  readonly mailFrom: string;
  readonly production: boolean;
  /** How long a silent server is waited for, in milliseconds. */
  readonly patience?: number;
}

/** Opens the transport; without an SMTP server, which only a loopback issuer may lack, mail lands in the mailbox. */
export function openTransport(settings: TransportSettings, db: Db): Transport {
  if (settings.smtpUrl !== undefined) return openSmtp(settings.smtpUrl, settings);
  if (settings.production) throw new Error('mail needs an SMTP server in production');
  return { send: letter => db.transaction(tx => putIntoMailbox(tx, letter)), close: () => {} };
}

/** Connects to the SMTP server as it would for a letter, and sends none; throws what is in the way, in a few words. */
export async function tryTransport(smtpUrl: string, settings: TransportSettings): Promise<void> {
  const mailer = openMailer(smtpUrl, settings);
  try {
    await mailer.verify();
  } catch (error) {
    throw new Error(reasonOf(error));
  } finally {
    mailer.close();
  }
}

function openMailer(smtpUrl: string, settings: TransportSettings) {
  const { patience = 15_000 } = settings;
  const url = new URL(smtpUrl);
  const secure = url.protocol === 'smtps:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const loopback = /^(localhost|::1|127(\.\d{1,3}){3})$/.test(host);
  return createTransport({
    pool: true,
    host,
    port: url.port === '' ? (secure ? 465 : 587) : Number(url.port),
    secure,
    // In clear only to a relay on this machine, where STARTTLS would meet a certificate nobody can check.
    ignoreTLS: loopback,
    requireTLS: settings.production && !loopback,
    tls: { minVersion: 'TLSv1.2' },
    ...(url.username === ''
      ? {}
      : { auth: { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) } }),
    maxConnections: 3,
    // Trying again is the job's, which counts it.
    maxRequeues: 0,
    idleTimeout: 30_000,
    dnsTimeout: patience,
    connectionTimeout: patience,
    greetingTimeout: patience,
    socketTimeout: patience,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
}

function openSmtp(smtpUrl: string, settings: TransportSettings): Transport {
  const mailer = openMailer(smtpUrl, settings);
  // A connection that breaks while idle says so here; the job learns of its own.
  mailer.on('error', () => {});
  return {
    send: async (letter, signal) => {
      try {
        await mailer.sendMail({ ...messageOf(letter, settings.mailFrom), ...(signal ? { signal } : {}) });
      } catch (error) {
        throw new NotTakenOver(`mail ${letter.id} was not taken over`, reasonOf(error), isFinal(error));
      }
    },
    close: () => mailer.close(),
  };
}

function messageOf(letter: Letter, from: string) {
  return {
    from,
    to: { name: '', address: letter.to },
    subject: letter.subject,
    text: letter.text,
    html: letter.html,
    messageId: `<${letter.id}@${domainOf(from)}>`,
    // RFC 3834 §5: keeps vacation responders silent.
    headers: { ...letter.headers, 'Auto-Submitted': 'auto-generated' },
  };
}

/** The domain of `Keyhold <no-reply@id.example>` or `no-reply@id.example`. */
function domainOf(from: string): string {
  return /@([A-Za-z0-9.-]+)>?\s*$/.exec(from)?.[1] ?? 'localhost';
}

/* RFC 5321 §4.2.1: 5yz says that the same would come to nothing again; of whoever may not send here it says nothing. */
function isFinal(error: unknown): boolean {
  const { code, responseCode } = error as { code?: unknown; responseCode?: unknown };
  return code !== 'EAUTH' && typeof responseCode === 'number' && responseCode >= 500;
}

/** The code and the status of a failure; the server's sentence may hold the address, so it stays out of logs and tables. */
function reasonOf(error: unknown): string {
  const { code, responseCode } = error as { code?: unknown; responseCode?: unknown };
  return [code, responseCode].filter(part => part !== undefined).join(' ') || 'unknown';
}
