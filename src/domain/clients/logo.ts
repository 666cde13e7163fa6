import { Refusal } from '../../platform/errors.js';
import type { Outbound } from '../../platform/outbound.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork } from '../../platform/storage/work.js';
import * as store from './store.js';

/** What became of a client's logo: kept, not kept because nothing (or nothing fit) is there, or overtaken by a change. */
export type LogoOutcome = 'stored' | 'none' | 'unusable' | 'overtaken';

const MAX_BYTES = 262_144;

/**
 * Fetches the picture at a client's `logo_uri` and keeps it, so that pages show it from our own origin. A picture that
 * cannot be had now is thrown as a Refusal (try again later); one that is no picture is dropped.
 */
export async function fetchLogo(db: Db, outbound: Outbound, clientId: string): Promise<LogoOutcome> {
  const client = await store.find(db, clientId);
  const uri = client?.metadata.logo_uri;
  if (uri === undefined) return 'none';
  const bytes = await download(outbound, uri);
  const type = pictureType(bytes);
  const logo = type === undefined ? null : { type, bytes };
  const kept = await openWork(db, { kind: 'system' }, work => store.updateLogo(work.tx, clientId, uri, logo));
  if (!kept) return 'overtaken';
  return logo === null ? 'unusable' : 'stored';
}

async function download(outbound: Outbound, uri: string): Promise<Buffer> {
  const headers = { accept: 'image/png, image/jpeg, image/webp, image/gif' };
  const response = await outbound.fetch(uri, { headers, maxBytes: MAX_BYTES });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Refusal('invalid', 'unreachable', 'The address did not give a usable answer.');
  }
  return Buffer.from(await response.arrayBuffer());
}

/** The type that the bytes themselves show; what the other server calls them decides nothing. */
function pictureType(bytes: Buffer): string | undefined {
  const head = bytes.toString('latin1', 0, 12);
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'image/png';
  if (head.startsWith('\xff\xd8\xff')) return 'image/jpeg';
  if (/^GIF8[79]a/.test(head)) return 'image/gif';
  if (head.startsWith('RIFF') && head.endsWith('WEBP')) return 'image/webp';
  return undefined;
}
