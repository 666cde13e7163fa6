import { Refusal } from '../../platform/errors.js';

/** active: may act · archived: not used for long, and put away until its owner brings it back · suspended: kept, may not act · frozen: its owner said "this wasn't me" and must recover it · closed: on its way out. */
export type AccountState = 'active' | 'archived' | 'suspended' | 'frozen' | 'closed';

/** What somebody says about selling their data, or sharing it for advertising across contexts. */
export type SaleChoice = 'opted_out' | 'opted_in';

/** What of somebody must be kept and not used: everything, or what is held for these purposes, and these attributes. */
export interface Restriction {
  readonly all: boolean;
  readonly purposes: readonly string[];
  readonly attributes: readonly string[];
}

/** Whether an attribute, or all that is held for a purpose, must not be used at this moment. */
export function isHeldBack(
  restriction: Restriction | null | undefined,
  { attribute, purpose }: { readonly attribute?: string | undefined; readonly purpose?: string | undefined },
): boolean {
  if (!restriction) return false;
  const { all, purposes, attributes } = restriction;
  return (
    all ||
    (purpose !== undefined && purposes.includes(purpose)) ||
    (attribute !== undefined && attributes.includes(attribute))
  );
}

/** Somebody Keyhold knows. What is known about them is the profile's, how they sign in the credentials'. */
export interface Account {
  readonly id: string;
  readonly state: AccountState;
  readonly language: string;
  readonly openedAt: Date;
  /** What was proved before this moment proves nothing any more. */
  readonly proofsFrom: Date | undefined;
  /** Whoever authenticated before that is not signed in any more, wherever that is still on its way. */
  readonly signedOutBefore?: Date | undefined;
  /** How many notices went out since it was last used. */
  readonly dormancyNotices: number;
  /** What its owner said about selling and sharing their data; undefined when they said nothing. */
  readonly saleChoice: SaleChoice | undefined;
  /** Its owner has a second factor: a password alone opens nothing. */
  readonly secondStep: boolean;
  /** When it goes for good, where that was asked for; until then it can be undone. */
  readonly leavingAt?: Date | undefined;
  /** What they may do here, by name. */
  readonly roles: readonly string[];
  /** What must not be used; undefined where nothing is held back. */
  readonly restriction?: Restriction | undefined;
}

/** Whether somebody has one of the roles whose people must have a second factor. */
export function mustHaveSecondFactor(
  roles: readonly string[] | undefined,
  demanding: readonly string[],
): boolean {
  return roles?.some(role => demanding.includes(role)) === true;
}

/** How a role is named. */
export const ROLE_NAME = /^[a-z][a-z0-9_-]{0,31}$/;

/**
 * May what is kept of an account be changed now? Asked under the lock of the change, as `mayAct` is of whoever comes in; a
 * frozen one takes nothing but the undoing of what was done to it.
 */
export function mayChange(account: Account | undefined, by?: 'undoing'): account is Account {
  return account?.state === 'active' || (by === 'undoing' && account?.state === 'frozen');
}

/**
 * Whether an account may be removed now: not one that an operator suspended, since there is a reason for that; nor one whose owner
 * froze it, or came back to it.
 */
export function mayLeave(
  { state }: Pick<Account, 'state'>,
  cause: 'unused' | 'wish',
): 'yes' | 'held' | 'stays' {
  if (state === 'suspended') return 'held';
  const stays = state === 'frozen' || (cause === 'unused' && state === 'active');
  return stays ? 'stays' : 'yes';
}

/** The first full second from which an authentication counts again: sessions and tokens know seconds only. */
export function nextSecond(at: Date): Date {
  return new Date(Math.ceil(at.getTime() / 1000) * 1000);
}

/**
 * When an authentication counts from. Sessions know seconds only: one that was proved after everybody was signed out, and
 * still in that second, would be signed out with them; it counts from the next.
 */
export function authenticatedFrom(at: Date, account: Account | undefined): Date {
  const { proofsFrom, signedOutBefore } = account ?? {};
  if (!proofsFrom || !signedOutBefore || at < proofsFrom) return at;
  const left = signedOutBefore.getTime() - at.getTime();
  return left > 0 && left < 1_000 ? signedOutBefore : at;
}

const LONGEST_ADDRESS = 254;
const SHAPE = /^[^\s\p{C}@"(),:;<>[\\\]]+@[\p{L}\p{M}\p{N}-]+(\.[\p{L}\p{M}\p{N}-]+)+$/u;

/**
 * An e-mail address in the one form it is looked up by: NFKC, without surrounding space, lower case, the domain in
 * ASCII. Two spellings that a mail server may tell apart only by case are one identifier here. Undefined when it is none.
 */
export function normaliseEmail(typed: string): string | undefined {
  const text = typed.normalize('NFKC').trim().toLowerCase().normalize('NFKC');
  if (text.length > LONGEST_ADDRESS || !SHAPE.test(text)) return undefined;
  const at = text.lastIndexOf('@');
  const domain = URL.parse(`http://${text.slice(at + 1)}`)?.hostname;
  if (!domain || !/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(domain) || /\.\d+$/.test(domain)) return undefined;
  return `${text.slice(0, at)}@${domain}`;
}

/** The address belongs to somebody already. Whoever tells a person so does it by mail to the owner only. */
export function identifierTaken(cause?: unknown): Refusal {
  return new Refusal('conflict', 'identifier_taken', 'This address is in use.', { cause });
}
