import { type Dispatcher, fetch } from 'undici';
import type { SmtpSink } from './smtp.js';

/** A mail as the development mailbox shows it. */
export interface ReceivedMail {
  readonly id: string;
  readonly at: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

/** Where the mails of a test arrive. */
export interface Mailbox {
  /** The newest mail to this address (other than `after`), waited for: mail leaves after the page was shown. */
  latest(to: string, after?: ReceivedMail): Promise<ReceivedMail>;
}

/** Where the mailbox is, and how it is reached. */
export interface MailboxPlace {
  readonly origin: string;
  readonly dispatcher?: Dispatcher;
}

/** The mailbox that Keyhold has in development. */
export function devMailbox(place: MailboxPlace): Mailbox {
  return { latest: (to, after) => newest(() => readMailbox(place), to, after) };
}

/** What an SMTP server took over, as a mailbox. */
export function smtpMailbox(sink: SmtpSink): Mailbox {
  return { latest: (to, after) => newest(async () => sink.received.map(fromWire).reverse(), to, after) };
}

async function newest(
  list: () => Promise<readonly ReceivedMail[]>,
  to: string,
  after: ReceivedMail | undefined,
): Promise<ReceivedMail> {
  const deadline = Date.now() + 15_000;
  while (Date.now() < deadline) {
    const mail = (await list()).find(each => each.to === to);
    if (mail && mail.id !== after?.id) return mail;
    await new Promise(resolve => setTimeout(resolve, 25));
  }
  throw new Error(`no${after ? ' newer' : ''} mail to ${to}`);
}

function fromWire({ to, raw }: SmtpSink['received'][number], at: number): ReceivedMail {
  const part = /Content-Type: text\/plain[\s\S]*?\r?\n\r?\n([\s\S]*?)\r?\n--/i.exec(raw)?.[1] ?? '';
  const text = part
    .replace(/=\r?\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  const subject = /^Subject: (.*)$/m.exec(raw)?.[1] ?? '';
  return { id: String(at), at: '', to: to[0] ?? '', subject, text, html: '' };
}

async function readMailbox(place: MailboxPlace): Promise<readonly ReceivedMail[]> {
  const response = await fetch(new URL('/dev/mailbox', place.origin), {
    headers: { accept: 'application/json' },
    ...(place.dispatcher ? { dispatcher: place.dispatcher } : {}),
  });
  if (!response.ok) throw new Error(`the mailbox answered ${response.status}`);
  return (await response.json()) as readonly ReceivedMail[];
}

/** The newest mail to an address at this moment, without waiting for one; of those with such a subject, if one is given. */
export async function newestNow(
  place: MailboxPlace,
  to: string,
  subject = /^/,
): Promise<ReceivedMail | undefined> {
  return (await readMailbox(place)).find(each => each.to === to && subject.test(each.subject));
}

/** Every mail to an address at this moment, the newest first. */
export async function mailsNow(place: MailboxPlace, to: string): Promise<readonly ReceivedMail[]> {
  return (await readMailbox(place)).filter(each => each.to === to);
}

/** The code in a mail: eight digits, perhaps with a space in the middle. */
export function codeIn(mail: Pick<ReceivedMail, 'text'>): string {
  const [, first, second] = /\b(\d{4})[ \u00a0]?(\d{4})\b/.exec(mail.text) ?? [];
  if (!first || !second) throw new Error(`there is no code in this mail:\n${mail.text}`);
  return first + second;
}

/** The link in a mail that leads into a pending sign-up or sign-in. */
export function linkIn(mail: Pick<ReceivedMail, 'text'>): string {
  const link = /https?:\/\/\S+\/link\/\S+/.exec(mail.text)?.[0];
  if (!link) throw new Error(`there is no link in this mail:\n${mail.text}`);
  return link;
}

/** The link "This wasn't me" in a notice. */
export function objectionIn(mail: Pick<ReceivedMail, 'text'>): string {
  const link = /https?:\/\/\S+\/objection\/\S+/.exec(mail.text)?.[0];
  if (!link) throw new Error(`there is no objection in this mail:\n${mail.text}`);
  return link;
}
