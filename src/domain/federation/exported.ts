import { z } from 'zod';
import { type ExportFile, type Exporting, instant, tableFile } from '../../platform/storage/export-file.js';
import { contextOf } from './links.js';
import { sessionContext } from './sessions.js';

const link = z.strictObject({
  id: z.uuid(),
  provider_id: z.string(),
  subject: z.string(),
  came_by: z.string(),
  linked_at: instant,
  last_used_at: instant.nullable(),
  said: z.record(z.string(), z.unknown()).nullable(),
});

const tokens = z.strictObject({ link_id: z.uuid(), provider_id: z.string(), kept_at: instant });

const session = z.strictObject({
  id: z.uuid(),
  provider_id: z.string(),
  link_id: z.uuid(),
  began_at: instant,
  named: z.record(z.string(), z.unknown()).nullable(),
});

/** What this room holds about somebody: where else they are known, by which number there, and what was said of them last. */
export function exportFederation(from: Exporting): readonly ExportFile[] {
  return [
    tableFile(from, {
      name: 'identity-providers',
      table: 'federated_links',
      key: ['id'],
      record: link,
      sealed: { sealed: ['said'] },
      open: row => {
        const plain = from.open(contextOf(String(row['id'])), row['sealed']);
        return { said: plain === undefined ? null : (JSON.parse(plain) as Record<string, unknown>) };
      },
    }),
    tableFile(from, {
      name: 'identity-provider-tokens',
      table: 'federated_tokens',
      key: ['link_id'],
      record: tokens,
    }),
    tableFile(from, {
      name: 'identity-provider-sessions',
      table: 'federated_sessions',
      key: ['id'],
      record: session,
      sealed: { sealed: ['named'] },
      open: row => {
        const plain = from.open(sessionContext(String(row['id'])), row['sealed']);
        return { named: plain === undefined ? null : (JSON.parse(plain) as Record<string, unknown> | null) };
      },
    }),
  ];
}
