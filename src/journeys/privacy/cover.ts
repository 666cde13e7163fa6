import { listContacts } from '../../domain/contacts/contacts.js';
import type { Export, MadeFile, PackedFile } from '../../domain/exports/exports.js';
import type { PageFrame, Renderer } from '../../platform/web/render.js';
import type { Parts } from '../journey.js';
import { profileOf } from '../manage/profile/entries.js';
import { shownEntry } from '../manage/profile/shown.js';
import { type CoverPage, EXPORT_GROUPS, GROUPS, type IndexEntry } from './models.js';
import { pack } from './packing.js';

/** What writing the index takes. */
export type Indexing = Pick<Parts, 'db' | 'keyring' | 'issuer' | 'profile'> & {
  readonly renderer: Renderer;
  readonly rp: { readonly name: string };
  translator(language: string): (key: string) => string;
};

/** The page that a person reads, in the language in which they asked; it needs nothing but the files beside it. */
export async function coverOf(
  indexing: Indexing,
  copy: Export,
  files: readonly MadeFile[],
  madeAt: Date,
): Promise<PackedFile> {
  const { language, accountId, scope, askedAt } = copy;
  const speaking = { language, say: indexing.translator(language) };
  const entries = await profileOf(indexing, accountId);
  const given = entries.filter(({ kept }) => kept && (scope === 'access' || kept.source !== 'operator'));
  const contacts = await listContacts(indexing.db, accountId);
  const page: CoverPage & PageFrame = {
    language,
    csrf: '',
    issuerName: indexing.rp.name,
    scope,
    issuer: indexing.issuer.origin,
    askedAt,
    madeAt,
    profile: given.flatMap(entry => {
      const { label, value, purpose } = shownEntry(entry, speaking);
      return value && value.lines.length > 0 ? [{ label, lines: value.lines, purpose }] : [];
    }),
    contacts: contacts.map(({ kind, address, verifiedAt }) => ({
      kind,
      address,
      proven: verifiedAt !== undefined,
    })),
    groups: groupsOf(files),
  };
  return pack('index.html', indexing.renderer.page('export/cover', page));
}

function groupsOf(files: readonly MadeFile[]): CoverPage['groups'] {
  const all = Map.groupBy(
    files.filter(({ about }) => about !== undefined),
    ({ about }) => String(about),
  );
  const named: ReadonlySet<string> = new Set(Object.values(EXPORT_GROUPS).flat());
  const others = [...all.keys()].filter(about => !named.has(about)).sort();
  return GROUPS.flatMap(word => {
    const about: readonly string[] = [...EXPORT_GROUPS[word], ...(word === 'rest' ? others : [])];
    const entries = about.flatMap(name => entryOf(name, all.get(name)));
    return entries.length === 0 ? [] : [{ word, entries }];
  });
}

function entryOf(name: string, files: readonly MadeFile[] = []): IndexEntry[] {
  if (files.length === 0) return [];
  const under = (folder: string) => files.map(({ path }) => path).filter(path => path.startsWith(folder));
  const [json, csv, schema] = [under('data/'), under('csv/'), under('schema/')];
  const known = new Set([...json, ...csv, ...schema]);
  return [
    {
      word: name,
      rows: files.reduce((sum, { path, rows = 0 }) => sum + (path.startsWith('data/') ? rows : 0), 0),
      json,
      csv,
      others: files.map(({ path }) => path).filter(path => !known.has(path)),
      schema: schema[0],
    },
  ];
}
