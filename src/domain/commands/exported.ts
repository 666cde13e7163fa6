import { z } from 'zod';
import { type ExportFile, type Exporting, instant, tableFile } from '../../platform/storage/export-file.js';

const command = z.strictObject({
  id: z.uuid(),
  reason_kind: z.string(),
  reason_id: z.uuid(),
  client_id: z.string(),
  command: z.string(),
  state: z.string(),
  channel: z.string().nullable(),
  answer: z.string().nullable(),
  account_state: z.string().nullable(),
  note: z.string().nullable().describe('the reason that the app gave for keeping something'),
  asked_at: instant,
  sent_at: instant.nullable(),
  ended_at: instant.nullable(),
});

/** What this room holds about somebody: what apps were told to do with their data, and what they answered. */
export function exportCommands(from: Exporting): readonly ExportFile[] {
  return [tableFile(from, { name: 'app-commands', table: 'commands', key: ['id'], record: command })];
}
