import { z } from 'zod';
import {
  ALL_GIVEN,
  type ExportFile,
  type Exporting,
  instant,
  tableFile,
  whence,
} from '../../platform/storage/export-file.js';

const held = { verified_at: instant.nullable(), is_primary: z.boolean(), added_at: instant };

const change = z.strictObject({
  id: z.uuid(),
  kind: z.string(),
  what: z.string(),
  address: z.string(),
  before: z.array(z.record(z.string(), z.unknown())),
  asked_from: whence,
  made_at: instant,
  undo_until: instant,
  undone_at: instant.nullable(),
});

const code = z.strictObject({
  id: z.uuid(),
  purpose: z.string(),
  address: z.string(),
  asked_from: whence,
  locale: z.string(),
  created_at: instant,
  expires_at: instant,
  used_at: instant.nullable(),
  ended_at: instant.nullable(),
  ended_reason: z.string().nullable(),
  spent_at: instant.nullable(),
  attempts: z.number().int(),
});

/** What this room holds about somebody, file by file. */
export function exportContacts(from: Exporting): readonly ExportFile[] {
  return [
    tableFile(from, {
      name: 'email-addresses',
      table: 'email_addresses',
      key: ['address'],
      record: z.strictObject({ address: z.string(), ...held }),
      given: ALL_GIVEN,
    }),
    tableFile(from, {
      name: 'phone-numbers',
      table: 'phone_numbers',
      key: ['number'],
      record: z.strictObject({ number: z.string(), ...held }),
      given: ALL_GIVEN,
    }),
    tableFile(from, {
      name: 'contact-changes',
      table: 'contact_changes',
      key: ['id'],
      record: change,
      sealed: { asked_from: ['asked_from'] },
      open: row => ({ asked_from: from.whence('contact-change', row['asked_from']) }),
    }),
    tableFile(from, {
      name: 'codes-sent',
      table: 'email_proofs',
      key: ['id'],
      record: code,
      sealed: { asked_from: ['asked_from'] },
      open: row => ({ asked_from: from.whence('code', row['asked_from']) }),
    }),
  ];
}
