import dns from 'node:dns';
import type { LookupFunction } from 'node:net';
import { Agent, buildConnector, type Response as UndiciResponse, fetch as undiciFetch } from 'undici';
import { isPublicAddress, isWebPort, literalOf } from './addresses.js';
import { Refusal } from './errors.js';

/** How much one call may take; a call may ask for less or more in its `init`. */
export interface OutboundLimits {
  /** Milliseconds from the call to the last byte of the body. */
  readonly timeout: number;
  /** Bytes of body, after decompression. */
  readonly maxBytes: number;
}

export const OUTBOUND_LIMITS: OutboundLimits = { timeout: 5_000, maxBytes: 1_048_576 };

/** Resolves a name to every address it has. */
export type Resolve = (hostname: string) => Promise<readonly dns.LookupAddress[]>;

export interface OutboundOptions {
  /** Lets http and private addresses through; only a test rig on a loopback issuer asks for it. */
  readonly allowPrivateNetwork: boolean;
  readonly resolve?: Resolve;
}

/** The one way out of the process. */
export interface Outbound {
  /** Fetches like `fetch`, follows no redirect, and fails with one and the same Refusal whatever went wrong. */
  fetch(url: string | URL, init?: RequestInit & Partial<OutboundLimits>): Promise<Response>;
  close(): Promise<void>;
}

function unreachable(cause: unknown): Refusal {
  return new Refusal('invalid', 'unreachable', 'The address did not give a usable answer.', { cause });
}

/** Opens the way out; every address is judged after it is resolved, at the moment of connecting. */
export function openOutbound(options: OutboundOptions): Outbound {
  const { allowPrivateNetwork, resolve = resolveAll } = options;
  const connect = guardedConnector(allowPrivateNetwork, resolve);
  const agent = new Agent({ connect, connections: 8, headersTimeout: 5_000, bodyTimeout: 5_000 });
  return {
    fetch: async (input, init = {}) => {
      try {
        const url = checkedUrl(input, allowPrivateNetwork);
        const { timeout = OUTBOUND_LIMITS.timeout, maxBytes = OUTBOUND_LIMITS.maxBytes } = init;
        const clock = AbortSignal.timeout(timeout);
        const response = await undiciFetch(url, {
          method: init.method ?? 'GET',
          headers: [...new Headers(init.headers)],
          body: textBody(init.body),
          redirect: 'manual',
          signal: init.signal ? AbortSignal.any([init.signal, clock]) : clock,
          dispatcher: agent,
        });
        return await bounded(response, maxBytes);
      } catch (cause) {
        throw unreachable(cause);
      }
    },
    close: () => agent.destroy(),
  };
}

function resolveAll(hostname: string): Promise<readonly dns.LookupAddress[]> {
  return dns.promises.lookup(hostname, { all: true });
}

function checkedUrl(input: string | URL, allowPrivateNetwork: boolean): URL {
  const url = new URL(input);
  if (url.protocol !== 'https:' && !(allowPrivateNetwork && url.protocol === 'http:')) {
    throw new Error('only https leaves this process');
  }
  if (url.username !== '' || url.password !== '') throw new Error('credentials in the URL');
  if (!isWebPort(url)) throw new Error(`port ${url.port} is no web server's`);
  return url;
}

/** Connects only to addresses that pass; a name is resolved once, so what was judged is what is connected to. */
function guardedConnector(allowPrivateNetwork: boolean, resolve: Resolve): buildConnector.connector {
  const passes = (address: string) => allowPrivateNetwork || isPublicAddress(address);
  const lookup: LookupFunction = (hostname, { all }, callback) => {
    resolve(hostname).then(
      ([first, ...others]) => {
        if (!first) return callback(new Error('the name has no address'), []);
        const found = [first, ...others];
        if (!found.every(({ address }) => passes(address))) return callback(new Error('private address'), []);
        return all ? callback(null, found) : callback(null, first.address, first.family);
      },
      error => callback(error, []),
    );
  };
  const connect = buildConnector({ lookup, timeout: 3_000, autoSelectFamily: true });
  return (target, callback) => {
    // The socket layer resolves no literal, so the lookup above never sees one.
    const literal = literalOf(target.hostname);
    if (literal !== undefined && !passes(literal)) return callback(new Error('private address'), null);
    return connect(target, callback);
  };
}

function textBody(body: BodyInit | null | undefined): string | URLSearchParams | null {
  if (body === undefined || body === null) return null;
  if (typeof body === 'string' || body instanceof URLSearchParams) return body;
  throw new TypeError('a body that leaves is text or a form');
}

/** The answer with a body that ends in an error past `maxBytes`, instead of filling the memory. */
async function bounded(response: UndiciResponse, maxBytes: number): Promise<Response> {
  const { status, statusText } = response;
  const headers = new Headers([...response.headers]);
  if (Number(headers.get('content-length') ?? 0) > maxBytes) {
    await response.body?.cancel();
    throw new Error('the answer is too large');
  }
  if (response.body === null || status === 204 || status === 304)
    return new Response(null, { status, headers });
  const reader = response.body.getReader();
  let left = maxBytes;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) return controller.close();
        left -= value.byteLength;
        if (left < 0) throw new Error('the answer is too large');
        controller.enqueue(value);
      } catch (cause) {
        controller.error(unreachable(cause));
        await reader.cancel(cause).catch(() => undefined);
      }
    },
    cancel: reason => reader.cancel(reason),
  });
  return new Response(body, { status, statusText, headers });
}
