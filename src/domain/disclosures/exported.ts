import { z } from 'zod';
import { type ExportFile, type Exporting, instant, tableFile } from '../../platform/storage/export-file.js';

const disclosure = z.strictObject({
  id: z.uuid(),
  claim: z.string(),
  client_id: z.string(),
  way: z.string(),
  purpose: z.string().nullable(),
  consent_id: z.uuid().nullable(),
  at: instant,
  replaces: z.uuid().nullable(),
});

/** What left about somebody, to which app: names of claims, of whose values only a hash is kept. */
export function exportDisclosures(from: Exporting): readonly ExportFile[] {
  return [
    tableFile(from, {
      name: 'disclosures',
      table: 'disclosures',
      key: ['id', 'claim'],
      record: disclosure,
    }),
  ];
}
