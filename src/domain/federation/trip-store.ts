import type { Tx } from '../../platform/storage/db.js';
import { removeFirst } from '../../platform/storage/removing.js';
import { TRIP_MINUTES, type TripPurpose } from './link.js';

/** A trip to a provider as it begins. */
export interface NewTrip {
  readonly id: string;
  readonly stateDigest: Buffer;
  readonly providerId: string;
  readonly providerVersion: number;
  readonly purpose: TripPurpose;
  readonly binding: string;
  readonly accountId: string | undefined;
  readonly browserDigest: Buffer;
  readonly returnTo: string;
  readonly notes: Buffer;
}

/** A trip that is over, with what came of it. */
export interface FinishedTrip {
  readonly providerId: string;
  readonly providerVersion: number;
  readonly notes: Buffer;
  readonly answer: Buffer;
}

/** Keeps a trip that begins now. */
export async function insertTrip(tx: Tx, trip: NewTrip): Promise<void> {
  await tx.raw(
    `INSERT INTO federated_requests (id, state_digest, provider_id, provider_version, purpose, binding, account_id,
       browser_digest, return_to, notes, created_at, expires_at)
     VALUES (:id, :stateDigest, :providerId, :providerVersion, :purpose, :binding, :accountId, :browserDigest, :returnTo,
       :notes, now(), now() + make_interval(mins => ${TRIP_MINUTES}))`,
    { ...trip, accountId: trip.accountId ?? null },
  );
}

/** Keeps what came back by a trip's state, once and in time, from the provider that it went to; by the browser, where that is known. */
export async function answerTrip(
  tx: Tx,
  came: {
    readonly stateDigest: Buffer;
    readonly providerId: string;
    readonly browserDigest: Buffer | undefined;
    readonly answer: Buffer;
  },
): Promise<{ readonly id: string; readonly returnTo: string } | undefined> {
  const { rows } = await tx.raw<{ rows: { id: string; return_to: string }[] }>(
    `UPDATE federated_requests SET answer = :answer, answered_at = now()
     WHERE state_digest = :stateDigest AND provider_id = :providerId AND answered_at IS NULL AND expires_at > now()
       AND (CAST(:browserDigest AS bytea) IS NULL OR browser_digest = :browserDigest)
     RETURNING id, return_to`,
    { ...came, browserDigest: came.browserDigest ?? null },
  );
  return rows[0] && { id: rows[0].id, returnTo: rows[0].return_to };
}

/** Uses up a trip that was answered, once, in the browser that began it and for what it was begun for. */
export async function useTrip(
  tx: Tx,
  used: {
    readonly id: string;
    readonly purpose: TripPurpose;
    readonly binding: string;
    readonly browserDigest: Buffer;
  },
): Promise<FinishedTrip | undefined> {
  const { rows } = await tx.raw<{
    rows: { provider_id: string; provider_version: string; notes: Buffer; answer: Buffer }[];
  }>(
    `UPDATE federated_requests SET used_at = now()
     WHERE id = :id AND purpose = :purpose AND binding = :binding AND browser_digest = :browserDigest
       AND answered_at IS NOT NULL AND used_at IS NULL AND expires_at > now()
     RETURNING provider_id, provider_version, notes, answer`,
    { ...used },
  );
  const [row] = rows;
  if (!row) return undefined;
  return {
    providerId: row.provider_id,
    providerVersion: Number(row.provider_version),
    notes: row.notes,
    answer: row.answer,
  };
}

/** Removes up to `limit` trips that ended an hour ago or longer; gives how many. */
export function removeOldTrips(tx: Tx, limit: number): Promise<number> {
  const ended = { where: `expires_at < now() - interval '1 hour'`, by: 'expires_at' };
  return removeFirst(tx, 'federated_requests', ended, limit);
}
