import { z } from 'zod';
import { type ExportFile, type Exporting, instant, tableFile } from '../../platform/storage/export-file.js';

const browser = z.strictObject({
  device: z.uuid().nullable(),
  first_seen_at: instant.nullable(),
  signed_in_at: instant,
  expires_at: instant,
});

/** What this room holds about somebody: the browsers that they are known to use. */
export function exportBrowsers(from: Exporting): readonly ExportFile[] {
  return [
    tableFile(from, {
      name: 'known-browsers',
      table: 'known_browsers',
      key: ['browser'],
      record: browser,
    }),
  ];
}
