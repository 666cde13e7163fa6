import { Busboy } from '@fastify/busboy';
import type Koa from 'koa';
import { Refusal } from '../errors.js';
import type { Csrf } from './csrf.js';

/** A file that came with a form: undefined where none was chosen, and cut off where it was larger than allowed. */
export interface Upload {
  readonly bytes: Buffer | undefined;
  readonly tooLarge: boolean;
}

const SECONDS = 60;
const MOST_AT_ONCE = 16;
let underWay = 0;

/**
 * Reads a form with one file. The CSRF token has to come before the file, so that nobody fills our memory from elsewhere;
 * what is too large is read to its end and dropped, since a browser shows no answer before.
 */
export async function readUpload(
  ctx: Koa.Context,
  csrf: Csrf,
  { file, megabytes }: { readonly file: string; readonly megabytes: number },
): Promise<Readonly<Record<string, unknown>>> {
  if (!ctx.is('multipart/form-data')) {
    throw new Refusal('invalid', 'unsupported_media_type', 'Send this as an HTML form with a file does.');
  }
  return bounded(ctx, megabytes, () => receive(ctx, csrf, file, megabytes));
}

/** Reads a file that an app sends as it is, where its token alone says who it is. */
export async function readFile(
  ctx: Koa.Context,
  { types, megabytes }: { readonly types: readonly string[]; readonly megabytes: number },
): Promise<Buffer> {
  if (!ctx.is([...types])) {
    throw new Refusal('invalid', 'unsupported_media_type', `Send this as ${types.join(' or ')}.`);
  }
  return bounded(ctx, megabytes, async () => {
    const chunks: Buffer[] = [];
    let received = 0;
    try {
      for await (const chunk of ctx.req as AsyncIterable<Buffer>) {
        received += chunk.length;
        if (received > megabytes * 4_000_000) break;
        if (received <= megabytes * 1_000_000) chunks.push(chunk);
      }
    } catch (cause) {
      throw new Refusal('invalid', 'malformed', 'What was sent could not be read.', { cause });
    }
    if (received <= megabytes * 1_000_000) return Buffer.concat(chunks);
    throw new Refusal('invalid', 'too_large', `That was more than ${megabytes} megabytes.`);
  });
}

/* Not too large, not too many at once, and not for ever. */
async function bounded<T>(ctx: Koa.Context, megabytes: number, read: () => Promise<T>): Promise<T> {
  if (Number(ctx.get('Content-Length') || 0) > megabytes * 4_000_000) {
    throw new Refusal('invalid', 'too_large', 'That was more than fits into this form.');
  }
  if (underWay >= MOST_AT_ONCE)
    throw new Refusal('busy', 'busy', 'Many files are on their way.', { retryAfter: 5 });
  underWay += 1;
  const late = setTimeout(() => ctx.req.destroy(), SECONDS * 1_000);
  try {
    return await read();
  } finally {
    clearTimeout(late);
    underWay -= 1;
  }
}

function receive(ctx: Koa.Context, csrf: Csrf, name: string, megabytes: number) {
  return new Promise<Readonly<Record<string, unknown>>>((resolve, reject) => {
    const fields: Record<string, unknown> = Object.create(null);
    const malformed = (cause?: unknown) =>
      new Refusal('invalid', 'malformed', 'What was sent could not be read.', { cause });
    const fail = (error: unknown) => {
      ctx.req.unpipe();
      ctx.req.resume();
      reject(error instanceof Refusal ? error : malformed(error));
    };
    let form: ReturnType<typeof openForm>;
    try {
      form = openForm(ctx, megabytes);
    } catch (error) {
      return fail(error);
    }
    let received = 0;
    ctx.req.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (received > megabytes * 4_000_000) ctx.req.destroy();
    });
    ctx.req.once('aborted', () => fail(new Error('it broke off')));
    ctx.req.once('error', fail);
    form.on('field', (field, value) => {
      fields[field] = value;
    });
    form.on('file', (field, stream) => {
      try {
        csrf.check(ctx, fields['csrf']);
      } catch (error) {
        stream.resume();
        return fail(error);
      }
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const bytes = Buffer.concat(chunks);
        const upload: Upload = {
          bytes: bytes.length > 0 ? bytes : undefined,
          tooLarge: stream.truncated === true,
        };
        if (field === name) fields[field] = upload;
      });
      return undefined;
    });
    form.on('error', fail);
    form.on('finish', () => {
      try {
        csrf.check(ctx, fields['csrf']);
        resolve({ ...fields });
      } catch (error) {
        fail(error);
      }
    });
    ctx.req.pipe(form);
    return undefined;
  });
}

function openForm(ctx: Koa.Context, megabytes: number) {
  return new Busboy({
    headers: { ...ctx.req.headers, 'content-type': ctx.get('Content-Type') },
    limits: {
      fields: 10,
      fieldNameSize: 50,
      fieldSize: 4_096,
      files: 1,
      fileSize: megabytes * 1_000_000,
      parts: 12,
      headerPairs: 10,
      headerSize: 4_096,
    },
  });
}
