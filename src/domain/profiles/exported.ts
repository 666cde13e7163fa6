import { z } from 'zod';
import {
  ALL_GIVEN,
  type ExportFile,
  type Exporting,
  type ExportRecord,
  instant,
  tableFile,
} from '../../platform/storage/export-file.js';
import { openSealed } from './changes.js';

const value = z.strictObject({
  attribute: z.string(),
  value: z.unknown(),
  source: z.string(),
  recorded_at: instant,
  ends_told_at: instant.nullable(),
});

const change = z.strictObject({
  id: z.uuid(),
  attribute: z.string(),
  state: z.string(),
  value: z.unknown(),
  value_before: z.unknown(),
  asked_at: instant,
  effective_at: instant.nullable(),
  settled_at: instant.nullable(),
  undo_until: instant.nullable(),
  reason: z.string().nullable(),
  source: z.string(),
});

const picture = z.strictObject({ attribute: z.string(), file: z.string(), made_at: instant });

/** What this room holds about somebody: what is known, what was changed, and their pictures. */
export function exportProfile(from: Exporting): readonly ExportFile[] {
  const opened = (row: ExportRecord, column: string): unknown => {
    const sealed = row[column];
    if (!Buffer.isBuffer(sealed)) return null;
    try {
      return openSealed(from.keyring, { account_id: from.accountId, id: String(row['id']) }, sealed) ?? null;
    } catch {
      return null;
    }
  };
  return [
    tableFile(from, {
      name: 'profile',
      table: 'profile_attributes',
      key: ['attribute'],
      record: value,
      given: `source <> 'operator'`,
    }),
    tableFile(from, {
      name: 'profile-changes',
      table: 'profile_changes',
      key: ['id'],
      record: change,
      sealed: { value: ['value'], value_before: ['value_before'] },
      open: row => ({ value: opened(row, 'value'), value_before: opened(row, 'value_before') }),
    }),
    tableFile(from, {
      name: 'pictures',
      table: 'profile_pictures',
      key: ['attribute'],
      record: picture,
      as: { file: `'pictures/' || attribute || '.jpg'` },
      sealed: { bytes: [] },
      attach: row => ({ path: String(row['file']), bytes: row['bytes'] as Buffer }),
      given: ALL_GIVEN,
      atOnce: 4,
    }),
  ];
}
