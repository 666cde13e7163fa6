import type { Db, Tx } from '../../platform/storage/db.js';
import { removeFirst } from '../../platform/storage/removing.js';
import { TRIP_MINUTES } from './link.js';

/** Keeps a trial that may begin, once, within the time of a trip. */
export async function insertTrial(
  tx: Tx,
  trial: { readonly id: string; readonly ticketDigest: Buffer; readonly providerId: string },
): Promise<void> {
  await tx.raw(
    `INSERT INTO federation_trials (id, ticket_digest, provider_id, created_at, expires_at)
     VALUES (:id, :ticketDigest, :providerId, now(), now() + make_interval(mins => ${TRIP_MINUTES}))`,
    { ...trial },
  );
}

/** The provider that a ticket tries out, while it can still begin. */
export async function findTicket(db: Db, ticketDigest: Buffer): Promise<string | undefined> {
  const { rows } = await db.raw<{ rows: { provider_id: string }[] }>(
    `SELECT provider_id FROM federation_trials
     WHERE ticket_digest = ? AND began_at IS NULL AND expires_at > now()`,
    [ticketDigest],
  );
  return rows[0]?.provider_id;
}

/** Uses up a ticket: its trial begins, once; undefined where there is none, or it began already. */
export async function useTicket(
  tx: Tx,
  ticketDigest: Buffer,
): Promise<{ readonly id: string; readonly providerId: string } | undefined> {
  const { rows } = await tx.raw<{ rows: { id: string; provider_id: string }[] }>(
    `UPDATE federation_trials SET began_at = now()
     WHERE ticket_digest = ? AND began_at IS NULL AND expires_at > now() RETURNING id, provider_id`,
    [ticketDigest],
  );
  return rows[0] && { id: rows[0].id, providerId: rows[0].provider_id };
}

/** Keeps what came of a trial, once, and says of which provider. */
export async function updateOutcome(tx: Tx, id: string, outcome: Buffer): Promise<string | undefined> {
  const { rows } = await tx.raw<{ rows: { provider_id: string }[] }>(
    `UPDATE federation_trials SET outcome = :outcome
     WHERE id = :id AND began_at IS NOT NULL AND outcome IS NULL RETURNING provider_id`,
    { id, outcome },
  );
  return rows[0]?.provider_id;
}

/** Takes what came of a trial away with the trial; undefined while nothing has come. */
export async function takeOutcome(tx: Tx, id: string): Promise<Buffer | undefined> {
  const { rows } = await tx.raw<{ rows: { outcome: Buffer }[] }>(
    'DELETE FROM federation_trials WHERE id = ? AND outcome IS NOT NULL RETURNING outcome',
    [id],
  );
  return rows[0]?.outcome;
}

/** Removes up to `limit` trials whose time is over; gives how many. */
export function removeOldTrials(tx: Tx, limit: number): Promise<number> {
  return removeFirst(tx, 'federation_trials', { where: 'expires_at < now()', by: 'expires_at' }, limit);
}
