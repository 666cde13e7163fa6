import { z } from 'zod';
import { type ExportFile, type Exporting, instant, tableFile } from '../../platform/storage/export-file.js';

const deletion = z.strictObject({
  id: z.uuid(),
  state: z.string(),
  cause: z.string(),
  asked_at: instant,
  begins_at: instant,
  undone_at: instant.nullable(),
});

/** What this room holds about somebody whose account is still there: that it is to be deleted, and when that begins. */
export function exportDeletions(from: Exporting): readonly ExportFile[] {
  const file = {
    name: 'deletions',
    table: 'deletions',
    key: ['id'],
    own: 'id IN (SELECT s.deletion_id FROM deletion_subjects s WHERE s.account_id = :accountId)',
    record: deletion,
  };
  return [tableFile(from, file)];
}
