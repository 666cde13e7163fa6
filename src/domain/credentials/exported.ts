import { z } from 'zod';
import { type ExportFile, type Exporting, instant, tableFile } from '../../platform/storage/export-file.js';

const passkey = z.strictObject({
  id: z.uuid(),
  name: z.string(),
  credential_id: z.string(),
  public_key: z.string().describe('COSE, base64url: checks what the passkey signs and opens nothing'),
  sign_count: z.number(),
  transports: z.array(z.string()),
  aaguid: z.uuid(),
  backup_eligible: z.boolean(),
  backed_up: z.boolean(),
  user_verified: z.boolean(),
  added_at: instant,
  last_used_at: instant.nullable(),
  suspended_for: z.uuid().nullable(),
});

/** What this room holds about how somebody signs in, never what signs them in. */
export function exportCredentials(from: Exporting): readonly ExportFile[] {
  return [
    tableFile(from, {
      name: 'password',
      table: 'passwords',
      key: ['account_id'],
      record: z.strictObject({ set_at: instant, changed_at: instant, last_used_at: instant.nullable() }),
    }),
    tableFile(from, {
      name: 'passkeys',
      table: 'passkeys',
      key: ['id'],
      record: passkey,
      as: { sign_count: 'sign_count::float8' },
    }),
  ];
}
