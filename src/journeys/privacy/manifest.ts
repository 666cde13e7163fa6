import { z } from 'zod';
import { type Export, listFiles, type MadeFile, type PackedFile } from '../../domain/exports/exports.js';
import type { Db } from '../../platform/storage/db.js';
import { EXPORT_SCOPES, instant } from '../../platform/storage/export-file.js';
import { schemaPath } from './export-part.js';
import { pack } from './packing.js';

/** Where the manifest of an export lies. */
export const MANIFEST = 'manifest.json';

/** What an export says of itself: what it is, whose, and the hash of everything that is in it. */
export const manifestSchema = z.strictObject({
  format: z.literal('keyhold-export'),
  version: z.literal(1).describe('the version of the schemas that lie in schema/'),
  scope: z
    .enum(EXPORT_SCOPES)
    .describe('access: all that is held (GDPR 15) · portability: what its person gave (GDPR 20)'),
  issuer: z.url(),
  account: z.uuid(),
  language: z.string(),
  asked_at: instant,
  made_at: instant,
  files: z
    .array(
      z.strictObject({
        path: z.string().max(300),
        about: z.string().optional(),
        rows: z.number().int().optional(),
        bytes: z.number().int(),
        sha256: z.string().regex(/^[\da-f]{64}$/),
        schema: z.string().optional(),
      }),
    )
    .max(100_000),
});
export type Manifest = z.output<typeof manifestSchema>;

const BAGIT = 'BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n';

/** How somebody checks by one command that nothing was changed: a bag (RFC 8493), whose payload is what lies in `data/`. */
const sums = (files: readonly MadeFile[]) =>
  files.map(({ sha256, path }) => `${sha256.toString('hex')}  ${path}\n`).join('');

/** All files that are on record, in their order. */
export async function madeFiles(db: Db, copy: Pick<Export, 'accountId' | 'id'>): Promise<MadeFile[]> {
  const files: MadeFile[] = [];
  for await (const file of listFiles(db, copy)) files.push(file);
  return files;
}

/** What comes last: the manifest, and the sums that common tools check. */
export async function manifestOf(
  copy: Export,
  issuer: URL,
  files: readonly MadeFile[],
  madeAt: Date,
): Promise<readonly PackedFile[]> {
  const manifest: Manifest = {
    format: 'keyhold-export',
    version: 1,
    scope: copy.scope,
    issuer: issuer.origin,
    account: copy.accountId,
    language: copy.language,
    asked_at: copy.askedAt.toISOString(),
    made_at: madeAt.toISOString(),
    files: files.map(({ path, about, rows, bytes, sha256 }) => ({
      path,
      ...(about !== undefined && { about }),
      ...(rows !== undefined && { rows }),
      bytes,
      sha256: sha256.toString('hex'),
      ...(about !== undefined && path.startsWith('data/') && { schema: schemaPath(about) }),
    })),
  };
  const payload = files.filter(({ path }) => path.startsWith('data/'));
  const own = [
    await pack(MANIFEST, `${JSON.stringify(manifest, null, 2)}\n`),
    await pack('bagit.txt', BAGIT),
    await pack('manifest-sha256.txt', sums(payload)),
  ];
  const tags = [...files.filter(file => !payload.includes(file)), ...own];
  return [...own, await pack('tagmanifest-sha256.txt', sums(tags))];
}
