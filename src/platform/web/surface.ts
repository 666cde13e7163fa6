import { randomUUID } from 'node:crypto';
import { isIPv4 } from 'node:net';
import ipaddr from 'ipaddr.js';
import type Koa from 'koa';
import { randomToken } from '../crypto/tokens.js';

/** What is settled about a request before any route sees it. */
export interface Visit {
  readonly requestId: string;
  /** Lets this answer's own scripts and styles run. */
  readonly nonce: string;
  /** Where the request came from, as far as a trusted proxy or the socket says. */
  readonly address: string;
  /** The other end of the connection is a proxy that is trusted, so that what it says about the request is believed. */
  readonly proxied: boolean;
}

const visits = new WeakMap<object, Visit>();

/** The visit of a request. */
export function visitOf(ctx: Koa.Context): Visit {
  const visit = visits.get(ctx.req);
  if (!visit) throw new Error('outside of the surface');
  return visit;
}

/**
 * Pins scheme and host to the issuer's, whatever the request's headers say: every URL and cookie that is built from the
 * request then comes from configuration (vulnerability class: links poisoned through Host and X-Forwarded-*).
 */
export function pinToIssuer(app: Koa, issuer: URL): void {
  const pinned = {
    protocol: { get: () => issuer.protocol.slice(0, -1) },
    secure: { get: () => issuer.protocol === 'https:' },
    host: { get: () => issuer.host },
    hostname: { get: () => issuer.hostname },
    origin: { get: () => issuer.origin },
  };
  Object.defineProperties(app.request, pinned);
}

/** What a proxy of ours may call a request: nothing that could be mistaken for something else in a log. */
const REQUEST_ID = /^[\w.:-]{8,128}$/;

/** The first middleware: numbers the request and finds out where it came from. */
export function surface(trustedProxies: readonly string[]): Koa.Middleware {
  const trusted = trustedProxies.map(range => parseRange(range));
  return (ctx, next) => {
    const from = ctx.req.socket.remoteAddress ?? '';
    const proxied = isTrusted(from, trusted);
    const named = proxied ? ctx.get('X-Request-Id') : '';
    const requestId = REQUEST_ID.test(named) ? named : randomUUID();
    visits.set(ctx.req, {
      requestId,
      nonce: randomToken(16),
      address: clientAddress(ctx, trusted, from, proxied),
      proxied,
    });
    ctx.set('X-Request-Id', requestId);
    return next();
  };
}

/** Turns away whoever asks for another host than the issuer's: in the header, in a second one, or in the address (RFC 9112 §3.2). */
export function knownHost(issuer: URL): Koa.Middleware {
  const defaultPort = issuer.protocol === 'https:' ? '443' : '80';
  const hosts = new Set([
    issuer.host.toLowerCase(),
    ...(issuer.port ? [] : [`${issuer.hostname}:${defaultPort}`]),
  ]);
  const isKnown = (host = '') => hosts.has(host.toLowerCase());
  return (ctx, next) => {
    const { headers, url = '', rawHeaders } = ctx.req;
    const addressed = url.startsWith('/') || isKnown(URL.parse(url)?.host);
    if (isKnown(headers.host) && addressed && hostHeaders(rawHeaders) === 1) return next();
    ctx.status = 400;
    ctx.type = 'application/problem+json';
    ctx.body = JSON.stringify({
      type: 'about:blank',
      title: 'Unknown host',
      status: 400,
      detail: `This server answers at ${issuer.origin}.`,
      code: 'unknown_host',
      request_id: visitOf(ctx).requestId,
    });
    return undefined;
  };
}

/* Node takes the first one; what stands before it may have taken another. */
function hostHeaders(raw: readonly string[]): number {
  let found = 0;
  for (let at = 0; at < raw.length; at += 2) if (raw[at]?.toLowerCase() === 'host') found += 1;
  return found;
}

type Range = readonly [ipaddr.IPv4 | ipaddr.IPv6, number];

function parseRange(range: string): Range {
  if (range.includes('/')) return ipaddr.parseCIDR(range);
  const address = ipaddr.parse(range);
  return [address, address.kind() === 'ipv4' ? 32 : 128];
}

function isTrusted(address: string, trusted: readonly Range[]): boolean {
  if (trusted.length === 0 || !ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  return trusted.some(
    ([range, bits]) => parsed.kind() === range.kind() && parsed.match(range as never, bits),
  );
}

/* The last address in X-Forwarded-For that no trusted proxy of ours wrote about itself. */
function clientAddress(ctx: Koa.Context, trusted: readonly Range[], from: string, proxied: boolean): string {
  let address = from;
  if (proxied) {
    const forwarded = ctx
      .get('X-Forwarded-For')
      .split(',')
      .map(entry => entry.trim())
      .filter(Boolean);
    address = forwarded.pop() ?? address;
    while (forwarded.length > 0 && isTrusted(address, trusted)) address = forwarded.pop() ?? address;
  }
  if (isIPv4(address)) return address;
  return ipaddr.isValid(address) ? ipaddr.process(address).toString() : 'unknown';
}
