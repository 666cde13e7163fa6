import type Koa from 'koa';
import { beginProof, PROOF_MINUTES, type ProofPurpose } from '../domain/contacts/contacts.js';
import type { PendingRequest } from '../oidc/interaction.js';
import { Refusal } from '../platform/errors.js';
import { sealMail } from '../platform/mail/mail.js';
import { openWork, type Work } from '../platform/storage/work.js';
import { visitOf } from '../platform/web/surface.js';
import { askedFrom, type Parts } from './journey.js';
import { mailLimits } from './limits.js';
import type { Asked, MailModels } from './page-models.js';

/** Puts a mail into the queue, in the language of whoever asked. */
export function mail<Name extends keyof MailModels>(
  work: Work,
  parts: Parts,
  name: Name,
  to: string,
  language: string,
  model: Omit<MailModels[Name], 'issuerName'>,
): void {
  const rendered = parts.renderer.mail(name, language, { issuerName: parts.rp.name, ...model });
  work.enqueue(sealMail(parts.keyring, { to, ...rendered }));
}

/** Sends a code to an address, or tells its owner that somebody tried: both look the same to whoever asks. */
export async function sendCode(
  ctx: Koa.Context,
  parts: Parts,
  pending: PendingRequest,
  code: { readonly purpose: Extract<ProofPurpose, 'sign-up' | 'sign-in'>; readonly email: string; readonly accountId: string | undefined },
): Promise<void> {
  const { purpose, email, accountId } = code;
  const verdict = await parts.protection.count(mailLimits(email, visitOf(ctx).address));
  if (!verdict.allowed) {
    throw new Refusal('limited', 'too_many_mails', 'We have sent several mails already.', { retryAfter: verdict.retryAfter });
  }
  const language = parts.pages.language(ctx);
  const { device, address } = askedFrom(ctx);
  const asked: Asked = { at: new Date(), app: pending.app.name, device, address };
  const decoy = purpose === 'sign-up' ? accountId !== undefined : accountId === undefined;
  await openWork(parts.db, { kind: 'person' }, async work => {
    const begun = await beginProof(work, parts.keyring, {
      purpose,
      address: email,
      accountId,
      binding: pending.uid,
      askedFrom: JSON.stringify({ device, address, app: pending.app.name }),
      locale: language,
      decoy,
    });
    const minutes = PROOF_MINUTES;
    if (purpose === 'sign-up' && accountId !== undefined) {
      mail(work, parts, 'account-exists', email, language, { signInUrl: `${parts.issuer.origin}/`, asked });
    } else if (purpose === 'sign-up') {
      const url = `${parts.issuer.origin}/interaction/${pending.uid}/link/${begun.linkToken}`;
      mail(work, parts, 'sign-up-code', email, language, { code: begun.code, url, minutes, asked });
    } else if (accountId !== undefined) {
      mail(work, parts, 'sign-in-code', email, language, { code: begun.code, minutes, asked });
    }
  });
}
