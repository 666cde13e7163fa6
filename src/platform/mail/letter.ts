import { z } from 'zod';

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not get in
const LINE = /^[^\u0000-\u001f\u007f\u2028\u2029]*$/;
const ADDRESS = /^[^\s@<>()[\]\\,;:"]+@[^\s@<>()[\]\\,;:"]+$/;

/** One mail to one person; a line break in an address, subject or header cannot get in. */
export const mailSchema = z.object({
  to: z.string().max(254).regex(LINE).regex(ADDRESS),
  subject: z.string().min(1).max(400).regex(LINE),
  text: z.string(),
  html: z.string(),
  headers: z.record(z.string().regex(/^[A-Za-z][A-Za-z0-9-]*$/), z.string().max(900).regex(LINE)).optional(),
});

/** One mail to one person. */
export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** A mail with the id that every try to send it carries. */
export interface Letter extends Mail {
  readonly id: string;
}
