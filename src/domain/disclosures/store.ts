import type { Clause, Db, Tx } from '../../platform/storage/db.js';
import { removeRows } from '../../platform/storage/removing.js';
import type { Disclosure, Hashes, Way } from './disclosure.js';

/** All that is about to leave to one app in one answer. */
export interface Leaving {
  readonly accountId: string;
  readonly clientId: string;
  /** What allowed it; undefined where none was needed. */
  readonly consentId: string | undefined;
  readonly at: Date;
  readonly answers: readonly {
    readonly id: string;
    readonly way: Way;
    readonly digest: string;
    readonly hashes: Hashes;
    /** By claim; of those that are held for none, nothing. */
    readonly purposes: Readonly<Record<string, string>>;
  }[];
}

/* An app that asks for the same in more ways than these by turns costs a write each time, and no row. */
const REMEMBERED = 8;

/**
 * Puts on record what leaves, as part of another statement: of each claim one row if it is new to the app or has another
 * value than it was told last, and otherwise none. Of several at once the database lets one after the other decide; each
 * locks in the order of the ways.
 */
export function insertDisclosures({ accountId, clientId, consentId, at, answers }: Leaving): Clause {
  const told = answers.map(({ id, way, digest, hashes }) => ({ id, way, digest, claims: hashes }));
  const claims = answers.flatMap(({ id, way, hashes, purposes }) =>
    Object.entries(hashes).map(([claim, hash]) => ({
      id,
      way,
      claim,
      hash: `\\x${hash}`,
      purpose: purposes[claim],
    })),
  );
  return bind => {
    const [account, client] = [bind(accountId, 'uuid'), bind(clientId, 'text')];
    const changed = `SELECT key, d.ids -> key AS before FROM jsonb_each(excluded.claims)
      WHERE d.claims -> key IS DISTINCT FROM value`;
    const parts = [
      `disclosing AS (INSERT INTO disclosed AS d (account_id, client_id, way, claims, ids, changed, answers)
        SELECT ${account}, ${client}, way, claims, (SELECT jsonb_object_agg(key, id) FROM jsonb_object_keys(claims) key),
          (SELECT jsonb_object_agg(key, NULL) FROM jsonb_object_keys(claims) key), ARRAY[digest]
        FROM jsonb_to_recordset(${bind(JSON.stringify(told), 'jsonb')}) AS t(id uuid, way text, digest text, claims jsonb) ORDER BY way
        ON CONFLICT (account_id, client_id, way) DO UPDATE SET
          claims = d.claims || excluded.claims,
          ids = d.ids || (SELECT coalesce(jsonb_object_agg(key, excluded.ids -> key), '{}') FROM (${changed}) c),
          changed = (SELECT coalesce(jsonb_object_agg(key, before), '{}') FROM (${changed}) c),
          answers = CASE WHEN EXISTS (${changed}) THEN excluded.answers
            ELSE (excluded.answers || array_remove(d.answers, excluded.answers[1]))[1:${REMEMBERED}] END
        RETURNING way, changed)`,
      `disclosures_left AS (INSERT INTO disclosures
          (account_id, id, claim, client_id, way, value_hash, purpose, consent_id, at, replaces)
        SELECT ${account}, t.id, t.claim, ${client}, t.way, t.hash, t.purpose,
          ${bind(consentId ?? null, 'uuid')}, ${bind(at.toISOString(), 'timestamptz')}, (disclosing.changed ->> t.claim)::uuid
        FROM jsonb_to_recordset(${bind(JSON.stringify(claims), 'jsonb')})
          AS t(id uuid, way text, claim text, hash bytea, purpose text)
        JOIN disclosing ON disclosing.way = t.way AND disclosing.changed ? t.claim)`,
    ];
    return { parts };
  };
}

/** Which disclosures of an account are read. */
export interface DisclosureFilter {
  readonly accountId: string;
  readonly clientId?: string | undefined;
  readonly claim?: string | undefined;
  /** The id of the last one that was read. */
  readonly before?: string | undefined;
}

interface DisclosureRow {
  readonly id: string;
  readonly claim: string;
  readonly client_id: string;
  readonly name: string | null;
  readonly way: Way;
  readonly value_hash: Buffer;
  readonly purpose: string | null;
  readonly consent_id: string | null;
  readonly at: Date;
}

const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** The statement behind `listDisclosures`, with what it names; the test that looks at its plan takes it from here. */
export function listStatement({ accountId, clientId, claim, before }: DisclosureFilter, limit: number) {
  const wanted = [
    ...(clientId === undefined ? [] : ['AND client_id = :clientId']),
    ...(claim === undefined ? [] : ['AND claim = :claim']),
  ];
  /* The page first: joined to names before, all rows would be read and sorted. */
  const sql = `WITH page AS (SELECT * FROM disclosures
      WHERE account_id = :accountId ${wanted.join(' ')} AND id < CAST(:before AS uuid)
      ORDER BY id DESC FETCH FIRST :limit ROWS WITH TIES)
    SELECT d.id, d.claim, d.client_id, n.name, d.way, d.value_hash, d.purpose, d.consent_id, d.at
    FROM page d LEFT JOIN client_names n ON n.client_id = d.client_id ORDER BY d.id DESC`;
  const named = { accountId, before: before ?? LAST_ID, limit };
  return {
    sql,
    named: { ...named, ...(clientId !== undefined && { clientId }), ...(claim !== undefined && { claim }) },
  };
}

/** What left, newest first: about `limit`, and all that left in one answer with them. */
export async function listDisclosures(
  db: Db,
  filter: DisclosureFilter,
  limit: number,
): Promise<readonly Disclosure[]> {
  const { sql, named } = listStatement(filter, limit);
  const { rows } = await db.raw<{ rows: DisclosureRow[] }>(sql, named);
  return rows.map(({ client_id, name, value_hash, purpose, consent_id, ...row }) => ({
    ...row,
    clientId: client_id,
    name: name ?? undefined,
    valueHash: value_hash.toString('hex'),
    purpose: purpose ?? undefined,
    consentId: consent_id ?? undefined,
  }));
}

/** What an app was told last, in one way. */
export interface ToldLast {
  readonly clientId: string;
  /** Undefined for an app that is gone. */
  readonly name: string | undefined;
  readonly way: Way;
  /** By claim, the disclosure that its value left with. */
  readonly ids: Readonly<Record<string, string>>;
}

const MOST = 1_000;

/** What each app was told last about somebody. */
export async function listTold(db: Db, accountId: string): Promise<readonly ToldLast[]> {
  const { rows } = await db.raw<{ rows: (ToldLast & { readonly name: string | null })[] }>(
    `SELECT d.client_id AS "clientId", n.name, d.way, d.ids
     FROM disclosed d LEFT JOIN client_names n ON n.client_id = d.client_id
     WHERE d.account_id = ? ORDER BY d.client_id, d.way LIMIT ?`,
    [accountId, MOST],
  );
  return rows.map(row => ({ ...row, name: row.name ?? undefined }));
}

/** Removes disclosures whose value another one replaced before this instant, a batch at a time; gives how many those are. */
export async function removeReplaced(tx: Tx, before: Date, batch: number): Promise<number> {
  const { rows } = await tx.raw<{ rows: { account_id: string; replaces: string; claim: string }[] }>(
    `UPDATE disclosures d SET replaces = NULL FROM (
       SELECT account_id, id, claim, replaces FROM disclosures WHERE replaces IS NOT NULL AND at < ?
       ORDER BY at LIMIT ? FOR UPDATE
     ) due WHERE d.account_id = due.account_id AND d.id = due.id AND d.claim = due.claim
     RETURNING due.account_id, due.replaces, due.claim`,
    [before, batch],
  );
  const column = (name: keyof (typeof rows)[number]) => rows.map(row => row[name]);
  await tx.raw(
    `DELETE FROM disclosures d USING unnest(?::uuid[], ?::uuid[], ?::text[]) AS r(account_id, id, claim)
     WHERE d.account_id = r.account_id AND d.id = r.id AND d.claim = r.claim`,
    [column('account_id'), column('replaces'), column('claim')],
  );
  return rows.length;
}

/** Removes for good, a batch at a time: what apps were told about somebody; whoever has to tell them of the deletion has noted before who they are. */
export function forgetDisclosures(tx: Tx, accountId: string, most: number): Promise<number> {
  return removeRows(tx, ['disclosures', 'disclosed'], accountId, most);
}

/** About how many people a claim was told: to that app, or to any where none is named. */
export interface TellingCount {
  readonly claim: string;
  readonly clientId: string | undefined;
  readonly people: number;
}

/** How often each claim was told, in any way; reads all there is, so for reports alone. */
export async function countTellings(tx: Tx): Promise<readonly TellingCount[]> {
  const { rows } = await tx.raw<{ rows: { claim: string; client_id: string | null; people: number }[] }>(
    `SELECT c.claim, d.client_id, count(DISTINCT d.account_id)::int AS people
     FROM disclosed d CROSS JOIN LATERAL jsonb_object_keys(d.claims) AS c (claim)
     GROUP BY GROUPING SETS ((c.claim), (c.claim, d.client_id)) ORDER BY c.claim, d.client_id`,
  );
  return rows.map(({ client_id, ...row }) => ({ ...row, clientId: client_id ?? undefined }));
}
