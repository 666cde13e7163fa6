import { makeCertifiedKey } from '../../../platform/crypto/certificates.js';
import type { Keyring } from '../../../platform/crypto/keyring.js';
import { Refusal } from '../../../platform/errors.js';
import type { Db } from '../../../platform/storage/db.js';
import type { Work } from '../../../platform/storage/work.js';
import type { OwnKeys } from './exchange.js';
import * as store from './store.js';

const SEAL = 'federated-saml-key';
const USES = ['signing', 'encryption'] as const;
/** A company may trust the certificate by hand: it outlasts what anybody plans, and is changed by a command. */
const YEARS = 10;
const DAY = 86_400_000;
/** Days that a company has to read the next certificate before it signs; and then to stop using the one before. */
export const ROTATION_DAYS = 7;

interface Keeping {
  readonly db: Db;
  readonly keyring: Keyring;
  readonly providerId: string;
  /** What the certificates call us. */
  readonly name: string;
}

/** Makes a pair of keys, for signing and for encryption; kept nowhere yet. */
export async function makeOwnKeys({ keyring, providerId, name }: Omit<Keeping, 'db'>, at: Date) {
  const made = await Promise.all(USES.map(() => makeCertifiedKey({ name, from: at, years: YEARS })));
  return USES.flatMap((use, i) => {
    const key = made[i];
    if (!key) return [];
    const sealed = keyring.seal(SEAL, JSON.stringify([providerId, use, key.privateKey]));
    return [{ use, sealed, certificate: key.certificate, createdAt: at }];
  });
}

/** The keys that we use towards a provider now; the first ones are made when they are first asked for. */
export async function ownKeys(keeping: Keeping, now: Date): Promise<OwnKeys> {
  const { db, providerId } = keeping;
  let kept = await store.listKeys(db, providerId, now);
  if (!USES.every(use => kept.some(key => key.use === use))) {
    for (const key of await makeOwnKeys(keeping, now))
      await store.insertKey(db, providerId, { ...key, generation: 1, signsFrom: now });
    kept = await store.listKeys(db, providerId, now);
  }
  return keysOf(keeping, kept, now);
}

/** Opens those that are there; throws when they were sealed under another secret. Makes none. */
export async function lookAtOwnKeys(keeping: Keeping, now: Date): Promise<void> {
  const kept = await store.listKeys(keeping.db, keeping.providerId, now);
  if (kept.length > 0) keysOf(keeping, kept, now);
}

function keysOf({ keyring, providerId }: Keeping, kept: readonly store.KeptKey[], now: Date): OwnKeys {
  const open = ({ sealed, use, certificate }: store.KeptKey) => {
    const [owner, purpose, privateKey] = JSON.parse(keyring.open(SEAL, sealed)) as [string, string, string];
    if (owner !== providerId || purpose !== use) throw new Error('this key belongs elsewhere');
    return { privateKey, certificate };
  };
  const signing = kept.filter(key => key.use === 'signing');
  const encryption = kept.filter(key => key.use === 'encryption');
  const signer = signing.find(key => key.signsFrom <= now) ?? signing.at(-1);
  const [newest] = encryption;
  if (!signer || !newest) throw new Error(`there are no keys for ${providerId}`);
  return {
    signing: open(signer),
    signingCertificates: signing.map(key => key.certificate),
    encryptionCertificate: newest.certificate,
    decryption: encryption.map(key => open(key).privateKey),
  };
}

/** A key of ours as operators see it. */
export type OwnKeyShown = Omit<store.KeptKey, 'sealed'>;

/** The keys towards a provider that are in use, or will be. */
export async function listOwnKeys(db: Db, providerId: string, now: Date): Promise<readonly OwnKeyShown[]> {
  return (await store.listKeys(db, providerId, now)).map(({ sealed: _, ...key }) => key);
}

/** When the next keys sign, and when those before them end. */
export interface Rotation {
  readonly generation: number;
  readonly signsFrom: Date;
  readonly retiresAt: Date;
}

/** Keeps the next keys: told in our metadata from now on, signing in a week, and the only ones a week later. */
export async function rotateOwnKeys(
  work: Work,
  providerId: string,
  made: Awaited<ReturnType<typeof makeOwnKeys>>,
): Promise<Rotation> {
  const kept = await store.listKeys(work.tx, providerId, work.at);
  if (kept.some(({ signsFrom, retiresAt }) => signsFrom > work.at || retiresAt !== undefined))
    throw new Refusal('conflict', 'rotating', 'The keys are being changed already.');
  const generation = Math.max(0, ...kept.map(key => key.generation)) + 1;
  /* Where there are none nobody has to be told first. */
  const signsFrom = new Date(work.at.getTime() + (kept.length === 0 ? 0 : ROTATION_DAYS * DAY));
  const retiresAt = new Date(signsFrom.getTime() + ROTATION_DAYS * DAY);
  for (const key of made) {
    if (!(await store.insertKey(work.tx, providerId, { ...key, generation, signsFrom })))
      throw new Refusal('conflict', 'rotating', 'The keys are being changed already.');
  }
  await store.retireBefore(work.tx, providerId, generation, retiresAt);
  work.record({ type: 'identity_provider.keys_rotated', detail: { provider: providerId, generation } });
  return { generation, signsFrom, retiresAt };
}
