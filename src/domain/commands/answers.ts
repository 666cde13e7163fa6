import { z } from 'zod';
import { ACCOUNT_STATES, type AccountState, type CommandName, type Route } from './command.js';
import type { Outcome } from './store.js';

/** What an app sent back; of its body, nothing when it could not be read or was too long. */
export interface Heard {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | undefined;
}

/** What was asked of whom, against which an answer is held. */
export interface Asked {
  readonly command: CommandName;
  readonly subject: string;
  /** The app promised to answer later where it may. */
  readonly mayAnswerLater: boolean;
  readonly channel: Exclude<Route['channel'], 'none'>;
}

/** What an answer comes to: an end, or another try; `down` when the app did not answer as one that works does. */
export type Judged =
  | Outcome
  | {
      readonly state: 'again';
      readonly down: boolean;
      readonly answer: string;
      readonly accountState?: AccountState;
    };

/* In which state of the account there what was asked for is so. */
const EXPECTED: Readonly<Record<CommandName, readonly AccountState[]>> = {
  delete: ['unknown'],
  audit: ACCOUNT_STATES,
  suspend: ['suspended', 'archived', 'unknown'],
  reactivate: ['active', 'unknown'],
  maintain: ['active', 'unknown'],
  invalidate: ACCOUNT_STATES,
};

const MOST_NOTE = 300;

const statementSchema = z.looseObject({
  sub: z.string(),
  account_state: z.string(),
  retention_reason: z.string().optional(),
});

const again = (answer: string, down = false): Judged => ({ state: 'again', down, answer });

/** What no answer at all comes to. */
export const NO_ANSWER: Judged = again('no_answer', true);

/** Judges an answer: only what is said about the right person, in the right form, confirms anything. */
export function judgeAnswer(asked: Asked, heard: Heard): Judged {
  const { status } = heard;
  if (status === 429 || status === 408 || status >= 500) return again(`http_${status}`, true);
  if (status >= 300 && status < 400) return again('redirect');
  if (asked.channel === 'risc') return judgeReceipt(heard);
  if (status === 202 && asked.mayAnswerLater) return { state: 'accepted', answer: 'later' };
  if (status === 202 || status === 204) return { state: 'received', answer: 'no_statement' };
  if (status === 409) return judgeBody(asked, heard);
  if (status >= 400) return again(errorOf(heard));
  if (asked.channel === 'webhook' && !isJson(heard)) return { state: 'received', answer: 'no_statement' };
  return judgeBody(asked, heard);
}

/* RFC 8935 §2.2: taken over, which says nothing about what came of it. */
function judgeReceipt(heard: Heard): Judged {
  if (heard.status === 202) return { state: 'received', answer: 'receipt' };
  return again(heard.status >= 400 ? errorOf(heard) : 'no_receipt');
}

function judgeBody(asked: Asked, heard: Heard): Judged {
  if (heard.body === undefined) return again('unreadable');
  if (heard.body.trim() === '' && heard.status !== 409) return { state: 'received', answer: 'no_statement' };
  if (!isJson(heard)) return again('wrong_type');
  const json = parsed(heard.body);
  if (json === undefined) return again('unreadable');
  const isSilent = typeof json === 'object' && json !== null && !('account_state' in json);
  if (asked.channel === 'webhook' && isSilent && heard.status !== 409)
    return { state: 'received', answer: 'no_statement' };
  return judgeStatement(asked, json);
}

/** Judges what an app says of the account there, at once or later. */
export function judgeStatement(
  { command, subject }: Pick<Asked, 'command' | 'subject'>,
  statement: unknown,
): Judged {
  const { success, data } = statementSchema.safeParse(statement);
  if (!success) return again('unreadable');
  if (data.sub !== subject) return again('wrong_subject');
  const accountState = ACCOUNT_STATES.find(state => state === data.account_state);
  if (!accountState) return again('wrong_state');
  const note = plainText(data.retention_reason ?? '');
  if (command === 'delete' && accountState === 'archived' && note !== '')
    return { state: 'kept', answer: 'kept', accountState, note };
  if (!EXPECTED[command].includes(accountState))
    return { state: 'again', down: false, answer: 'wrong_state', accountState };
  return { state: 'confirmed', answer: 'done', accountState };
}

/* Line breaks, marks that turn the direction of writing, and what is no character. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]+/gu;

/** The plain text of what an app says, on one line and bounded. */
function plainText(text: string): string {
  const line = text
    .slice(0, 4 * MOST_NOTE)
    .replace(UNPRINTABLE, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return [...line.normalize('NFC')].slice(0, MOST_NOTE).join('');
}

/* A code of the other side's, if it is one. */
function errorOf({ status, body, contentType }: Heard): string {
  const json = isJson({ contentType }) && body !== undefined ? parsed(body) : undefined;
  const { error, err } = (json ?? {}) as { readonly error?: unknown; readonly err?: unknown };
  const code = [error, err].find(each => typeof each === 'string' && /^[a-z][a-z_]{0,39}$/.test(each));
  return typeof code === 'string' ? code : `http_${status}`;
}

const isJson = ({ contentType }: Pick<Heard, 'contentType'>) =>
  /^application\/(?:[a-z0-9.-]+\+)?json\s*(?:;|$)/i.test(contentType);

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
