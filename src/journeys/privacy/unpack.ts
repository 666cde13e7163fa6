import { createHash } from 'node:crypto';
import yauzl from 'yauzl';
import { z } from 'zod';
import { instant } from '../../platform/storage/export-file.js';
import { MANIFEST, manifestSchema } from './manifest.js';

/** So large a copy may be that somebody brings, in megabytes; unpacked three times as much, in so many files. */
export const IMPORT_MEGABYTES = 8;
const UNPACKED_BYTES = 24_000_000;
const MOST_FILES = 500;

/** Why a file cannot be taken for a copy that a Keyhold made: too much in it · none at all · not as its manifest says. */
export type ImportProblem = 'too_large' | 'no_copy' | 'altered';

/* What does not stand in a manifest, since it is about it. */
const ABOUT = new Set([MANIFEST, 'bagit.txt', 'manifest-sha256.txt', 'tagmanifest-sha256.txt']);
const FOLDERS = /^(data|csv|schema|pictures|receipts)\/[\w.-]{1,200}$|^index\.html$/;

/** What is taken out of a copy: of what its person gave, and nothing that somebody else said about it. */
export interface BroughtCopy {
  readonly issuer: string;
  readonly madeAt: string;
  readonly values: Readonly<Record<string, unknown>>;
  readonly pictures: readonly { readonly attribute: string; readonly bytes: Buffer }[];
  readonly emails: readonly string[];
  readonly phones: readonly string[];
  readonly topics: readonly string[];
  /** So many apps were allowed something there, of which nothing is taken. */
  readonly consents: number;
}

class Unusable extends Error {
  readonly problem: ImportProblem;

  constructor(problem: ImportProblem) {
    super(problem);
    this.problem = problem;
  }
}

/** Reads a copy of another Keyhold: bounded, every file held against its manifest, every line against what it may be. */
export async function readCopy(bytes: Buffer): Promise<BroughtCopy | ImportProblem> {
  try {
    return takenOf(await unpack(bytes));
  } catch (error) {
    if (error instanceof Unusable) return error.problem;
    /* Whatever else goes wrong with bytes that anybody made up is no fault of ours. */
    return 'no_copy';
  }
}

/* Sizes are believed only to turn something away: the reader stops where a file has more than it says. */
function unpack(bytes: Buffer): Promise<ReadonlyMap<string, Buffer>> {
  return new Promise((resolve, reject) => {
    const found = new Map<string, Buffer>();
    let total = 0;
    yauzl.fromBuffer(bytes, { lazyEntries: true, strictFileNames: true }, (error, zip) => {
      if (error || !zip) return reject(error ?? new Unusable('no_copy'));
      if (zip.entryCount > MOST_FILES) return reject(new Unusable('too_large'));
      zip.on('error', reject);
      zip.on('end', () => resolve(found));
      zip.on('entry', entry => {
        total += entry.uncompressedSize;
        if (total > UNPACKED_BYTES) return reject(new Unusable('too_large'));
        if (found.has(entry.fileName)) return reject(new Unusable('altered'));
        zip.openReadStream(entry, (failed, stream) => {
          if (failed || !stream) return reject(failed ?? new Unusable('no_copy'));
          const chunks: Buffer[] = [];
          stream.on('data', (chunk: Buffer) => chunks.push(chunk));
          stream.on('error', reject);
          stream.on('end', () => {
            found.set(entry.fileName, Buffer.concat(chunks));
            zip.readEntry();
          });
        });
      });
      zip.readEntry();
    });
  });
}

const value = z.strictObject({
  attribute: z.string().max(100),
  value: z.unknown(),
  source: z.string(),
  recorded_at: instant,
  ends_told_at: instant.nullable().optional(),
});
const contact = { verified_at: instant.nullable(), is_primary: z.boolean(), added_at: instant };
const picture = z.strictObject({ attribute: z.string().max(100), file: z.string(), made_at: instant });
const topic = z.strictObject({
  id: z.uuid(),
  topic: z.string().max(100),
  channel: z.string().max(20),
  version: z.number().int(),
  language: z.string().max(40),
  given_at: instant,
  given_at_place: z.string().max(100),
  withdrawn_at: instant.nullable(),
  withdrawn_at_place: z.string().max(100).nullable(),
  restored_at: instant.nullable(),
});
const RECORDS = {
  profile: z.array(value).max(200),
  pictures: z.array(picture).max(20),
  'email-addresses': z.array(z.strictObject({ address: z.string().max(254), ...contact })).max(100),
  'phone-numbers': z.array(z.strictObject({ number: z.string().max(40), ...contact })).max(100),
  topics: z.array(topic).max(1_000),
} as const;

function takenOf(files: ReadonlyMap<string, Buffer>): BroughtCopy {
  const text = files.get(MANIFEST)?.toString('utf8');
  if (text === undefined) throw new Unusable('no_copy');
  const manifest = manifestSchema.safeParse(JSON.parse(text)).data;
  if (!manifest) throw new Unusable('no_copy');
  const named = new Map(manifest.files.map(({ path, sha256 }) => [path, sha256]));
  const others = [...files.keys()].filter(path => !ABOUT.has(path));
  const isNamed = (path: string) => FOLDERS.test(path) && named.has(path);
  if (named.size !== manifest.files.length || named.size !== others.length || !others.every(isNamed))
    throw new Unusable('altered');
  for (const [path, sha256] of named) {
    const content = files.get(path) ?? Buffer.alloc(0);
    if (createHash('sha256').update(content).digest('hex') !== sha256) throw new Unusable('altered');
  }
  const rows = <Name extends keyof typeof RECORDS>(name: Name): z.output<(typeof RECORDS)[Name]> => {
    const parsed = RECORDS[name].safeParse(JSON.parse(files.get(`data/${name}.json`)?.toString() ?? '[]'));
    if (!parsed.success) throw new Unusable('altered');
    return parsed.data as z.output<(typeof RECORDS)[Name]>;
  };
  const wanted = rows('topics').filter(({ withdrawn_at }) => withdrawn_at === null);
  return {
    issuer: manifest.issuer,
    madeAt: manifest.made_at,
    /* What an operator put down is theirs to prove. */
    values: Object.fromEntries(
      rows('profile')
        .filter(({ source }) => source !== 'operator')
        .map(({ attribute, value: given }) => [attribute, given]),
    ),
    pictures: rows('pictures').flatMap(({ attribute, file }) => {
      const content = files.get(file);
      return content ? [{ attribute, bytes: content }] : [];
    }),
    emails: rows('email-addresses').map(({ address }) => address),
    phones: rows('phone-numbers').map(({ number }) => number),
    topics: [...new Set(wanted.map(({ topic: name }) => name))],
    consents: manifest.files.find(({ path }) => path === 'data/consents.json')?.rows ?? 0,
  };
}
