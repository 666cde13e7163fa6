import { z } from 'zod';
import {
  ALL_GIVEN,
  type ExportFile,
  type Exporting,
  instant,
  tableFile,
} from '../../platform/storage/export-file.js';

const names = z.array(z.string());
const answers = {
  scopes: names,
  claims: names,
  refused_scopes: names,
  refused_claims: names,
  uses: names,
  refused_uses: names,
};
const byName = z.record(z.string(), z.unknown());

const consent = z.strictObject({
  id: z.uuid(),
  client_id: z.string(),
  ...answers,
  resources: byName,
  notices: byName,
  language: z.string(),
  given_at: instant,
  valid_until: instant.nullable(),
});

const event = z.strictObject({
  subject: z.uuid(),
  nr: z.number().int(),
  id: z.uuid(),
  client_id: z.string(),
  event: z.string(),
  state: z.string(),
  at: instant,
  by_kind: z.string(),
  method: z.string(),
  notices: byName,
  renews: names,
  language: z.string().nullable(),
  wording: z.string().nullable().describe('the words that were shown, whose digest the ledger keeps'),
  ...answers,
  resources: byName,
  controllers: z.unknown(),
  recipients: z.unknown(),
  retention: byName,
  jurisdiction: names,
  withdrawal: z.string().nullable(),
  valid_until: instant.nullable(),
});

const terms = z.strictObject({ version: z.string(), language: z.string(), accepted_at: instant });

/** What this room holds about what somebody allowed, refused and took back. */
export function exportConsents(from: Exporting): readonly ExportFile[] {
  return [
    tableFile(from, {
      name: 'consents',
      table: 'consents',
      key: ['client_id'],
      record: consent,
      given: ALL_GIVEN,
    }),
    tableFile(from, {
      name: 'consent-ledger',
      table: 'consent_ledger',
      key: ['subject', 'nr'],
      own: 'subject = (SELECT s.subject FROM consent_subjects s WHERE s.account_id = :accountId)',
      record: event,
      as: {
        wording: '(SELECT w.wording FROM consent_wordings w WHERE w.digest = consent_ledger.wording)',
      },
    }),
    tableFile(from, {
      name: 'terms',
      table: 'terms_acceptances',
      key: ['version'],
      record: terms,
    }),
  ];
}
