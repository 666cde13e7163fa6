import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { deflateRaw } from 'node:zlib';
import { type PackedFile, PIECE_BYTES } from '../../domain/exports/exports.js';

const deflate = promisify(deflateRaw);

/** A file that is being written: of what was written, only what does not fill a piece yet is held as it is. */
export interface Packing {
  readonly bytes: number;
  write(text: string | Buffer): Promise<void>;
  /** The file, whole. */
  end(rows?: number): Promise<PackedFile>;
}

/** Begins a file of an export. */
export function openPacking(path: string, about?: string): Packing {
  const hash = createHash('sha256');
  const pieces: Buffer[] = [];
  let waiting: Buffer[] = [];
  let [waits, bytes] = [0, 0];
  const flush = async (all: boolean) => {
    const whole = Buffer.concat(waiting);
    let at = 0;
    for (; whole.length - at >= PIECE_BYTES || (all && at < whole.length); at += PIECE_BYTES) {
      pieces.push(await deflate(whole.subarray(at, at + PIECE_BYTES)));
    }
    waiting = at < whole.length ? [whole.subarray(at)] : [];
    waits = Math.max(whole.length - at, 0);
  };
  return {
    get bytes() {
      return bytes;
    },
    write: async text => {
      const chunk = Buffer.isBuffer(text) ? text : Buffer.from(text);
      hash.update(chunk);
      bytes += chunk.length;
      waits += chunk.length;
      waiting.push(chunk);
      if (waits >= PIECE_BYTES) await flush(false);
    },
    end: async rows => {
      await flush(true);
      return { path, about, rows, bytes, sha256: hash.digest(), pieces };
    },
  };
}

/** A file of an export that is there at once. */
export async function pack(path: string, content: string | Buffer, about?: string): Promise<PackedFile> {
  const packing = openPacking(path, about);
  await packing.write(content);
  return packing.end();
}
