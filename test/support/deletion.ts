import { findDeletionOf } from '../../src/domain/deletions/deletions.js';
import { advance } from '../../src/journeys/privacy/deletion/job.js';
import type { Saga } from '../../src/journeys/privacy/deletion/saga.js';
import { openSubjects } from '../../src/oidc/subjects.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import type { Db } from '../../src/platform/storage/db.js';
import { openRenderer } from '../../src/platform/web/render.js';
import { openWords } from '../../src/platform/web/words.js';
import type { TestKeyhold } from './keyhold.js';

export const DAY = 86_400_000;

/** What the steps of a deletion work with, as if so many milliseconds had passed. */
export function sagaOf(
  { db, config }: { readonly db: Db; readonly config: Pick<TestKeyhold['config'], 'issuer' | 'secret'> },
  passed: number,
  more: Partial<Saga> = {},
): Saga {
  const keyring = openKeyring(config.secret);
  return {
    db,
    telling: {
      issuer: config.issuer,
      keyring,
      renderer: openRenderer(openWords()),
      rp: { name: 'Keyhold' },
    },
    subjectOf: openSubjects(keyring),
    erasedList: undefined,
    days: 7,
    now: new Date(Date.now() + passed),
    signal: new AbortController().signal,
    ...more,
  };
}

/** The number of the deletion of an account. */
export async function deletionOf(db: Db, accountId: string): Promise<string> {
  const deletion = await findDeletionOf(db, accountId);
  if (!deletion) throw new Error('this account is not to be deleted');
  return deletion.id;
}

/** Takes every step that is due after so many milliseconds; gives the state it is in then. */
export async function passing(
  keyhold: Pick<TestKeyhold, 'db' | 'config'>,
  id: string,
  passed: number,
  more: Partial<Saga> = {},
): Promise<string> {
  await advance(sagaOf(keyhold, passed, more), id);
  return (await keyhold.db('deletions').where({ id }).first('state')).state;
}

/**
 * Where any of these stands in clear, in which table of the installation or of the queue: as text, and as part of anything that
 * holds text. `spared` are the tables that may name them, and why is said where they are named.
 */
export async function whereIn(
  db: Db,
  traces: readonly string[],
  spared: readonly string[],
): Promise<readonly string[]> {
  const { rows: tables } = await db.raw<{ rows: { name: string }[] }>(
    `SELECT c.oid::regclass::text AS name FROM pg_class c WHERE c.relkind = 'r'
       AND c.relnamespace IN ('public'::regnamespace, 'graphile_worker'::regnamespace) ORDER BY 1`,
  );
  const found: string[] = [];
  for (const { name } of tables.filter(table => !spared.includes(table.name))) {
    const { rows } = await db.raw<{ rows: { trace: string; row: string }[] }>(
      `SELECT trace, left(row, 200) AS row FROM (SELECT t::text AS row FROM ${name} t OFFSET 0) AS t, unnest(?::text[]) AS trace
       WHERE position(lower(trace) IN lower(row)) > 0
         OR position(encode(convert_to(trace, 'UTF8'), 'hex') IN row) > 0
         OR position(encode(convert_to(trace, 'UTF8'), 'base64') IN row) > 0`,
      [[...traces]],
    );
    found.push(...rows.map(({ trace, row }) => `${name}: ${trace} in ${row}`));
  }
  return found;
}
