import { z } from 'zod';
import {
  type ExportFile,
  type Exporting,
  instant,
  tableFile,
  whence,
} from '../../platform/storage/export-file.js';
import { contextOf } from './remembered.js';

const app = z.strictObject({
  id: z.uuid(),
  name: z.string(),
  added_at: instant,
  last_used_at: instant.nullable(),
  suspended_for: z.uuid().nullable(),
  began_second_step: z.boolean(),
});

const browser = z.strictObject({
  id: z.uuid(),
  remembered_at: instant,
  expires_at: instant,
  remembered_from: whence,
});

/** What this room holds about somebody's second step, never what proves it. */
export function exportFactors(from: Exporting): readonly ExportFile[] {
  return [
    tableFile(from, {
      name: 'authenticator-apps',
      table: 'authenticator_apps',
      key: ['id'],
      record: app,
    }),
    tableFile(from, {
      name: 'recovery-codes',
      table: 'recovery_codes',
      key: ['selector'],
      record: z.strictObject({ made_at: instant, used_at: instant.nullable() }),
    }),
    tableFile(from, {
      name: 'remembered-browsers',
      table: 'remembered_browsers',
      key: ['digest'],
      record: browser,
      sealed: { sealed: ['remembered_from'] },
      open: row => ({ remembered_from: fromOrigin(from.open(contextOf(String(row['id'])), row['sealed'])) }),
    }),
  ];
}

function fromOrigin(plain: string | undefined) {
  if (plain === undefined) return null;
  const { browser: device, address } = JSON.parse(plain) as { browser: string; address: string };
  return { device, address };
}
