import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { CompactSign, compactVerify, decodeProtectedHeader } from 'jose';
import { z } from 'zod';
import type { Keyring } from '../../platform/crypto/keyring.js';
import type { Db } from '../../platform/storage/db.js';
import { auditKey, type PublicJwk, publicKey } from './block.js';
import { type BlockEnd, findCheckpoint, findEnd } from './store.js';
import type { Fault, KnownKeys } from './verify.js';

/** The end of the chain, signed: what is kept outside of the database. */
export interface Head {
  readonly nr: number;
  /** How many events there are up to it. */
  readonly events: number;
  readonly at: string;
  /** All of that and the hash, signed (RFC 7515, compact): only this counts. */
  readonly jws: string;
}

/** Whose heads these are. */
export interface HeadMaking {
  readonly db: Db;
  readonly keyring: Keyring;
  readonly issuer: URL;
}

const TYPE = 'keyhold-audit-head';

/** Signs the end of the chain; undefined where there is none yet. */
export async function signHead(parts: HeadMaking): Promise<Head | undefined> {
  const end = await findEnd(parts.db);
  return end && signEnd(parts, end);
}

/** Signs the chain up to a block. */
export async function signEnd({ keyring, issuer }: Omit<HeadMaking, 'db'>, end: BlockEnd): Promise<Head> {
  const { kid, key } = auditKey(keyring);
  const said = { nr: end.nr, events: end.total, at: end.at.toISOString() };
  const payload = { iss: issuer.origin, ...said, hash: end.hash.toString('hex') };
  const jws = await new CompactSign(Buffer.from(JSON.stringify(payload)))
    .setProtectedHeader({ alg: 'EdDSA', kid, typ: TYPE })
    .sign(key);
  return { ...said, jws };
}

/** Younger events are never forgotten, in milliseconds: the database sees to it too. */
const FORGOTTEN_AFTER = 364 * 86_400_000;

/* Enough for a line, whatever came after a torn one. */
const TAIL = 4_096;

/** Adds a head to a file that is only added to, unless its last line says the same; on the disk when this returns. */
export async function appendHead(path: string, head: Head): Promise<boolean> {
  const file = await open(path, 'a+', 0o640);
  try {
    const { size } = await file.stat();
    const from = Math.max(0, size - TAIL);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(TAIL), 0, TAIL, from);
    const tail = buffer.toString('utf8', 0, bytesRead);
    const last = headOf(tail.trimEnd().split('\n').at(-1) ?? '');
    if (last?.nr === head.nr) return false;
    /* A line that was torn when a process was killed stays as it is. */
    const gap = tail === '' || tail.endsWith('\n') ? '' : '\n';
    await file.appendFile(`${gap}${JSON.stringify(head)}\n`);
    await file.datasync();
    return true;
  } finally {
    await file.close();
  }
}

/** When the last head was written to a file; undefined where there is none. */
export async function lastHeadAt(path: string): Promise<Date | undefined> {
  const file = await open(path, 'r').catch(() => undefined);
  if (!file) return undefined;
  try {
    return (await file.stat()).mtime;
  } finally {
    await file.close();
  }
}

/** The lines of a file, one at a time. */
export function linesOf(path: string): AsyncIterable<string> {
  return createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY });
}

const lineSchema = z.object({ nr: z.int().optional(), jws: z.string().max(4_096) });
const payloadSchema = z.object({
  iss: z.string(),
  nr: z.int().min(1),
  events: z.int().min(1),
  hash: z.string().regex(/^[\da-f]{64}$/),
  at: z.iso.datetime(),
});

/* Of a line of the log too, where it stands beside other members. */
function headOf(line: string): z.output<typeof lineSchema> | undefined {
  try {
    const said = JSON.parse(line) as { readonly head?: unknown };
    return lineSchema.safeParse(said.head ?? said).data;
  } catch {
    return undefined;
  }
}

/** What heads that were written outside say about the chain. */
export interface HeadsSeen {
  /** How many there were. */
  readonly heads: number;
  readonly fault?: Fault;
}

/** What heads are held against. */
export interface HeadChecking {
  readonly db: Db;
  readonly keys: KnownKeys;
  readonly issuer: URL;
}

/** Holds each head of these lines against the chain, one after the other; lines without one are passed over. */
export async function checkHeads(
  { db, keys, issuer }: HeadChecking,
  lines: AsyncIterable<string>,
): Promise<HeadsSeen> {
  let [heads, line] = [0, 0];
  for await (const text of lines) {
    line += 1;
    const head = headOf(text);
    if (!head) continue;
    heads += 1;
    const payload = await openHead(head.jws, keys.all);
    if (!payload || payload.iss !== issuer.origin) return { heads, fault: { what: 'head_forged', line } };
    const fault = await compared(db, payload);
    if (fault) return { heads, fault };
  }
  return { heads };
}

/** What a head says, and by which key, if one of these signed just that. */
export async function openHead(jws: string, keys: ReadonlyMap<string, PublicJwk>) {
  try {
    const kid = String(decodeProtectedHeader(jws).kid);
    const jwk = keys.get(kid);
    if (!jwk) return undefined;
    const { payload, protectedHeader } = await compactVerify(jws, publicKey(jwk), { algorithms: ['EdDSA'] });
    if (protectedHeader.typ !== TYPE) return undefined;
    return { ...payloadSchema.parse(JSON.parse(Buffer.from(payload).toString('utf8'))), kid };
  } catch {
    return undefined;
  }
}

async function compared(
  db: Db,
  { nr, events, hash, at }: z.output<typeof payloadSchema>,
): Promise<Fault | undefined> {
  const checkpoint = await findCheckpoint(db);
  const block = checkpoint?.nr === nr ? checkpoint : await findEnd(db, nr);
  if (block) {
    const isSame = block.hash.toString('hex') === hash && block.total === events;
    return isSame ? undefined : { what: 'rewritten', block: nr };
  }
  /* Whoever has the secret too could say that everything was forgotten; nothing of the last year ever is. */
  if (checkpoint && nr < checkpoint.nr)
    return Date.parse(at) < Date.now() - FORGOTTEN_AFTER ? undefined : { what: 'rewritten', block: nr };
  const end = await findEnd(db);
  return { what: 'cut', block: nr, last: end?.nr ?? 0, events: events - (end?.total ?? 0) };
}
