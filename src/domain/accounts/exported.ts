import { z } from 'zod';
import type { Keyring } from '../../platform/crypto/keyring.js';
import type { Db } from '../../platform/storage/db.js';
import {
  ALL_GIVEN,
  type ExportFile,
  type Exporting,
  instant,
  tableFile,
  whence,
} from '../../platform/storage/export-file.js';
import { openPersonal } from '../../platform/storage/origin.js';

const account = z.strictObject({
  id: z.uuid(),
  state: z.string(),
  language: z.string(),
  opened_at: instant,
  updated_at: instant,
  dormancy_notices: z.number().int(),
  roles: z.array(z.string()),
  second_step: z.boolean(),
  proofs_from: instant.nullable(),
  signed_out_before: instant.nullable(),
  sale_choice: z.string().nullable(),
  sale_chosen_by: z.string().nullable(),
  sale_chosen_at: instant.nullable(),
  personal_key_made_at: instant.nullable(),
});

/** What somebody chose for their account as a whole. */
const choices = account.pick({
  language: true,
  sale_choice: true,
  sale_chosen_by: true,
  sale_chosen_at: true,
});

const identifier = z.strictObject({ kind: z.string(), value: z.string(), added_at: instant });

const notice = z.strictObject({
  about: z.string(),
  passkey_id: z.uuid().nullable(),
  asked_from: whence,
  created_at: instant,
  expires_at: instant,
  used_at: instant.nullable(),
});

/** What this room holds about somebody, file by file. */
export function exportAccount(from: Exporting): readonly ExportFile[] {
  const own = 'id = :accountId';
  return [
    tableFile(from, {
      name: 'account',
      table: 'accounts',
      key: ['id'],
      own,
      record: account,
      as: {
        personal_key_made_at: '(SELECT made_at FROM subject_keys k WHERE k.account_id = accounts.id)',
      },
    }),
    tableFile(from, {
      name: 'choices',
      table: 'accounts',
      key: ['id'],
      own,
      record: choices,
      given: ALL_GIVEN,
    }),
    tableFile(from, {
      name: 'sign-in-addresses',
      table: 'identifiers',
      key: ['kind', 'value'],
      record: identifier,
    }),
    tableFile(from, {
      name: 'notices',
      table: 'objections',
      key: ['digest'],
      record: notice,
      sealed: { asked_from: ['asked_from'] },
      open: row => ({ asked_from: from.whence('objection', row['asked_from']) }),
    }),
  ];
}

/** What opens all that is sealed under the key of an account; nothing once that is destroyed. */
export async function personalOpener(
  db: Db,
  keyring: Keyring,
  accountId: string,
): Promise<Exporting['open']> {
  const row = await db('subject_keys').where({ account_id: accountId }).first('sealed');
  const key = row?.sealed as Buffer | undefined;
  return (context, sealed) =>
    key && Buffer.isBuffer(sealed) ? openPersonal({ keyring, accountId, context, sealed, key }) : undefined;
}
