import { randomUUID } from 'node:crypto';
import { chmod, link, mkdir, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, fileTrouble, StorageTrouble } from './trouble.js';

/**
 * Makes the data folder when it is missing and proves that it can be written to. Root lets others pass through it
 * (the embedded Postgres runs as somebody else); every file in it is for its owner alone.
 */
export async function prepareFolder(path: string): Promise<void> {
  try {
    const made = await mkdir(path, { recursive: true, mode: 0o700 });
    if (made !== undefined && process.getuid?.() === 0) await chmod(path, 0o711);
    if (!(await stat(path)).isDirectory()) throw new StorageTrouble(`${path} is not a folder.`);
    const probe = join(path, `.write-${randomUUID()}`);
    try {
      await writeFile(probe, 'keyhold', { mode: 0o600 });
    } finally {
      await rm(probe, { force: true });
    }
  } catch (error) {
    throw fileTrouble(path, error);
  }
}

/**
 * The text of a file that only its owner may read: `make()` writes it the first time, whole or not at all, and of
 * several processes that start at once exactly one does.
 */
export async function keepOnce(path: string, make: () => string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw fileTrouble(path, error);
  }
  const draft = `${path}.${randomUUID()}`;
  try {
    await writeDurably(draft, make());
    await link(draft, path).catch(error => {
      if (errorCode(error) !== 'EEXIST') throw error;
    });
    return await readFile(path, 'utf8');
  } catch (error) {
    throw fileTrouble(path, error);
  } finally {
    await rm(draft, { force: true }).catch(() => undefined);
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}
