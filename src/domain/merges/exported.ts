import { z } from 'zod';
import { type ExportFile, type Exporting, instant, tableFile } from '../../platform/storage/export-file.js';

const merge = z.strictObject({
  id: z.uuid(),
  gone_id: z.uuid(),
  state: z.string(),
  made_at: instant,
  undo_until: instant,
  ended_at: instant.nullable(),
});

/** What this room holds about somebody: which accounts of theirs became part of this one. */
export function exportMerges(from: Exporting): readonly ExportFile[] {
  return [tableFile(from, { name: 'merged-accounts', table: 'merges', key: ['id'], record: merge })];
}
