import { createReadStream } from 'node:fs';
import { Piscina } from 'piscina';
import { z } from 'zod';
import type { Db } from '../../platform/storage/db.js';
import { openWork } from '../../platform/storage/work.js';
import {
  blockedDigest,
  blocklistForms,
  commonDigest,
  foldPassword,
  isThin,
  lengthReason,
  PASSWORD_MAXIMUM,
  type PasswordReason,
  patternReason,
  withoutContext,
} from './password.js';
import { findBlocked, insertBlocked } from './store.js';

/** The answer to a password that somebody would like to have. */
export type PasswordVerdict = { readonly ok: true } | { readonly ok: false; readonly reason: PasswordReason };

/** What a new password is measured against: names and addresses of the person, the minimum length. */
export interface PasswordRules {
  /** The product's name, the person's name, their e-mail address: as written, they are taken apart here. */
  readonly context: readonly string[];
  readonly minimum: number;
}

let common: Promise<Float64Array> | undefined;

/** Reads the built-in blocklist into memory (2 MB), in a thread that then ends; later calls cost nothing. */
export function loadBlocklist(): Promise<Float64Array> {
  common ??= readDictionaries().catch(error => {
    common = undefined;
    throw error;
  });
  return common;
}

/** Measures a new password against length, patterns, context and both blocklists; the database is asked last. */
export async function checkPassword(
  db: Db,
  candidate: string,
  rules: PasswordRules,
): Promise<PasswordVerdict> {
  const reason =
    lengthReason(candidate, rules.minimum) ??
    patternReason(candidate, rules.minimum) ??
    (await listReason(db, candidate, rules));
  return reason ? { ok: false, reason } : { ok: true };
}

async function listReason(
  db: Db,
  candidate: string,
  rules: PasswordRules,
): Promise<PasswordReason | undefined> {
  const digests = await loadBlocklist();
  const forms = blocklistForms(candidate);
  const listed = (texts: readonly string[]) => texts.some(text => contains(digests, commonDigest(text)));
  const rest = withoutContext(candidate, ['keyhold', ...rules.context]);
  if (rest !== undefined && (isThin(rest, rules.minimum) || listed(blocklistForms(rest))))
    return 'context_word';
  return listed(forms) || (await findBlocked(db, forms.map(blockedDigest))) ? 'common' : undefined;
}

async function readDictionaries(): Promise<Float64Array> {
  const filename = new URL('./worker.js', import.meta.url).href;
  const thread = new Piscina<null, Float64Array>({ filename, minThreads: 1, maxThreads: 1 });
  try {
    return await thread.run(null, { name: 'listCommonDigests' });
  } finally {
    await thread.destroy();
  }
}

function contains(sorted: Float64Array, wanted: number): boolean {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) < wanted) low = middle + 1;
    else high = middle;
  }
  return sorted[low] === wanted;
}

const BATCH = 5_000;
const USAGE = 'Usage: keyhold passwords load FILE   (one password a line; nobody can choose these any more)';

/** What the command works with. */
export interface PasswordsCommand {
  readonly db: Db;
  readonly print: (line: string) => void;
  readonly printError: (line: string) => void;
}

/** `keyhold passwords load FILE`: adds a list of passwords to the blocklist; gives the exit code. */
export async function runPasswords(argv: readonly string[], command: PasswordsCommand): Promise<number> {
  const [verb, file, ...rest] = argv;
  if (verb !== 'load' || file === undefined || rest.length > 0) {
    command.printError(USAGE);
    return 2;
  }
  try {
    const { read, added } = await loadFile(command.db, file);
    command.print(`Read ${read} passwords, ${added} of them new: nobody can choose these any more.`);
    return 0;
  } catch (error) {
    const reason = unreadable(error);
    if (!reason) throw error;
    command.printError(`The file ${file} cannot be read: ${reason}`);
    return 1;
  }
}

/** What the file system said; undefined when it was something else that failed. */
function unreadable(error: unknown): string | undefined {
  const failed = z.object({ syscall: z.enum(['open', 'read']), code: z.string() }).safeParse(error);
  return failed.data?.code;
}

async function loadFile(db: Db, file: string): Promise<{ read: number; added: number }> {
  let read = 0;
  let added = 0;
  let batch: Buffer[] = [];
  const flush = async () => {
    const digests = batch;
    batch = [];
    added += await openWork(db, { kind: 'system' }, work => insertBlocked(work.tx, digests));
  };
  for await (const line of linesOf(file)) {
    read += 1;
    batch.push(blockedDigest(foldPassword(line)));
    if (batch.length === BATCH) await flush();
  }
  if (batch.length > 0) await flush();
  await openWork(db, { kind: 'system' }, async work => {
    work.record({ type: 'blocklist.loaded', detail: { read, added } });
  });
  return { read, added };
}

/** The lines of a file of any size; one that is longer than a password can be is left out and never held in memory. */
async function* linesOf(file: string): AsyncGenerator<string> {
  let pending = Buffer.alloc(0);
  let overlong = false;
  const finish = (end: Buffer): string | undefined => {
    const line = Buffer.concat([pending, end]).toString('utf8').replace(/\r$/, '');
    const usable = !overlong && line !== '' && Buffer.byteLength(line) <= PASSWORD_MAXIMUM.bytes;
    pending = Buffer.alloc(0);
    overlong = false;
    return usable ? line : undefined;
  };
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const line = finish(chunk.subarray(start, end));
      if (line !== undefined) yield line;
      start = end + 1;
    }
    overlong ||= pending.length + chunk.length - start > PASSWORD_MAXIMUM.bytes + 1;
    pending = overlong ? Buffer.alloc(0) : Buffer.concat([pending, chunk.subarray(start)]);
  }
  const last = finish(Buffer.alloc(0));
  if (last !== undefined) yield last;
}
