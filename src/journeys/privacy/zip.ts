import { PassThrough, Readable } from 'node:stream';
import { ZipFile } from 'yazl';
import { type KeptFile, listFiles, type Making, readFile } from '../../domain/exports/exports.js';
import type { Db } from '../../platform/storage/db.js';

/** The name under which a copy is saved. */
export function fileNameOf({
  scope,
  readyAt,
  askedAt,
}: Pick<Making, 'scope' | 'readyAt' | 'askedAt'>): string {
  return `keyhold-${scope}-${(readyAt ?? askedAt).toISOString().slice(0, 10)}.zip`;
}

/**
 * The copy as a ZIP, opened piece by piece while it is sent: nothing of it is written anywhere in clear, and no more is held than
 * whoever fetches it takes.
 */
export async function zipOf(db: Db, copy: Making): Promise<Readable> {
  const zip = new ZipFile();
  const sent = new PassThrough();
  const mtime = copy.readyAt ?? copy.askedAt;
  let current: Readable | undefined;
  const open = (file: KeptFile) => {
    current = Readable.from(readFile(db, copy, file));
    /* Half a file must never look like a whole one. */
    current.once('error', error => sent.destroy(error));
    return current;
  };
  for await (const file of listFiles(db, copy)) {
    /* Pictures are small already. */
    const compress = !file.path.startsWith('pictures/');
    zip.addReadStreamLazy(file.path, { mtime, size: file.bytes, compress }, give => {
      try {
        give(null, open(file));
      } catch (error) {
        give(error, Readable.from([]));
      }
    });
  }
  zip.on('error', error => sent.destroy(error));
  zip.outputStream.on('error', error => sent.destroy(error));
  zip.outputStream.pipe(sent);
  /* Whoever breaks off has nothing more read for them. */
  sent.once('close', () => current?.destroy());
  zip.end();
  return sent;
}
