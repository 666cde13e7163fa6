import { z } from 'zod';

/** A text message to one phone. */
export interface Sms {
  /** E.164. */
  readonly to: string;
  readonly text: string;
}

/** A text message with the id that every try to send it carries. */
export interface NumberedSms extends Sms {
  readonly id: string;
}

/** Two parts at most, each of which is paid for. */
const LONGEST = 306;

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not get in
const TEXT = /^[^\u0000-\u0009\u000b-\u001f\u007f]*$/;

/** What may leave: a number and a short text, without control characters other than the end of a line. */
export const smsSchema = z.object({
  to: z.string().regex(/^\+[1-9]\d{5,14}$/),
  text: z.string().min(1).max(LONGEST).regex(TEXT),
});

/**
 * A text that brings a code, with a last line that binds it to our origin: a phone then offers to fill it in here and
 * nowhere else (https://wicg.github.io/sms-one-time-codes/).
 */
export function withCode(sentence: string, host: string, code: string): string {
  return `${sentence}\n\n@${host} #${code}`;
}
