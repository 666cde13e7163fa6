import { v7 as uuidv7 } from 'uuid';
import type { Db } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';
import type { Channel } from './message.js';
import { LIVE } from './store.js';

/** A message on its way to everybody who wants a topic by a channel. */
export interface Dispatch {
  readonly id: string;
  readonly topic: string;
  readonly channel: Channel;
  readonly begunAt: Date;
  readonly queued: number;
  /** Those who cannot be written to: without a proven address, or an account that may not act. */
  readonly refused: number;
  readonly endedAt: Date | undefined;
}

/** Begins one; its batches are the journey's. */
export async function beginDispatch(
  work: Work,
  { topic, channel }: Pick<Dispatch, 'topic' | 'channel'>,
): Promise<string> {
  const id = uuidv7();
  await work.tx('dispatches').insert({ id, topic, channel, begun_at: work.at });
  work.record({ type: 'dispatch.begun', detail: { dispatch: id, topic, channel } });
  return id;
}

/** What a batch did, and how far it reached; `reached` is undefined after the last one. */
export interface Batch {
  readonly id: string;
  readonly after: string | undefined;
  readonly reached: string | undefined;
  readonly queued: number;
  readonly refused: number;
}

/** Notes a batch, once however often its job runs; false when it was done before, and nothing of this work may stay. */
export async function noteBatch(
  work: Work,
  { id, after, reached, queued, refused }: Batch,
): Promise<boolean> {
  const { rowCount } = await work.tx.raw<{ rowCount: number }>(
    `UPDATE dispatches SET reached = coalesce(:reached, reached), queued = queued + :queued, refused = refused + :refused,
       ended_at = CASE WHEN CAST(:reached AS uuid) IS NULL THEN CAST(:at AS timestamptz) END
     WHERE id = :id AND ended_at IS NULL AND reached IS NOT DISTINCT FROM CAST(:after AS uuid)`,
    { id, after: after ?? null, reached: reached ?? null, queued, refused, at: work.at },
  );
  return rowCount === 1;
}

/** Accounts that want a topic by a channel, by id. */
export async function listReaders(
  db: Db,
  of: { topic: string; channel: Channel; after: string | undefined; limit: number },
): Promise<readonly string[]> {
  const { rows } = await db.raw<{ rows: { account_id: string }[] }>(
    `SELECT o.account_id FROM opt_ins o WHERE o.topic = :topic AND o.channel = :channel AND ${LIVE('o')}
       AND o.account_id > coalesce(CAST(:after AS uuid), '00000000-0000-0000-0000-000000000000')
     ORDER BY o.account_id LIMIT :limit`,
    { ...of, after: of.after ?? null },
  );
  return rows.map(row => row.account_id);
}

/** The newest dispatches. */
export async function listDispatches(db: Db): Promise<readonly Dispatch[]> {
  const { rows } = await db.raw<{ rows: (Omit<Dispatch, 'endedAt'> & { readonly endedAt: Date | null })[] }>(
    `SELECT id, topic, channel, begun_at AS "begunAt", queued, refused, ended_at AS "endedAt"
     FROM dispatches ORDER BY begun_at DESC LIMIT 50`,
  );
  return rows.map(row => ({ ...row, endedAt: row.endedAt ?? undefined }));
}
