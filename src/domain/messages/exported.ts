import { z } from 'zod';
import {
  ALL_GIVEN,
  type ExportFile,
  type Exporting,
  instant,
  tableFile,
} from '../../platform/storage/export-file.js';

const message = z.strictObject({
  id: z.uuid(),
  channel: z.string(),
  kind: z.string(),
  template: z.string(),
  template_version: z.string(),
  language: z.string(),
  topic: z.string().nullable(),
  opt_in: z.uuid().nullable(),
  to: z.string().nullable(),
  subject: z.string().nullable(),
  queued_at: instant,
  state: z.string(),
  state_at: instant,
  reason: z.string().nullable(),
  tries: z.number().int(),
});

const optIn = z.strictObject({
  id: z.uuid(),
  topic: z.string(),
  channel: z.string(),
  version: z.number().int(),
  language: z.string(),
  given_at: instant,
  given_at_place: z.string(),
  withdrawn_at: instant.nullable(),
  withdrawn_at_place: z.string().nullable(),
  restored_at: instant.nullable(),
});

/** What this room holds about what somebody was sent, and wants to hear. */
export function exportMessages(from: Exporting): readonly ExportFile[] {
  return [
    tableFile(from, {
      name: 'messages',
      table: 'messages',
      key: ['id'],
      record: message,
      sealed: { sealed: ['to', 'subject'] },
      open: row => {
        const plain = from.open(String(row['id']), row['sealed']);
        const [to, subject] = plain === undefined ? [] : (JSON.parse(plain) as readonly string[]);
        return { to: to ?? null, subject: subject ?? null };
      },
    }),
    tableFile(from, {
      name: 'topics',
      table: 'opt_ins',
      key: ['id'],
      record: optIn,
      given: ALL_GIVEN,
    }),
  ];
}
