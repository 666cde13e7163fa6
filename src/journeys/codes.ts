import { beginProof, PROOF_MINUTES, type ProofPurpose } from '../domain/contacts/contacts.js';
import { sealMail } from '../platform/mail/mail.js';
import { openWork, type Work } from '../platform/storage/work.js';
import { askedFrom } from '../platform/web/origin.js';
import type { Parts } from './journey.js';
import { countTry, MAILS } from './limits.js';
import type { MailModels } from './mail-models.js';
import { stepUrl, type Turn } from './turn.js';

/** Puts a mail into the queue, in the language of whoever asked; a decoy is as much work and is sent to nobody. */
export function mail<Name extends keyof MailModels>(
  work: Work,
  parts: Parts,
  name: Name,
  to: string,
  language: string,
  model: Omit<MailModels[Name], 'issuerName'>,
  decoy = false,
): void {
  const rendered = parts.renderer.mail(name, language, { issuerName: parts.rp.name, ...model });
  work.enqueue(sealMail(parts.keyring, { to, ...rendered }, decoy));
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
    ) => void = (name, model) => mail(work, parts, name, email, locale, model, decoy);
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
