import { z } from 'zod';
import { type ExportFile, type Exporting, instant, tableFile } from '../../platform/storage/export-file.js';

const question = z.strictObject({
  attribute: z.string(),
  purpose: z.string(),
  client_id: z.string(),
  outcome: z.string(),
  at: instant,
});

/** What this room holds about somebody: what they were asked for on their way, and whether they answered. */
export function exportQuestions(from: Exporting): readonly ExportFile[] {
  const key = ['attribute', 'purpose'];
  return [tableFile(from, { name: 'questions', table: 'questions', key, record: question })];
}
