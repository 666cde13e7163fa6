import { z } from 'zod';
import {
  type ExportFile,
  type Exporting,
  instant,
  tableFile,
  whence,
} from '../platform/storage/export-file.js';
import { originContext } from './session-row.js';

const names = z.array(z.string());
const seconds = (column: string) => `to_timestamp(${column})`;
const token = {
  client_id: z.string(),
  scope: z.string().nullable(),
  claims: z.unknown(),
  rar: z.unknown(),
  gty: z.string().nullable(),
  issued_at: instant,
  expires_at: instant,
};
const times = { issued_at: seconds('issued_at'), expires_at: seconds('expires_at') };

const session = z.strictObject({
  uid: z.string(),
  device: z.uuid().nullable(),
  acr: z.string().nullable(),
  amr: names.nullable(),
  authorizations: names.describe('the apps that were signed in to with it'),
  login_ts: instant.nullable(),
  first_seen_at: instant.nullable(),
  issued_at: instant,
  expires_at: instant,
  ended_at: instant.nullable(),
  ended_reason: z.string().nullable(),
  origin: whence,
});

const grant = z.strictObject({
  client_id: z.string(),
  openid: z.unknown(),
  resources: z.unknown(),
  rejected: z.unknown(),
  rar: z.unknown(),
  issued_at: instant,
  expires_at: instant,
});

/** What the protocol holds about somebody: where they are signed in, and what apps may do; never what lets an app do it. */
export function exportProtocol(from: Exporting): readonly ExportFile[] {
  return [
    tableFile(from, {
      name: 'sessions',
      table: 'sessions',
      key: ['uid'],
      record: session,
      as: {
        ...times,
        login_ts: seconds('login_ts'),
        authorizations: `(SELECT coalesce(array_agg(app ORDER BY app), '{}')
          FROM jsonb_object_keys(coalesce(authorizations, '{}')) app)`,
      },
      sealed: { origin: ['origin'] },
      open: row => ({ origin: whenceOf(from.open(originContext(String(row['uid'])), row['origin'])) }),
    }),
    tableFile(from, {
      name: 'app-names',
      table: 'pairwise_subjects',
      key: ['subject'],
      record: z.strictObject({ subject: z.string() }),
    }),
    tableFile(from, {
      name: 'app-grants',
      table: 'grants',
      key: ['id'],
      record: grant,
      as: times,
    }),
    tableFile(from, {
      name: 'app-access',
      table: 'access_tokens',
      key: ['digest'],
      record: z.strictObject({ ...token, aud: z.string().nullable(), extra: z.unknown() }),
      as: times,
    }),
    tableFile(from, {
      name: 'app-lasting-access',
      table: 'refresh_tokens',
      key: ['digest'],
      record: z.strictObject({
        ...token,
        resource: z.unknown(),
        acr: z.string().nullable(),
        amr: names.nullable(),
        auth_time: instant.nullable(),
        consumed_at: instant.nullable(),
        rotations: z.number().int().nullable(),
      }),
      as: { ...times, auth_time: seconds('auth_time'), consumed_at: seconds('consumed_at') },
    }),
  ];
}

function whenceOf(plain: string | undefined) {
  if (plain === undefined) return null;
  const { browser: device, address } = JSON.parse(plain) as { browser: string; address: string };
  return { device, address };
}
