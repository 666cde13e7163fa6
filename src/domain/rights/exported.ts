import { z } from 'zod';
import type { Keyring } from '../../platform/crypto/keyring.js';
import { type ExportFile, type Exporting, instant, tableFile } from '../../platform/storage/export-file.js';
import { openWords } from './store.js';

const request = z.strictObject({
  id: z.uuid(),
  kind: z.string(),
  state: z.string(),
  everything: z.boolean(),
  purposes: z.array(z.string()),
  attributes: z.array(z.string()),
  absolute: z.boolean(),
  mandate_id: z.uuid().nullable(),
  place: z.string(),
  law: z.string(),
  asked_at: instant,
  acknowledge_by: instant,
  due_at: instant,
  extended_until: instant.nullable(),
  extended_because: z.string().nullable(),
  words: z.string().nullable(),
  answer: z.string().nullable(),
  outcome: z.string().nullable(),
  refers_to: z.uuid().nullable(),
  decided_at: instant.nullable(),
  decided_by: z.string().nullable(),
  holds_from: instant.nullable(),
  lifts_at: instant.nullable(),
  lifted_at: instant.nullable(),
});

const mandate = z.strictObject({
  id: z.uuid(),
  agent: z.string(),
  rights: z.array(z.string()),
  given_at: instant,
  expires_at: instant,
  revoked_at: instant.nullable(),
  last_used_at: instant.nullable(),
});

const opened = (keyring: Keyring, row: Readonly<Record<string, unknown>>, column: string) =>
  openWords(keyring, String(row['id']), (row[column] ?? null) as Buffer | null) ?? null;

/** What this room holds about somebody: what they asked for, and whom they let ask. */
export function exportRights(from: Exporting): readonly ExportFile[] {
  const { keyring } = from;
  return [
    tableFile(from, {
      name: 'rights-requests',
      table: 'rights_requests',
      key: ['id'],
      record: request,
      sealed: { words: ['words'], answer: ['answer'], extended_because: ['extended_because'] },
      open: row => ({
        words: opened(keyring, row, 'words'),
        answer: opened(keyring, row, 'answer'),
        extended_because: opened(keyring, row, 'extended_because'),
      }),
    }),
    tableFile(from, {
      name: 'rights-mandates',
      table: 'rights_mandates',
      key: ['id'],
      record: mandate,
      sealed: { agent: ['agent'] },
      open: row => ({ agent: opened(keyring, row, 'agent') ?? '' }),
    }),
  ];
}
