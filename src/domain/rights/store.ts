import type { Keyring } from '../../platform/crypto/keyring.js';
import type { Db, Tx } from '../../platform/storage/db.js';
import { removeFirst, removeRows } from '../../platform/storage/removing.js';
import type { Outcome, RequestState, Right, RightsRequest } from './right.js';

interface RequestRow {
  readonly account_id: string;
  readonly id: string;
  readonly kind: Right;
  readonly state: RequestState;
  readonly everything: boolean;
  readonly purposes: readonly string[];
  readonly attributes: readonly string[];
  readonly absolute: boolean;
  readonly mandate_id: string | null;
  readonly place: string;
  readonly law: string;
  readonly asked_at: Date;
  readonly acknowledge_by: Date;
  readonly due_at: Date;
  readonly extended_until: Date | null;
  readonly extended_because: Buffer | null;
  readonly words: Buffer | null;
  readonly answer: Buffer | null;
  readonly outcome: Outcome | null;
  readonly refers_to: string | null;
  readonly decided_at: Date | null;
  readonly decided_by: 'person' | 'operator' | 'keyhold' | null;
  readonly holds_from: Date | null;
  readonly lifts_at: Date | null;
  readonly lifted_at: Date | null;
}

const COLUMNS = [
  'account_id',
  'id',
  'kind',
  'state',
  'everything',
  'purposes',
  'attributes',
  'absolute',
  'mandate_id',
  'place',
  'law',
  'asked_at',
  'acknowledge_by',
  'due_at',
  'extended_until',
  'extended_because',
  'words',
  'answer',
  'outcome',
  'refers_to',
  'decided_at',
  'decided_by',
  'holds_from',
  'lifts_at',
  'lifted_at',
] as const;

const SEAL = 'rights';

/** Seals words of a request; they belong to its own row only. */
export function sealWords(keyring: Keyring, id: string, words: string): Buffer {
  return keyring.seal(SEAL, JSON.stringify([id, words]));
}

/** Opens them; under a secret that is lost nobody reads them any more. */
export function openWords(keyring: Keyring, id: string, sealed: Buffer | null): string | undefined {
  if (!sealed) return undefined;
  try {
    const [of, words] = JSON.parse(keyring.open(SEAL, sealed)) as [string, string];
    return of === id ? words : '';
  } catch {
    return '';
  }
}

function present(keyring: Keyring, row: RequestRow): RightsRequest {
  const { id } = row;
  return {
    id,
    accountId: row.account_id,
    kind: row.kind,
    state: row.state,
    everything: row.everything,
    purposes: row.purposes,
    attributes: row.attributes,
    absolute: row.absolute,
    mandateId: row.mandate_id ?? undefined,
    place: row.place,
    law: row.law,
    askedAt: row.asked_at,
    acknowledgeBy: row.acknowledge_by,
    dueAt: row.due_at,
    extendedUntil: row.extended_until ?? undefined,
    extendedBecause: openWords(keyring, id, row.extended_because),
    words: openWords(keyring, id, row.words),
    answer: openWords(keyring, id, row.answer),
    outcome: row.outcome ?? undefined,
    refersTo: row.refers_to ?? undefined,
    decidedAt: row.decided_at ?? undefined,
    decidedBy: row.decided_by ?? undefined,
    holdsFrom: row.holds_from ?? undefined,
    liftsAt: row.lifts_at ?? undefined,
    liftedAt: row.lifted_at ?? undefined,
  };
}

const from = (db: Db | Tx) => db('rights_requests').select<RequestRow[]>(...COLUMNS);
const all = (keyring: Keyring, rows: readonly RequestRow[]) => rows.map(row => present(keyring, row));

/** Puts a request on record. */
export async function insertRequest(tx: Tx, keyring: Keyring, request: RightsRequest): Promise<void> {
  const { id, words } = request;
  await tx('rights_requests').insert({
    account_id: request.accountId,
    id,
    kind: request.kind,
    state: request.state,
    everything: request.everything,
    purposes: [...request.purposes],
    attributes: [...request.attributes],
    absolute: request.absolute,
    mandate_id: request.mandateId ?? null,
    place: request.place,
    law: request.law,
    asked_at: request.askedAt,
    acknowledge_by: request.acknowledgeBy,
    due_at: request.dueAt,
    words: words === undefined ? null : sealWords(keyring, id, words),
    outcome: request.outcome ?? null,
    refers_to: request.refersTo ?? null,
    decided_at: request.decidedAt ?? null,
    decided_by: request.decidedBy ?? null,
    holds_from: request.holdsFrom ?? null,
  });
}

/** How many of somebody's requests wait for an answer, and how many one mandate was used for since an instant. */
export async function countOpen(
  tx: Tx,
  accountId: string,
  mandate?: { readonly id: string; readonly since: Date },
): Promise<{ readonly open: number; readonly byMandate: number }> {
  const { rows } = await tx.raw<{ rows: { open: number; by_mandate: number }[] }>(
    `SELECT count(*) FILTER (WHERE state IN ('open', 'unconfirmed'))::int AS open,
       count(*) FILTER (WHERE mandate_id = CAST(:mandate AS uuid) AND asked_at > :since)::int AS by_mandate
     FROM rights_requests WHERE account_id = :accountId`,
    { accountId, mandate: mandate?.id ?? null, since: mandate?.since ?? new Date(0) },
  );
  return { open: rows[0]?.open ?? 0, byMandate: rows[0]?.by_mandate ?? 0 };
}

/** What somebody asked for, newest first. */
export async function listRequests(
  db: Db,
  keyring: Keyring,
  { accountId, before, limit }: { accountId: string; before?: string | undefined; limit: number },
): Promise<readonly RightsRequest[]> {
  const query = from(db).where({ account_id: accountId });
  if (before !== undefined) query.andWhere('id', '<', before);
  return all(keyring, await query.orderBy('id', 'desc').limit(limit));
}

/** One request of somebody's. */
export async function findRequest(
  db: Db | Tx,
  keyring: Keyring,
  accountId: string,
  id: string,
): Promise<RightsRequest | undefined> {
  const row = await from(db).where({ account_id: accountId, id }).first();
  return row && present(keyring, row as RequestRow);
}

/** One request, whoever's it is: for operators alone. */
export async function findAnyRequest(
  db: Db | Tx,
  keyring: Keyring,
  id: string,
): Promise<RightsRequest | undefined> {
  const row = await from(db).where({ id }).first();
  return row && present(keyring, row as RequestRow);
}

/** The request that is dealt with by a thing. */
export async function findByReference(
  tx: Tx,
  keyring: Keyring,
  accountId: string,
  refersTo: string,
): Promise<RightsRequest | undefined> {
  const row = await from(tx).where({ account_id: accountId, refers_to: refersTo }).first();
  return row && present(keyring, row as RequestRow);
}

/** Where a list by due date goes on. */
export interface AfterDue {
  readonly due: Date;
  readonly id: string;
}

/** What somebody has to answer, the earliest due first. */
export async function listOpenRequests(
  db: Db,
  keyring: Keyring,
  { after, limit }: { readonly after?: AfterDue | undefined; readonly limit: number },
): Promise<readonly RightsRequest[]> {
  const query = from(db).where({ state: 'open' });
  if (after) query.andWhereRaw('(coalesce(extended_until, due_at), id) > (?, ?)', [after.due, after.id]);
  return all(keyring, await query.orderByRaw('coalesce(extended_until, due_at), id').limit(limit));
}

/** What of somebody's holds data back at this moment. */
export async function listInForce(
  db: Db | Tx,
  keyring: Keyring,
  accountId: string,
): Promise<readonly RightsRequest[]> {
  const query = from(db).where({ account_id: accountId }).whereNotNull('holds_from').whereNull('lifted_at');
  return all(keyring, await query.orderBy('id'));
}

/** What agents asked for somebody that is not done yet. */
export async function listOfAgents(
  tx: Tx,
  keyring: Keyring,
  accountId: string,
  kind: Right,
): Promise<readonly RightsRequest[]> {
  const asked = from(tx).where({ account_id: accountId, kind }).whereNotNull('mandate_id');
  return all(keyring, await asked.whereIn('state', ['open', 'unconfirmed']));
}

/** How a request ends. */
export interface Decided {
  readonly state: 'done' | 'refused' | 'withdrawn';
  readonly outcome: Outcome;
  readonly answer?: string | undefined;
  readonly by: 'person' | 'operator' | 'keyhold';
}

/** Ends a request that stands in one of these states, once; false when somebody was quicker. */
export async function decide(
  tx: Tx,
  keyring: Keyring,
  { accountId, id }: Pick<RightsRequest, 'accountId' | 'id'>,
  from: readonly RequestState[],
  { state, outcome, answer, by }: Decided,
  at: Date,
): Promise<boolean> {
  const decided = await tx('rights_requests')
    .where({ account_id: accountId, id })
    .whereIn('state', [...from])
    .update({
      state,
      outcome,
      answer: answer === undefined ? null : sealWords(keyring, id, answer),
      decided_at: at,
      decided_by: by,
    });
  return decided === 1;
}

/** Takes up what an agent asked: it waits for an answer from now on. */
export async function confirm(tx: Tx, accountId: string, id: string): Promise<boolean> {
  return (
    (await tx('rights_requests')
      .where({ account_id: accountId, id, state: 'unconfirmed' })
      .update({ state: 'open' })) === 1
  );
}

/** Puts an answer off; once, and only while it is open. */
export async function extend(
  tx: Tx,
  keyring: Keyring,
  { accountId, id }: Pick<RightsRequest, 'accountId' | 'id'>,
  { until, because, place, law }: { until: Date; because: string; place: string; law: string },
): Promise<boolean> {
  const extended = await tx('rights_requests')
    .where({ account_id: accountId, id, state: 'open' })
    .whereNull('extended_until')
    .update({ extended_until: until, extended_because: sealWords(keyring, id, because), place, law });
  return extended === 1;
}

/** Announces when a request stops to hold data back. */
export async function announceLift(tx: Tx, accountId: string, id: string, at: Date): Promise<boolean> {
  const announced = await tx('rights_requests')
    .where({ account_id: accountId, id })
    .whereNotNull('holds_from')
    .whereNull('lifted_at')
    .whereNull('lifts_at')
    .update({ lifts_at: at });
  return announced === 1;
}

/** Lets a request hold nothing back any more; false when it does not. */
export async function lift(tx: Tx, accountId: string, id: string, at: Date): Promise<boolean> {
  const lifted = await tx('rights_requests')
    .where({ account_id: accountId, id })
    .whereNotNull('holds_from')
    .whereNull('lifted_at')
    .update({ lifted_at: at });
  return lifted === 1;
}

/** What is to be lifted by now, as it was announced. */
export async function listLifting(db: Db, keyring: Keyring, now: Date, limit: number) {
  const query = from(db).where('lifts_at', '<=', now).whereNull('lifted_at').orderBy('lifts_at').limit(limit);
  return all(keyring, (await query) as RequestRow[]);
}

/** What is due before an instant and was not yet spoken of; it is from now on. */
export async function takeUnreminded(tx: Tx, before: Date, now: Date, limit: number) {
  const { rows } = await tx.raw<{ rows: Pick<RequestRow, 'account_id' | 'id' | 'kind'>[] }>(
    `UPDATE rights_requests r SET reminded_at = :now FROM (
       SELECT account_id, id FROM rights_requests
       WHERE state = 'open' AND coalesce(extended_until, due_at) < :before AND reminded_at IS NULL
       ORDER BY coalesce(extended_until, due_at), id LIMIT :limit FOR UPDATE SKIP LOCKED) due
     WHERE r.account_id = due.account_id AND r.id = due.id RETURNING r.account_id, r.id, r.kind`,
    { now, before, limit },
  );
  return rows.map(({ account_id: accountId, id, kind }) => ({ accountId, id, kind }));
}

/** How many requests wait for an answer, and for how many of them it is nearly or already too late. */
export async function countDue(
  db: Db,
  soonBefore: Date,
  now: Date,
): Promise<{ readonly open: number; readonly soon: number; readonly overdue: number }> {
  const { rows } = await db.raw<{ rows: { open: number; soon: number; overdue: number }[] }>(
    `SELECT count(*)::int AS open,
       count(*) FILTER (WHERE due >= :now AND due < :soonBefore)::int AS soon, count(*) FILTER (WHERE due < :now)::int AS overdue
     FROM (SELECT coalesce(extended_until, due_at) AS due FROM rights_requests WHERE state = 'open') open`,
    { now, soonBefore },
  );
  return rows[0] ?? { open: 0, soon: 0, overdue: 0 };
}

/** Forgets requests that were decided before an instant and hold nothing back, and mandates that ended before it. */
export async function removeDecided(tx: Tx, before: Date, most: number): Promise<number> {
  const decided = 'decided_at < ? AND (holds_from IS NULL OR lifted_at < ?)';
  const requests = { where: decided, values: [before, before], by: 'decided_at' };
  const mandates = { where: 'expires_at < ?', values: [before], by: 'expires_at' };
  return Math.max(
    await removeFirst(tx, 'rights_requests', requests, most),
    await removeFirst(tx, 'rights_mandates', mandates, most),
  );
}

/** Removes for good, a batch at a time: what somebody asked for, and whom they let ask. */
export function forgetRights(tx: Tx, accountId: string, most: number): Promise<number> {
  return removeRows(tx, ['rights_requests', 'rights_mandates'], accountId, most);
}
