import { randomUUID } from 'node:crypto';
import { chmod, link, mkdir, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode, fileTrouble } from './trouble.js';

/**
 * Makes the data folder when it is missing and proves that it can be written to. Root lets others pass through it
 * (the embedded Postgres runs as somebody else); every file in it is for its owner alone.
 */
export async function prepareFolder(path: string): Promise<void> {
  try {
    if ((await makeFolder(path, 0o700)) && process.getuid?.() === 0) await chmod(path, 0o711);
    if (!(await stat(path)).isDirectory())
      throw fileTrouble(path, Object.assign(new Error('not a folder'), { code: 'EEXIST' }));
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
 * Makes a folder with those above it, and says whether it was missing. Node's own recursive mkdir never ends where a
 * folder can be entered and nothing made in it (/proc).
 */
export async function makeFolder(path: string, mode: number): Promise<boolean> {
  try {
    await mkdir(path, { mode });
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    if (errorCode(error) !== 'ENOENT' || dirname(path) === path) throw error;
  }
  await makeFolder(dirname(path), 0o755);
  await mkdir(path, { mode });
  return true;
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
