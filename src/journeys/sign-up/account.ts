import type Koa from 'koa';
import { openAccount } from '../../domain/accounts/accounts.js';
import { acceptTerms } from '../../domain/consents/consents.js';
import { addVerifiedEmail } from '../../domain/contacts/contacts.js';
import { checkPassword, PASSWORD_MINIMUM, type PasswordReason, setPassword } from '../../domain/credentials/credentials.js';
import { setAttributes } from '../../domain/profiles/profiles.js';
import type { PendingRequest } from '../../oidc/interaction.js';
import { Refusal } from '../../platform/errors.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import { readForm } from '../../platform/web/input.js';
import { type Parts, pendingRequest, seeOther, toStep } from '../journey.js';
import type { Problem, ProblemWord } from '../page-models.js';
import { progressOf, stepOf } from '../progress.js';
import { goOn } from '../sign-in/going-on.js';
import { showStep } from '../sign-in/pages.js';
import { TERMS_VERSION } from '../terms.js';

const LONGEST_NAME = 120;

/** What somebody gives beside the credential when an account is opened. */
export interface Applicant {
  readonly accountId: string;
  readonly email: string;
  readonly name: string;
}

const WORDS: Readonly<Record<PasswordReason, ProblemWord>> = {
  too_short: 'password_too_short',
  too_long: 'password_too_long',
  repeated: 'password_known',
  sequence: 'password_known',
  common: 'password_known',
  context_word: 'password_contains_context',
};

/** The applicant of a request whose address is proved; nobody at any other step. */
export function applicantOf(pending: PendingRequest, name: unknown): Applicant | undefined {
  const { newAccountId, email } = progressOf(pending);
  if (stepOf(pending) !== 'sign-up-credential' || !newAccountId || !email) return undefined;
  return { accountId: newAccountId, email, name: typeof name === 'string' ? name.normalize('NFC').trim() : '' };
}

/** What is wrong with the name or the terms. */
export function applicationProblems(applicant: Applicant, accepted: boolean): Problem[] {
  const problems: Problem[] = [];
  if (applicant.name.length > LONGEST_NAME) problems.push({ word: 'name_too_long', field: 'name' });
  if (!accepted) problems.push({ word: 'terms_missing', field: 'terms' });
  return problems;
}

/** Opens the account with its proved address, its name and the terms accepted, all in the caller's work. */
export async function openApplicantsAccount(work: Work, applicant: Applicant, language: string): Promise<void> {
  const { accountId, email, name } = applicant;
  await openAccount(work, { id: accountId, email, language });
  await addVerifiedEmail(work, accountId, email);
  await acceptTerms(work, accountId, TERMS_VERSION, language);
  if (name !== '') await setAttributes(work, accountId, { name }, 'person');
}

/** Opens an account with a password. */
export async function submitAccount(ctx: Koa.Context, parts: Parts): Promise<void> {
  const form = await readForm(ctx, parts.csrf);
  const pending = await pendingRequest(ctx, parts);
  const applicant = applicantOf(pending, form['name']);
  if (!applicant) return toStep(ctx, pending.uid);
  const password = typeof form['password'] === 'string' ? form['password'] : '';
  const accepted = form['terms'] === 'yes';
  const problems = [
    ...applicationProblems(applicant, accepted),
    ...(await passwordProblems(parts, password, applicant)),
  ];
  if (problems.length > 0) {
    ctx.status = 400;
    const typed = { name: applicant.name.slice(0, 1000), termsAccepted: accepted };
    return showStep(ctx, parts, pending, problems, undefined, typed);
  }
  const hash = await parts.hasher.hash(password);
  const language = parts.pages.language(ctx);
  const actor = { kind: 'person', id: applicant.accountId } as const;
  await openWork(parts.db, actor, async work => {
    await openApplicantsAccount(work, applicant, language);
    await setPassword(work, applicant.accountId, hash);
  }).catch(error => restartTaken(parts, pending, error));
  seeOther(ctx, await goOn(ctx, parts, pending, { accountId: applicant.accountId, acr: 'aal1', amr: ['pwd'] }));
}

async function passwordProblems(parts: Parts, password: string, { email, name }: Applicant): Promise<Problem[]> {
  if (password === '') return [{ word: 'password_missing', field: 'password' }];
  const minimum = PASSWORD_MINIMUM.alone;
  const verdict = await checkPassword(parts.db, password, { minimum, context: [email, name] });
  if (verdict.ok) return [];
  return [{ word: WORDS[verdict.reason], field: 'password', vars: { count: minimum } }];
}

/** Two browsers proved one address and the other was first: this request starts again, at signing in. */
export function restartTaken(parts: Parts, pending: PendingRequest, error: unknown): never {
  if (error instanceof Refusal && error.code === 'identifier_taken') {
    parts.interactions.remember(pending, { way: 'sign-in' });
    throw new Refusal('conflict', 'account_exists', 'There is an account with this address already. Sign in instead.', {
      cause: error,
    });
  }
  throw error;
}
