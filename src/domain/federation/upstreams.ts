import type { Keyring } from '../../platform/crypto/keyring.js';
import { Refusal } from '../../platform/errors.js';
import type { Outbound } from '../../platform/outbound.js';
import type { Db } from '../../platform/storage/db.js';
import type { Breakers } from './breaker.js';
import { type IdentityProvider, mayUse, noSuchProvider } from './provider.js';
import { findWithSecrets } from './store.js';
import { type Upstream, type UpstreamFetch, UpstreamTrouble } from './upstream.js';

const SEAL = 'identity-provider';

/** Seals what is secret about a provider: it opens for that provider alone. */
export function sealSecrets(keyring: Keyring, id: string, secrets: Readonly<Record<string, string>>): Buffer {
  return keyring.seal(SEAL, JSON.stringify([id, secrets]));
}

/** The secrets of a provider, opened. */
export function openSecrets(
  keyring: Keyring,
  id: string,
  sealed: Buffer | undefined,
): Record<string, string> {
  if (!sealed) return {};
  const [owner, secrets] = JSON.parse(opened(keyring, sealed)) as [string, Record<string, string>];
  if (owner !== id) throw new Error('these secrets belong to another provider');
  return secrets;
}

function opened(keyring: Keyring, sealed: Buffer): string {
  try {
    return keyring.open(SEAL, sealed);
  } catch (cause) {
    throw new Error('its secrets were sealed under another KEYHOLD_SECRET', { cause });
  }
}

/** All that reaching providers takes. */
export interface Reaching {
  readonly db: Db;
  readonly keyring: Keyring;
  readonly outbound: Pick<Outbound, 'fetch'>;
  readonly breakers: Breakers;
  readonly issuer: URL;
  readonly allowPrivateNetwork: boolean;
  /** Milliseconds that somebody waits for one answer of a provider. */
  readonly timeout?: number;
  /** What is remembered of each, by `memoryOf`. */
  readonly memories: Map<string, Memory>;
}

/** What one version of a provider is remembered by. */
export interface Memory {
  readonly version: number;
  readonly things: Map<string, unknown>;
}

function memoryOf(memories: Map<string, Memory>, { id, version }: IdentityProvider): Map<string, unknown> {
  const there = memories.get(id);
  if (there?.version === version) return there.things;
  const things = new Map<string, unknown>();
  memories.set(id, { version, things });
  return things;
}

/** Where a provider sends people back to. */
export function callbackUrlOf(issuer: URL, id: string): URL {
  return new URL(`/federation/${id}/callback`, issuer);
}

const TIMEOUT = 5_000;
const MOST_BYTES = 524_288;

/** The way to a provider: an answer above 499, none in time or none at all is an outage, and anything else an answer. */
export function fetchFrom(
  { outbound, breakers, timeout = TIMEOUT }: Pick<Reaching, 'outbound' | 'breakers' | 'timeout'>,
  id: string,
): UpstreamFetch {
  return (url, init = {}) =>
    breakers.guard(id, async () => {
      const response = await outbound.fetch(url, { timeout, maxBytes: MOST_BYTES, ...init }).catch(cause => {
        throw new UpstreamTrouble('unreachable', 'no_answer', cause);
      });
      if (response.status >= 500) {
        await response.body?.cancel();
        throw new UpstreamTrouble('unreachable', 'server_error');
      }
      return whole(response);
    });
}

/* Read here, so that a body that never ends is an outage as well. */
async function whole(response: Response): Promise<Response> {
  const { status, statusText, headers } = response;
  if (response.body === null) return response;
  const body = await response.arrayBuffer().catch(cause => {
    throw new UpstreamTrouble('unreachable', 'broken_answer', cause);
  });
  return new Response(body, { status, statusText, headers });
}

/** A provider as it stands in the database now, ready to be asked; refuses one that may not be used (C03). */
export async function reach(
  reaching: Reaching,
  id: string,
  began?: { readonly version: number },
): Promise<Upstream> {
  const found = await findWithSecrets(reaching.db, id);
  if (!mayUse(found?.provider, began)) throw noSuchProvider();
  return upstreamOf(reaching, found.provider, openSecrets(reaching.keyring, id, found.sealed));
}

/** The same of a provider that is at hand, whatever its state: to try it out. */
export function upstreamOf(
  reaching: Reaching,
  provider: IdentityProvider,
  secrets: Readonly<Record<string, string>>,
): Upstream {
  const { issuer, allowPrivateNetwork, breakers, db, keyring } = reaching;
  return {
    provider,
    secrets,
    fetch: fetchFrom(reaching, provider.id),
    guard: ask => breakers.guard(provider.id, ask),
    callbackUrl: callbackUrlOf(issuer, provider.id),
    issuer,
    allowPrivateNetwork,
    memory: memoryOf(reaching.memories, provider),
    db,
    keyring,
  };
}

/** Any provider with its secrets, also one that is disabled: for operators. */
export async function reachAnyway(reaching: Reaching, id: string): Promise<Upstream> {
  const found = await findWithSecrets(reaching.db, id);
  if (!found) throw new Refusal('missing', 'no_such_provider', `There is no identity provider ${id}.`);
  return upstreamOf(reaching, found.provider, openSecrets(reaching.keyring, id, found.sealed));
}
