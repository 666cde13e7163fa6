import { openAccount } from '../../domain/accounts/accounts.js';
import { acceptTerms } from '../../domain/consents/consents.js';
import { addVerifiedEmail } from '../../domain/contacts/contacts.js';
import {
  checkPassword,
  PASSWORD_MINIMUM,
  type PasswordReason,
  setPassword,
} from '../../domain/credentials/credentials.js';
import { setAttributes } from '../../domain/profiles/profiles.js';
import { Refusal } from '../../platform/errors.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import { keepProvedCode } from '../codes.js';
import { type Parts, seeOther } from '../journey.js';
import type { Problem, ProblemWord } from '../page-models.js';
import { BY_PASSWORD, goOn } from '../sign-in/going-on.js';
import { showProblems } from '../sign-in/pages.js';
import { TERMS_VERSION } from '../terms.js';
import { advance, type Turn } from '../turn.js';
import { nameAsked, nameProblem } from './name.js';

/** What somebody gives beside the credential when an account is opened. */
export interface Applicant {
  readonly accountId: string;
  readonly email: string;
  readonly name: string;
  /** The proof of the address, whose code was the first message to it. */
  readonly provedBy: string | undefined;
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
export function applicantOf({ step, progress, sent }: Turn): Applicant | undefined {
  const { newAccountId, email, provedBy } = progress;
  const opening = step === 'sign-up-credential' || step === 'federated-account';
  if (!opening || !newAccountId || !email) return undefined;
  return { accountId: newAccountId, email, name: tidyName(sent['name']), provedBy };
}

/* A name is one line: no control characters, no line breaks, and no marks that turn the text around it. */
function tidyName(name: unknown): string {
  if (typeof name !== 'string') return '';
  const line = name.normalize('NFC').replace(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]+/gu, ' ');
  return line.replace(/\s+/g, ' ').trim();
}

/** What is wrong with the name or the terms. */
export function applicationProblems(
  { name }: Applicant,
  accepted: boolean,
  { profile }: Pick<Parts, 'profile'>,
): Problem[] {
  const problems: Problem[] = [];
  const word = nameProblem(profile, name);
  if (word) problems.push({ word, field: 'name' });
  if (!accepted) problems.push({ word: 'terms_missing', field: 'terms' });
  return problems;
}

/** Opens the account with its proved address, its name and the terms accepted, all in the caller's work. */
export async function openApplicantsAccount(
  work: Work,
  parts: Pick<Parts, 'keyring' | 'profile' | 'renderer' | 'rp'>,
  applicant: Applicant,
  language: string,
): Promise<void> {
  const { keyring, profile } = parts;
  const { accountId, email, name } = applicant;
  await openAccount(work, keyring, { id: accountId, email, language });
  await addVerifiedEmail(work, accountId, email);
  await acceptTerms(work, accountId, TERMS_VERSION, language);
  if (name !== '' && nameAsked(profile)) await setAttributes(work, profile, accountId, { name }, 'person');
  keepProvedCode(work, parts, { ...applicant, name: 'sign-up-code' }, language);
}

/** Opens an account with a password. */
export async function submitAccount(turn: Turn): Promise<void> {
  const { ctx, parts, sent } = turn;
  const applicant = applicantOf(turn);
  if (!applicant) throw new Error('no address was proved');
  const password = typeof sent['password'] === 'string' ? sent['password'] : '';
  const termsAccepted = sent['terms'] === 'yes';
  const problems = [
    ...applicationProblems(applicant, termsAccepted, parts),
    ...(await passwordProblems(parts, password, applicant)),
  ];
  if (problems.length > 0) {
    return showProblems(turn, problems, { name: applicant.name.slice(0, 1_000), termsAccepted });
  }
  const hash = await parts.hasher.hash(password);
  const opened = await openedOrTaken(turn, applicant, async work => {
    await openApplicantsAccount(work, parts, applicant, parts.pages.language(ctx));
    await setPassword(work, applicant.accountId, hash);
  });
  if (opened) seeOther(ctx, await goOn(turn, { accountId: applicant.accountId, ...BY_PASSWORD }));
}

/** What is wrong with a password that somebody wants to set. */
export async function passwordProblems(
  parts: Parts,
  password: string,
  { email, name }: Pick<Applicant, 'email' | 'name'>,
): Promise<Problem[]> {
  if (password === '') return [{ word: 'password_missing', field: 'password' }];
  const minimum = PASSWORD_MINIMUM.alone;
  const verdict = await checkPassword(parts.db, password, { minimum, context: [email, name] });
  if (verdict.ok) return [];
  return [{ word: WORDS[verdict.reason], field: 'password', vars: { count: minimum } }];
}

/**
 * Opens the account, unless another browser that proved the same address was first: then this request goes on with
 * signing in. The owner of the address may know that the account is there.
 */
export async function openedOrTaken(
  turn: Turn,
  { accountId, email }: Applicant,
  open: (work: Work) => Promise<void>,
): Promise<boolean> {
  try {
    await openWork(turn.parts.db, { kind: 'person', id: accountId }, open);
    return true;
  } catch (error) {
    if (!(error instanceof Refusal) || error.code !== 'identifier_taken') throw error;
    advance(turn, { way: 'sign-in', email, accountExists: true });
    return false;
  }
}
