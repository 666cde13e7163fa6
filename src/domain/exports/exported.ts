import { z } from 'zod';
import { type ExportFile, type Exporting, instant, tableFile } from '../../platform/storage/export-file.js';

const copy = z.strictObject({
  id: z.uuid(),
  scope: z.string(),
  state: z.string(),
  language: z.string(),
  asked_at: instant,
  looked_at: instant,
  ready_at: instant.nullable(),
  expires_at: instant.nullable(),
  ended_at: instant.nullable(),
  fetched_at: instant.nullable(),
});

/** What this room holds about somebody: that they asked for copies, this one among them. */
export function exportExports(from: Exporting): readonly ExportFile[] {
  return [tableFile(from, { name: 'copies', table: 'exports', key: ['id'], record: copy })];
}
