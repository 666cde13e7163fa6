import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

/** What of a table says nothing about anybody: keys, digests, states of our own work. */
const NOBODY = 'nobody';

const names = z.string().regex(/^[a-z_0-9]+( [a-z_0-9]+)*$/);

const catalogueSchema = z.strictObject({
  $comment: z.string().optional(),
  /** By table, then by purpose, its columns. */
  tables: z.record(z.string(), z.record(z.string(), names)),
  /** Tables that have nothing about people. */
  no_people: z.array(z.string()),
});

/** Which columns of which tables are held, and why each is. */
export type Catalogue = Readonly<z.output<typeof catalogueSchema>>;

let read: Catalogue | undefined;

/** The catalogue of columns, beside the declaration that names their purposes. */
export function listHeld(): Catalogue {
  if (!read) {
    const file = fileURLToPath(new URL('../../../../profile/held.json', import.meta.url));
    read = catalogueSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  }
  return read;
}

/** The purposes that tables are held for, whatever an operator declares. */
export function heldPurposes(): readonly string[] {
  const purposes = Object.values(listHeld().tables).flatMap(table => Object.keys(table));
  return [...new Set(purposes)].filter(purpose => purpose !== NOBODY).sort();
}
