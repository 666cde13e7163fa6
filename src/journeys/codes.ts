import { v7 as uuidv7 } from 'uuid';
import { beginProof, PROOF_MINUTES, type ProofPurpose } from '../domain/contacts/contacts.js';
import { keepMessage } from '../domain/messages/messages.js';
import { sealMail } from '../platform/mail/mail.js';
import { openWork, type Work } from '../platform/storage/work.js';
import { askedFrom } from '../platform/web/origin.js';
import type { Parts } from './journey.js';
import { countTry, MAILS } from './limits.js';
import { MAIL_KINDS, type MailModels } from './mail-models.js';
import { stepUrl, type Turn } from './turn.js';

/** What writing a mail takes of the parts. */
export type Writer = Pick<Parts, 'renderer' | 'keyring'> & { readonly rp: { readonly name: string } };

/** To whom a mail goes. */
export interface Recipient {
  readonly to: string;
  readonly language: string;
  /** Whose messages it belongs to; undefined where the address is nobody's yet. */
  readonly accountId: string | undefined;
  /** As much work, and sent to nobody. */
  readonly decoy?: boolean;
}

/** Puts a mail into the queue, and on record among its owner's messages, in one statement with all that the work leaves. */
export function mail<Name extends keyof MailModels>(
  work: Work,
  parts: Writer,
  name: Name,
  { to, language, accountId, decoy }: Recipient,
  model: Omit<MailModels[Name], 'issuerName'>,
): void {
  const { version, ...rendered } = parts.renderer.mail(name, language, {
    issuerName: parts.rp.name,
    ...model,
  });
  const id = uuidv7();
  work.enqueue(sealMail(parts.keyring, { to, ...rendered }, { id, accountId, ...(decoy && { decoy }) }));
  if (accountId === undefined || decoy) return;
  const subject = withoutCode(rendered.subject, model);
  keepMessage(work, parts.keyring, {
    id,
    accountId,
    channel: 'email',
    kind: MAIL_KINDS[name],
    template: templateOf(name, model),
    templateVersion: version,
    language,
    to,
    subject,
  });
}

/** A code that was sent to an address while it was nobody's, or nobody was to know whose. */
interface ProvedCode {
  readonly name: 'sign-up-code' | 'add-email-code';
  readonly accountId: string;
  readonly email: string;
  /** The proof that it belongs to. */
  readonly provedBy: string | undefined;
}

/** Puts on record the code that proved an address, now that it is the account's: sent when the proof was begun, and read. */
export function keepProvedCode(
  work: Work,
  parts: Writer,
  { name, accountId, email, provedBy }: ProvedCode,
  language: string,
): void {
  if (provedBy === undefined) return;
  /* RFC 9562 §5.7: the first 48 bits of the proof's id are when it was begun. */
  const sentAt = new Date(Number.parseInt(provedBy.replaceAll('-', '').slice(0, 12), 16));
  const model = { issuerName: parts.rp.name, code: HIDDEN, url: '', minutes: 0, asked: { at: sentAt } };
  const { subject, version } = parts.renderer.mail(name, language, model);
  keepMessage(work, parts.keyring, {
    id: provedBy,
    accountId,
    channel: 'email',
    kind: MAIL_KINDS[name],
    template: name,
    templateVersion: version,
    language,
    to: email,
    subject,
    sentAt,
  });
}

/* Notices share one template, and each kind says something else. */
function templateOf(name: string, model: object): string {
  const news: unknown = 'news' in model ? model.news : undefined;
  return typeof news === 'object' && news && 'kind' in news ? `${name}/${String(news.kind)}` : name;
}

const HIDDEN = '••••••••';

/* The record says what was sent, and nobody gets in by reading it. */
function withoutCode(subject: string, model: object): string {
  return 'code' in model ? subject.replaceAll(String(model.code), HIDDEN) : subject;
}

/** For what a code is sent, to which address, and whose address that is. */
export interface CodeRequest {
  readonly purpose: ProofPurpose;
  readonly email: string;
  readonly accountId: string | undefined;
}

/** Sends a code to an address, or tells its owner that somebody tried: both look the same to whoever asks. */
export async function sendCode(turn: Turn, { purpose, email, accountId }: CodeRequest): Promise<void> {
  const { ctx, parts, pending } = turn;
  await countTry(turn, MAILS, { email, account: accountId === undefined ? undefined : { id: accountId } });
  const locale = parts.pages.language(ctx);
  const from = { ...askedFrom(ctx), app: pending.app.name };
  const asked = { at: new Date(), ...from };
  const minutes = PROOF_MINUTES;
  const exists = accountId !== undefined;
  const decoy = !exists && purpose !== 'sign-up';
  await openWork(parts.db, { kind: 'person' }, async work => {
    const { code, linkToken } = await beginProof(work, parts.keyring, {
      purpose,
      address: email,
      accountId,
      binding: pending.uid,
      askedFrom: JSON.stringify(from),
      locale,
      decoy: exists === (purpose === 'sign-up'),
    });
    const send: <Name extends keyof MailModels>(
      name: Name,
      model: Omit<MailModels[Name], 'issuerName'>,
    ) => void = (name, model) =>
      mail(work, parts, name, { to: email, language: locale, accountId, decoy }, model);
    if (purpose === 'sign-up') {
      const { origin } = parts.issuer;
      if (exists) send('account-exists', { signInUrl: `${origin}/`, asked });
      else
        send('sign-up-code', { code, url: `${origin}${stepUrl(pending)}/link/${linkToken}`, minutes, asked });
    } else {
      send(purpose === 'recovery' ? 'recovery-code' : 'sign-in-code', { code, minutes, asked });
    }
  });
}
