import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { z } from 'zod';

/** One account that was erased, as the list has it: nothing by which anybody is known, without the installation's secret. */
export interface Erased {
  /** The account's id under a key. */
  readonly account: string;
  readonly at: string;
  /** The deletion, and the digest of its private link: after a restore the same link leads to it again. */
  readonly deletion: string;
  readonly link: string;
}

const lineSchema = z.strictObject({
  v: z.literal(1),
  account: z.string().regex(/^[\w-]{43}$/),
  at: z.iso.datetime(),
  deletion: z.uuid(),
  link: z.string().regex(/^[\w-]{43}$/),
});

/** The line of the list. */
export function erasedLine(erased: Erased): string {
  return `${JSON.stringify({ v: 1, ...erased })}\n`;
}

/**
 * Adds to the list that stands apart from the database: a file, or in a folder a file for each month. What it says is on the disk
 * before the account is removed; a step that is done again says it again.
 */
export async function noteErased(place: string | undefined, erased: Erased): Promise<void> {
  if (place === undefined) return;
  const path = (await isFolder(place)) ? join(place, `erased-${erased.at.slice(0, 7)}.jsonl`) : place;
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, 'a', 0o600);
  try {
    await file.appendFile(erasedLine(erased));
    await file.sync();
  } finally {
    await file.close();
  }
}

async function isFolder(place: string): Promise<boolean> {
  return (await stat(place).catch(() => undefined))?.isDirectory() === true;
}

/** The lines of a list: of a file, of each file in a folder, or of a stream. A line that is none names itself. */
export async function* readErased(place: string | Readable): AsyncIterable<Erased> {
  const inputs = typeof place === 'string' ? await filesOf(place) : [place];
  let number = 0;
  for (const input of inputs) {
    const lines = createInterface({ input: typeof input === 'string' ? createReadStream(input) : input });
    for await (const line of lines) {
      number += 1;
      if (line.trim() === '') continue;
      yield parsed(line, number);
    }
  }
}

async function filesOf(place: string): Promise<readonly string[]> {
  if (!(await isFolder(place))) return [place];
  const names = (await readdir(place)).filter(name => name.endsWith('.jsonl')).sort();
  return names.map(name => join(place, name));
}

/* A process that was killed while it wrote leaves half a line, and the whole one after it. */
function parsed(line: string, number: number): Erased {
  const start = line.lastIndexOf('{"v":1');
  try {
    const { account, at, deletion, link } = lineSchema.parse(JSON.parse(line.slice(Math.max(start, 0))));
    return { account, at, deletion, link };
  } catch (cause) {
    throw new Error(`line ${number} of the list cannot be read`, { cause });
  }
}
