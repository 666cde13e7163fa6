import { z } from 'zod';
import { type PastEvent, readEventsOf } from './events.js';
import { type ExportFile, type Exporting, type ExportRecord, instant, whence } from './export-file.js';

const record = z.strictObject({
  id: z.uuid(),
  at: instant,
  type: z.string(),
  actor_kind: z.string(),
  actor_id: z
    .string()
    .nullable()
    .describe('null for people other than the owner, who are named by their role'),
  client_id: z.string().nullable(),
  detail: z.record(z.string(), z.unknown()),
  from: whence,
});

/**
 * All that happened about an account, and about those that became part of it, newest first; who else did it is told by their role
 * alone.
 */
export function exportHistory(from: Exporting, gone: readonly string[] = []): ExportFile {
  const { db, keyring, accountId } = from;
  const ids = [accountId, ...gone];
  return {
    name: 'history',
    record,
    portable: false,
    holds: {
      events: {
        ...Object.fromEntries(Object.keys(record.shape).map(member => [member, [member]])),
        sealed: ['from'],
      },
    },
    page: async (before, limit) => {
      const events = await readEventsOf(db, keyring, ids, { before, limit });
      return {
        records: events.map(event => written(ids, event)),
        next: events.length === limit ? events.at(-1)?.id : undefined,
      };
    },
  };
}

function written(own: readonly string[], event: PastEvent): ExportRecord {
  const { id, at, type, actorKind, actorId, clientId, detail, origin } = event;
  const known = actorKind === 'client' || (actorId !== undefined && own.includes(actorId));
  return {
    id,
    at: at.toISOString(),
    type,
    actor_kind: actorKind,
    actor_id: known ? (actorId ?? null) : null,
    client_id: clientId ?? null,
    detail,
    from: origin ? { device: origin.browser, address: origin.address } : null,
  };
}
