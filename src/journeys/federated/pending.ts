import {
  type Arrived,
  findProvider,
  type IdentityProvider,
  mayUse,
  type UpstreamIdentity,
} from '../../domain/federation/federation.js';
import type { Progress } from '../progress.js';
import type { Turn } from '../turn.js';

const SEAL = 'federated-identity';
const MINUTES = 20;

/** An identity that came in this request and is nobody's here yet. */
export type PendingIdentity = NonNullable<Progress['federated']>;

/** Keeps it with the request, sealed for that alone. */
export function pendingOf(
  { parts, pending, cameAt }: Pick<Turn, 'parts' | 'pending' | 'cameAt'>,
  { provider: { id, version }, identity }: Arrived,
): PendingIdentity {
  const plain = JSON.stringify([pending.uid, id, identity]);
  const sealed = parts.keyring.seal(SEAL, plain).toString('base64url');
  return { provider: id, version, identity: sealed, at: cameAt.getTime() };
}

/** Reads what was kept; what was kept for another request opens nothing. */
export function openPending(
  { parts, pending }: Pick<Turn, 'parts' | 'pending'>,
  { provider, identity }: PendingIdentity,
): UpstreamIdentity {
  const plain = parts.keyring.open(SEAL, Buffer.from(identity, 'base64url'));
  const [uid, id, opened] = JSON.parse(plain, revived) as [string, string, UpstreamIdentity];
  if (uid !== pending.uid || id !== provider) throw new Error('this identity came in another request');
  return opened;
}

const revived = (name: string, value: unknown) =>
  name === 'authenticatedAt' && typeof value === 'string' ? new Date(value) : value;

/** An identity that still counts: it came lately, and its provider stands as it did then, by the database at this moment (C03). */
export async function standing(
  turn: Pick<Turn, 'parts' | 'pending' | 'progress' | 'cameAt'>,
  kept: PendingIdentity | undefined = turn.progress.federated,
): Promise<{ readonly provider: IdentityProvider; readonly identity: UpstreamIdentity } | undefined> {
  if (!kept || turn.cameAt.getTime() - kept.at > MINUTES * 60_000) return undefined;
  const provider = await findProvider(turn.parts.db, kept.provider);
  if (!mayUse(provider, kept)) return undefined;
  return { provider, identity: openPending(turn, kept) };
}
