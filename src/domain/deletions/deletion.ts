/**
 * waiting: asked for, and may still be undone · undone · begun: the account is closed, and whom to tell is noted · told: each of
 * them is being told · removed: nothing about the person is left here · finished: each was heard, or could not be reached ·
 * audited: those who confirmed were asked once more.
 */
export const DELETION_STATES = [
  'waiting',
  'undone',
  'begun',
  'told',
  'removed',
  'finished',
  'audited',
] as const;
export type DeletionState = (typeof DELETION_STATES)[number];

/** Who wanted it: the person, nobody who used the account for years, or a backup that brought back what was gone. */
export type DeletionCause = 'person' | 'dormancy' | 'restored';

/**
 * noted: to be told · asked: no answer yet · later: the app took it and will answer · confirmed: nothing is left there · kept: a
 * law makes the app keep something · received: the app took it and says nothing more · refused: what it says cannot be right, or
 * it will not · unreachable · settled: an operator saw to it by another way.
 */
export const RECIPIENT_STATES = [
  'noted',
  'asked',
  'later',
  'confirmed',
  'kept',
  'received',
  'refused',
  'unreachable',
  'settled',
] as const;
export type RecipientState = (typeof RECIPIENT_STATES)[number];

/** The states in which an app is still to answer. */
export const OPEN_RECIPIENTS: readonly RecipientState[] = ['noted', 'asked', 'later'];

/** Asked once more, thirty days later: gone · kept, as it had said · there: what was confirmed is not so · unknown: no answer. */
export type AuditState = 'asked' | 'gone' | 'kept' | 'there' | 'unknown';

/** How far the deletion of an account has come. */
export interface Deletion {
  readonly id: string;
  readonly state: DeletionState;
  readonly cause: DeletionCause;
  readonly askedAt: Date;
  /** Until then it can be undone. */
  readonly beginsAt: Date;
  readonly undoneAt: Date | undefined;
  readonly begunAt: Date | undefined;
  readonly toldAt: Date | undefined;
  readonly removedAt: Date | undefined;
  readonly finishedAt: Date | undefined;
  readonly auditsAt: Date | undefined;
  readonly auditedAt: Date | undefined;
  /** Why the last look came to nothing, in a code, and how often in a row. */
  readonly trouble: string | undefined;
  readonly tries: number;
  /** When somebody looks at it next; never again when undefined. */
  readonly lookAt: Date | undefined;
  /** The account's id under a key, as the list of what was erased has it. */
  readonly mark: Buffer;
  /** Digest of what the private link carries. */
  readonly link: Buffer;
}

/** An app that has to hear of it, and what became of that. */
export interface DeletionRecipient {
  readonly clientId: string;
  /** As it was called then; undefined for one that was gone already. */
  readonly name: string | undefined;
  /** The names of what it had been told. */
  readonly claims: readonly string[];
  /** When it was told something last, as far as that is on record. */
  readonly toldLastAt: Date | undefined;
  readonly state: RecipientState;
  /** A code of ours. */
  readonly answer: string | undefined;
  /** Why it keeps something, in its own words, or what an operator did. */
  readonly note: string | undefined;
  readonly attempts: number;
  readonly askedAt: Date | undefined;
  readonly endedAt: Date | undefined;
  readonly audit: AuditState | undefined;
  readonly auditedAt: Date | undefined;
}

/** Where to write to, in which language, and what the private link carries: all that is kept of a person meanwhile. */
export interface Correspondence {
  readonly token: string;
  readonly addresses: readonly string[];
  readonly language: string;
  readonly zone?: string | undefined;
}

const DAY = 86_400_000;

/** So many days later. */
export const daysAfter = (at: Date, days: number): Date => new Date(at.getTime() + days * DAY);

/** After so many days those who confirmed are asked once more. */
export const AUDIT_DAYS = 30;
/** So many days they have to answer that. */
export const AUDIT_ANSWER_DAYS = 7;
/** What an app has not answered after so many days it has not answered (GDPR Art. 12(3) gives a month). */
export const ANSWER_DAYS = 28;
/** Operators see what has not moved on for so long, in milliseconds. */
export const STUCK_MS = 3 * DAY;

/** Whether an operator should look at it: it fails again and again, or an app neither confirms nor says why not. */
export function isStuck(
  { state, trouble, tries, begunAt }: Deletion,
  recipients: readonly Pick<DeletionRecipient, 'state' | 'audit'>[],
  at: Date,
): boolean {
  if (state === 'undone') return false;
  if (trouble !== undefined && tries > 3) return true;
  if (recipients.some(one => one.state === 'refused' || one.state === 'unreachable' || one.audit === 'there'))
    return true;
  const under = state === 'begun' || state === 'told' || state === 'removed';
  return under && begunAt !== undefined && at.getTime() - begunAt.getTime() > STUCK_MS;
}
