import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose';
import type { Keyring } from '../platform/crypto/keyring.js';
import type { Db, Tx } from '../platform/storage/db.js';
import { StorageTrouble } from '../platform/storage/trouble.js';
import type { Work } from '../platform/storage/work.js';

/** The algorithms a key is kept for; RS256 comes first because OpenID Connect Core §15.1 requires it. */
export const SIGNING_ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const;
export type SigningAlgorithm = (typeof SIGNING_ALGORITHMS)[number];

/** pending: published, not yet signing · active: signs · retiring: only verifies · retired: gone from the JWKS. */
export type KeyState = 'pending' | 'active' | 'retiring' | 'retired';

/** A key as operators see it. */
export interface SigningKey {
  readonly kid: string;
  readonly alg: SigningAlgorithm;
  readonly state: KeyState;
  readonly createdAt: Date;
  readonly activatesAt: Date;
  readonly retiresAt: Date | null;
}

/** How long verifiers may cache the JWKS, in seconds; a new key is published for twice as long before it signs. */
export const JWKS_MAX_AGE = 300;
/** A retiring key stays published until the last token it signed has expired. */
const VERIFIES_FOR = 3_600;
/** The channel on which processes hear that keys changed. */
export const KEYS_CHANNEL = 'keyhold_keys';

interface KeyRow {
  readonly kid: string;
  readonly alg: SigningAlgorithm;
  readonly state: KeyState;
  readonly sealed: Buffer;
  readonly created_at: Date;
  readonly activates_at: Date;
  readonly retires_at: Date | null;
}

const COLUMNS = ['kid', 'alg', 'state', 'sealed', 'created_at', 'activates_at', 'retires_at'] as const;
const ORDER = `array_position(ARRAY['active','retiring','pending']::text[], state), created_at DESC`;

async function generate(alg: SigningAlgorithm): Promise<JWK & { kid: string }> {
  const { privateKey } = await generateKeyPair(alg, {
    extractable: true,
    ...(alg === 'RS256' ? { modulusLength: 2048 } : alg === 'EdDSA' ? { crv: 'Ed25519' } : {}),
  });
  const jwk = await exportJWK(privateKey);
  return { ...jwk, alg, use: 'sig', kid: await calculateJwkThumbprint(jwk) };
}

async function insert(
  tx: Tx,
  keyring: Keyring,
  jwk: JWK & { kid: string },
  state: KeyState,
  activatesAt: Date,
) {
  await tx('signing_keys')
    .insert({
      kid: jwk.kid,
      alg: jwk.alg,
      state,
      sealed: keyring.seal('signing-key', JSON.stringify(jwk)),
      created_at: new Date(),
      activates_at: activatesAt,
    })
    .onConflict()
    .ignore();
}

/** The private keys to run with, for each algorithm the signing one first; makes what is missing. */
export async function loadSigningKeys(db: Db, keyring: Keyring): Promise<(JWK & { kid: string })[]> {
  const read = () =>
    db<KeyRow>('signing_keys')
      .select(...COLUMNS)
      .whereNot('state', 'retired')
      .orderByRaw(ORDER);
  let rows = await read();
  const missing = SIGNING_ALGORITHMS.filter(
    alg => !rows.some(row => row.alg === alg && row.state === 'active'),
  );
  if (missing.length > 0) {
    const made = await Promise.all(missing.map(generate));
    await db.transaction(async tx => {
      for (const jwk of made) await insert(tx, keyring, jwk, 'active', new Date());
    });
    rows = await read();
  }
  return SIGNING_ALGORITHMS.flatMap(alg => rows.filter(row => row.alg === alg)).map(row =>
    openKey(row, keyring),
  );
}

/** The algorithms that no key signs for; throws when a key was sealed under another secret. Makes nothing. */
export async function missingAlgorithms(db: Db, keyring: Keyring): Promise<readonly SigningAlgorithm[]> {
  const rows = await db<KeyRow>('signing_keys')
    .select(...COLUMNS)
    .whereNot('state', 'retired');
  for (const row of rows) openKey(row, keyring);
  return SIGNING_ALGORITHMS.filter(alg => !rows.some(row => row.alg === alg && row.state === 'active'));
}

function openKey(row: KeyRow, keyring: Keyring): JWK & { kid: string } {
  try {
    return JSON.parse(keyring.open('signing-key', row.sealed)) as JWK & { kid: string };
  } catch (cause) {
    throw new StorageTrouble(
      'the signing keys in the database were sealed under another KEYHOLD_SECRET; start with that secret, ' +
        'or run "keyhold keys reset" to make new ones (every token signed so far then fails to verify)',
      { cause },
    );
  }
}

/** All keys, the retired ones too. */
export async function listKeys(db: Db): Promise<SigningKey[]> {
  const rows = await db<KeyRow>('signing_keys')
    .select(...COLUMNS)
    .orderByRaw(`alg, created_at DESC`);
  return rows.map(row => ({
    kid: row.kid,
    alg: row.alg,
    state: row.state,
    createdAt: row.created_at,
    activatesAt: row.activates_at,
    retiresAt: row.retires_at,
  }));
}

/** Takes every key back at once, for when the secret they were sealed under is lost; new ones are made at the next start. */
export async function resetKeys(work: Work): Promise<number> {
  const gone = await work
    .tx('signing_keys')
    .whereNot('state', 'retired')
    .update({ state: 'retired', sealed: Buffer.alloc(0) });
  work.record({ type: 'signing_key.reset', detail: { keys: gone } });
  await announce(work.tx);
  return gone;
}

/** Publishes a new key of an algorithm; it signs after twice the time that verifiers may cache the JWKS. */
export async function rotateKey(
  work: Work,
  keyring: Keyring,
  alg: SigningAlgorithm,
  maxAge = JWKS_MAX_AGE,
): Promise<string> {
  const jwk = await generate(alg);
  await insert(work.tx, keyring, jwk, 'pending', new Date(work.at.getTime() + 2 * maxAge * 1000));
  work.record({ type: 'signing_key.published', detail: { kid: jwk.kid, alg } });
  await announce(work.tx);
  return jwk.kid;
}

/** Lets due keys sign and takes back those whose last token has expired; says whether anything changed. */
export async function advanceKeys(work: Work): Promise<boolean> {
  const due = await work
    .tx<KeyRow>('signing_keys')
    .select(...COLUMNS)
    .where('state', 'pending')
    .where('activates_at', '<=', work.at)
    .orderBy('created_at')
    .forUpdate();
  for (const key of due) await activate(work, key);
  const retired = await work
    .tx('signing_keys')
    .where('state', 'retiring')
    .where('retires_at', '<=', work.at)
    .update({ state: 'retired', sealed: Buffer.alloc(0) })
    .returning<{ kid: string }[]>('kid');
  for (const { kid } of retired) work.record({ type: 'signing_key.retired', detail: { kid } });
  const changed = due.length + retired.length > 0;
  if (changed) await announce(work.tx);
  return changed;
}

async function activate(work: Work, key: KeyRow): Promise<void> {
  const retiresAt = new Date(work.at.getTime() + VERIFIES_FOR * 1000);
  await work
    .tx('signing_keys')
    .where({ alg: key.alg, state: 'active' })
    .update({ state: 'retiring', retires_at: retiresAt });
  await work.tx('signing_keys').where({ kid: key.kid }).update({ state: 'active' });
  work.record({ type: 'signing_key.activated', detail: { kid: key.kid, alg: key.alg } });
}

async function announce(tx: Tx): Promise<void> {
  await tx.raw(`SELECT pg_notify(?, '')`, [KEYS_CHANNEL]);
}
