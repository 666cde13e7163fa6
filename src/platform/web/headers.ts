import type { IncomingMessage, ServerResponse } from 'node:http';
import helmet from 'helmet';
import type Koa from 'koa';
import { visitOf } from './surface.js';

/**
 * Sets the security headers before anything else runs, so that the engine's own pages carry them and it can add the hash
 * of its one inline script. `form-action 'self'` is widened by `allowFormTarget` for the request's validated redirect.
 */
export function securityHeaders(issuer: URL): Koa.Middleware {
  const https = issuer.protocol === 'https:';
  const fixed = [
    ...headersOf(
      helmet({
        contentSecurityPolicy: false,
        crossOriginEmbedderPolicy: false,
        crossOriginOpenerPolicy: { policy: 'same-origin' },
        crossOriginResourcePolicy: { policy: 'same-origin' },
        frameguard: { action: 'deny' },
        referrerPolicy: { policy: 'no-referrer' },
        strictTransportSecurity: https ? { maxAge: 31_536_000, includeSubDomains: false } : false,
      }),
    ),
    [
      'permissions-policy',
      'camera=(), microphone=(), geolocation=(), payment=(), usb=(), ' +
        'publickey-credentials-get=(self), publickey-credentials-create=(self)',
    ],
    ['cache-control', 'no-store'],
  ] as const;
  return (ctx, next) => {
    for (const [name, value] of fixed) ctx.res.setHeader(name, value);
    const { nonce } = visitOf(ctx);
    ctx.res.setHeader(
      'content-security-policy',
      `default-src 'none';script-src 'self' 'nonce-${nonce}';style-src 'self' 'nonce-${nonce}';` +
        "img-src 'self' data:;connect-src 'self';manifest-src 'self';form-action 'self';frame-ancestors 'none';base-uri 'none'",
    );
    return next();
  };
}

type RawMiddleware = (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void;

/* The same for every answer, so they are asked for once; in lower case, which Node need not make of them at each answer. */
function headersOf(middleware: RawMiddleware): readonly (readonly [string, string])[] {
  const headers = new Map<string, string>();
  const answer = {
    setHeader: (name: string, value: unknown) => void headers.set(name.toLowerCase(), String(value)),
    removeHeader: (name: string) => void headers.delete(name.toLowerCase()),
  };
  middleware({} as IncomingMessage, answer as unknown as ServerResponse, error => {
    if (error) throw error;
  });
  return [...headers];
}

/** Lets a form of this page end in a redirect to `uri`, which the caller has validated. */
export function allowFormTarget(ctx: Koa.Context, uri: string): void {
  const target = URL.parse(uri);
  if (!target) return;
  const source = target.origin === 'null' ? target.protocol : target.origin;
  const policy = ctx.response.get('Content-Security-Policy');
  if (policy.includes(`form-action 'self' ${source}`)) return;
  ctx.set('Content-Security-Policy', policy.replace(/form-action 'self'/, `form-action 'self' ${source}`));
}

/** The same for a page that only passes a message on to `uri`, which may lead on to whatever place of its own is safe. */
export function allowOnward(ctx: Koa.Context, uri: string): void {
  allowFormTarget(ctx, uri);
  const policy = ctx.response.get('Content-Security-Policy');
  ctx.set('Content-Security-Policy', policy.replace(/form-action 'self'/, "form-action 'self' https:"));
}
