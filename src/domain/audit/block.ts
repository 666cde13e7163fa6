import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import type { Keyring } from '../../platform/crypto/keyring.js';

/** What the weekly look at the chain leaves behind, and that it begins later now. */
export const AUDIT_FACTS = ['audit.verified', 'audit.broken', 'audit.forgotten'] as const;

/** An event just as it is kept, each part as text: what is personal about it as ciphertext. */
export interface KeptEvent {
  readonly id: string;
  readonly at: string;
  readonly type: string;
  readonly actor_kind: string | null;
  readonly actor_id: string | null;
  readonly account_id: string | null;
  readonly client_id: string | null;
  readonly detail: string;
  readonly sealed: string | null;
}

/** The columns of an event that its place in the chain proves, and in which order: all there are. */
export const PROVEN = [
  'id',
  'at',
  'type',
  'actor_kind',
  'actor_id',
  'account_id',
  'client_id',
  'detail',
  'sealed',
] as const satisfies readonly (keyof KeptEvent)[];

/* A leaf is never taken for a block, nor the other way round (RFC 6962 §2.1). */
const LEAF = Buffer.of(0);
const BLOCK = Buffer.of(1);
const LENGTH = 32;

const sha256 = (...parts: readonly (Buffer | string)[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** What stands for one event: no other event has it. */
export function leafOf(event: KeptEvent): Buffer {
  return sha256(LEAF, JSON.stringify(PROVEN.map(column => event[column])));
}

/** The leaf at a place of a block. */
export function leafAt(leaves: Buffer, place: number): Buffer {
  return leaves.subarray(place * LENGTH, (place + 1) * LENGTH);
}

/** What a block says of itself, besides its hash and who signed that. */
export interface Content {
  readonly nr: number;
  readonly at: Date;
  /** How many events there are in all blocks up to this one. */
  readonly total: number;
  readonly ids: readonly string[];
  readonly leaves: Buffer;
}

/** Events in the order in which they were sealed, tied to the block before. */
export interface Block extends Content {
  readonly hash: Buffer;
  readonly kid: string;
  readonly signature: Buffer;
}

/** What the first block is tied to. */
export const ROOT = Buffer.alloc(LENGTH);

/** The hash of a block: it follows from its events and from every block before. */
export function hashOf(before: Buffer, { nr, at, total, ids, leaves }: Content): Buffer {
  return sha256(BLOCK, before, JSON.stringify([nr, at.toISOString(), total, ids]), leaves);
}

/** The key that blocks and heads are signed with: it follows from the secret of the installation and is nowhere kept. */
export interface AuditKey {
  readonly kid: string;
  readonly key: KeyObject;
  readonly jwk: PublicJwk;
}

/** The public half of such a key (RFC 8037 §2). */
export interface PublicJwk {
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  readonly x: string;
}

/* RFC 8410 §7: an Ed25519 key in PKCS #8 is this and its 32 bytes. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** The key of this installation's secret. */
export function auditKey(keyring: Keyring): AuditKey {
  const seed = keyring.derive('audit-chain');
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' });
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' });
  const jwk = { kty: 'OKP', crv: 'Ed25519', x } as const;
  return { kid: kidOf(jwk), key, jwk };
}

/** What a key is called: its thumbprint (RFC 7638). */
export function kidOf({ crv, kty, x }: PublicJwk): string {
  return sha256(JSON.stringify({ crv, kty, x })).toString('base64url');
}

/** Signs the hash of a block. A head is a JWS, which no hash is taken for. */
export function signedBy({ key }: AuditKey, hash: Buffer): Buffer {
  return sign(null, hash, key);
}

/** The key that a public half opens. */
export function publicKey(jwk: PublicJwk): KeyObject {
  return createPublicKey({ key: { ...jwk }, format: 'jwk' });
}

/** Whether a key signed the hash of a block. */
export function isSignedBy(jwk: PublicJwk, { hash, signature }: Pick<Block, 'hash' | 'signature'>): boolean {
  return verify(null, hash, publicKey(jwk), signature);
}
