import { z } from 'zod';
import {
  type ExportFile,
  type Exporting,
  instant,
  tableFile,
  whence,
} from '../../platform/storage/export-file.js';

const recovery = z.strictObject({
  id: z.uuid(),
  state: z.string(),
  asked_from: whence,
  started_at: instant,
  ready_at: instant,
  expires_at: instant,
  ended_at: instant.nullable(),
  settles_at: instant.nullable(),
  added_app: z.uuid().nullable(),
  added_passkey: z.uuid().nullable(),
});

/** What this room holds about recoveries of somebody whose phone was lost. */
export function exportRecoveries(from: Exporting): readonly ExportFile[] {
  return [
    tableFile(from, {
      name: 'lost-phones',
      table: 'recoveries',
      key: ['id'],
      record: recovery,
      sealed: { asked_from: ['asked_from'] },
      open: row => ({ asked_from: from.whence('recovery', row['asked_from']) }),
    }),
  ];
}
