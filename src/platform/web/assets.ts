import { hash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress } from 'node:zlib';
import type { Middleware } from 'koa';

/** The files that pages load from our own origin. */
export interface Assets {
  /** The address of an asset, carrying a fingerprint of its content. */
  url(name: string): string;
  readonly middleware: Middleware;
}

interface Asset {
  readonly type: string;
  readonly body: Buffer;
  /** Made when it is first asked for, and then kept. */
  brotli(): Promise<Buffer>;
  readonly fingerprint: string;
}

const compress = promisify(brotliCompress);
const FOLDER = fileURLToPath(new URL('../../../../views/assets/', import.meta.url));
const PREFIX = '/assets/';
const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
};

/** Reads `views/assets/` and the WebAuthn bundle into memory once. */
export function openAssets(): Assets {
  const files = new Map<string, Asset>();
  for (const name of readdirSync(FOLDER)) {
    const type = TYPES[extname(name)];
    if (type !== undefined) files.set(name, readAsset(join(FOLDER, name), type));
  }
  files.set('webauthn.js', readAsset(webAuthnBundle(), TYPES['.js'] ?? ''));
  return {
    url: name => {
      const asset = files.get(name);
      if (asset === undefined) throw new Error(`there is no asset named ${name}`);
      return `${PREFIX}${name}?v=${asset.fingerprint}`;
    },
    middleware: async (ctx, next) => {
      if (!ctx.path.startsWith(PREFIX) || (ctx.method !== 'GET' && ctx.method !== 'HEAD')) return next();
      const asset = files.get(ctx.path.slice(PREFIX.length));
      if (asset === undefined) return next();
      const encoded = ctx.acceptsEncodings('br', 'identity') === 'br';
      ctx.status = 200;
      ctx.set('Content-Type', asset.type);
      ctx.set('X-Content-Type-Options', 'nosniff');
      ctx.set('Cross-Origin-Resource-Policy', 'same-origin');
      ctx.set('ETag', `"${asset.fingerprint}${encoded ? '-br' : ''}"`);
      ctx.vary('Accept-Encoding');
      // During a rolling update a page may ask for another version's file: answer it, but let nobody keep it.
      const exact = ctx.query.v === asset.fingerprint;
      ctx.set('Cache-Control', exact ? 'public, max-age=31536000, immutable' : 'no-cache');
      if (ctx.fresh) {
        ctx.status = 304;
        return undefined;
      }
      if (encoded) ctx.set('Content-Encoding', 'br');
      ctx.body = encoded ? await asset.brotli() : asset.body;
      return undefined;
    },
  };
}

function readAsset(path: string, type: string): Asset {
  const body = readFileSync(path);
  let compressed: Promise<Buffer> | undefined;
  return {
    type,
    body,
    brotli: () => {
      compressed ??= compress(body);
      return compressed;
    },
    fingerprint: hash('sha256', body, 'hex').slice(0, 16),
  };
}

/** One file instead of the package's twenty modules: a sign-in page should load in one round trip. */
function webAuthnBundle(): string {
  const entry = createRequire(import.meta.url).resolve('@simplewebauthn/browser');
  return join(entry, '../../dist/bundle/index.umd.min.js');
}
