import { makeCertifiedKey } from '../platform/crypto/certificates.js';
import type { Keyring } from '../platform/crypto/keyring.js';
import { digest } from '../platform/crypto/tokens.js';
import type { JobDefinition } from '../platform/jobs/jobs.js';
import type { Db } from '../platform/storage/db.js';
import { StorageTrouble } from '../platform/storage/trouble.js';
import { openWork, type Work } from '../platform/storage/work.js';

/** pending: published, not yet signing · active: signs · retiring: published still · retired: gone from the metadata. */
export type SamlKeyState = 'pending' | 'active' | 'retiring' | 'retired';

/** A key as operators see it. */
export interface SamlKey {
  readonly kid: string;
  readonly state: SamlKeyState;
  /** X.509, DER in base64: what apps know it by. */
  readonly certificate: string;
  readonly activatesAt: Date;
  readonly retiresAt: Date | null;
}

/** The key that signs now. */
export interface SigningPair {
  readonly certificate: string;
  /** PKCS #8, PEM. */
  readonly privateKey: string;
}

/** What answers are signed with, and what apps check them against. */
export interface SamlKeys {
  signing(): Promise<SigningPair>;
  /** The certificates that stand in the metadata, the signing one first. */
  published(): Promise<readonly string[]>;
}

/** For so many days a new key is published before it signs, unless an operator says otherwise: many apps read metadata by hand. */
export const PUBLISHED_DAYS = 14;
const DAY = 86_400_000;
/* By then every answer is long over; whoever reads metadata once a day still finds what they knew. */
const KEPT = 2 * DAY;
const CERTIFIED_YEARS = 20;
/* Far less than a key is published for before it signs, and after. */
const KNOWN = 60_000;

interface KeyRow {
  readonly kid: string;
  readonly state: SamlKeyState;
  readonly certificate: string;
  readonly sealed: Buffer;
  readonly activates_at: Date;
  readonly retires_at: Date | null;
}

const COLUMNS = ['kid', 'state', 'certificate', 'sealed', 'activates_at', 'retires_at'] as const;
const ORDER = `array_position(ARRAY['active','pending','retiring','retired']::text[], state), created_at DESC`;

/* A key of its own: what signs tokens never signs XML. */
async function generate(issuer: URL, at: Date) {
  const made = await makeCertifiedKey({ name: issuer.origin, from: at, years: CERTIFIED_YEARS });
  const certificate = made.certificate.replace(/-----[^-]+-----|\s/g, '');
  return { kid: digest(certificate).toString('base64url'), certificate, privateKey: made.privateKey };
}

async function insert(
  { tx, at }: Work,
  keyring: Keyring,
  made: Awaited<ReturnType<typeof generate>>,
  { state, activatesAt }: { readonly state: SamlKeyState; readonly activatesAt: Date },
): Promise<boolean> {
  const kept = await tx('saml_keys')
    .insert({
      kid: made.kid,
      state,
      certificate: made.certificate,
      sealed: keyring.seal('saml-key', made.privateKey),
      created_at: at,
      activates_at: activatesAt,
    })
    .onConflict()
    .ignore()
    .returning('kid');
  return kept.length > 0;
}

const living = (db: Db) =>
  db<KeyRow>('saml_keys')
    .select(...COLUMNS)
    .whereNot('state', 'retired')
    .orderByRaw(ORDER);

/** Opens the keys of an installation; the first is made when it is first needed, and nobody had to know one before. */
export function openSamlKeys(db: Db, keyring: Keyring, issuer: URL): SamlKeys {
  let asked: Promise<readonly KeyRow[]> | undefined;
  let until = 0;
  const load = async (): Promise<readonly KeyRow[]> => {
    const rows = await living(db);
    if (rows.some(({ state }) => state === 'active')) return rows;
    const made = await generate(issuer, new Date());
    await openWork(db, { kind: 'system' }, async work => {
      const isNew = await insert(work, keyring, made, { state: 'active', activatesAt: work.at });
      if (isNew) work.record({ type: 'saml_key.activated', detail: { kid: made.kid } });
    });
    return living(db);
  };
  const known = (): Promise<readonly KeyRow[]> => {
    if (!asked || performance.now() > until) {
      const now = load();
      now.catch(() => {
        if (asked === now) asked = undefined;
      });
      asked = now;
      until = performance.now() + KNOWN;
    }
    return asked;
  };
  return {
    signing: async () => {
      const active = (await known()).find(({ state }) => state === 'active');
      if (!active) throw new Error('there is no key that signs SAML');
      return { certificate: active.certificate, privateKey: openKey(active, keyring) };
    },
    published: async () => (await known()).map(({ certificate }) => certificate),
  };
}

function openKey({ sealed }: KeyRow, keyring: Keyring): string {
  try {
    return keyring.open('saml-key', sealed);
  } catch (cause) {
    throw new StorageTrouble(
      'the key for SAML in the database was sealed under another KEYHOLD_SECRET; start with that secret, ' +
        'or run "keyhold keys reset" to make a new one, which every app that speaks SAML has to be told of',
      { cause },
    );
  }
}

/** All keys, the retired ones too. */
export async function listSamlKeys(db: Db): Promise<readonly SamlKey[]> {
  const rows = await db<KeyRow>('saml_keys')
    .select(...COLUMNS)
    .orderByRaw(ORDER);
  return rows.map(({ kid, state, certificate, activates_at, retires_at }) => ({
    kid,
    state,
    certificate,
    activatesAt: activates_at,
    retiresAt: retires_at,
  }));
}

/** Publishes a new key; it signs after so many days, so that every app has read of it by then. */
export async function rotateSamlKey(
  db: Db,
  keyring: Keyring,
  { issuer, days = PUBLISHED_DAYS }: { readonly issuer: URL; readonly days?: number },
): Promise<SamlKey> {
  const made = await generate(issuer, new Date());
  return openWork(db, { kind: 'operator' }, async work => {
    const activatesAt = new Date(work.at.getTime() + days * DAY);
    await insert(work, keyring, made, { state: 'pending', activatesAt });
    work.record({ type: 'saml_key.published', detail: { kid: made.kid } });
    const { kid, certificate } = made;
    return { kid, certificate, state: 'pending', activatesAt, retiresAt: null };
  });
}

/** Lets a due key sign, and takes those out of the metadata that have been kept for long enough. */
export async function advanceSamlKeys({ tx, at, record }: Work): Promise<void> {
  const due = await tx<KeyRow>('saml_keys')
    .select(...COLUMNS)
    .where('state', 'pending')
    .where('activates_at', '<=', at)
    .orderBy('activates_at', 'desc')
    .forUpdate();
  const [next, ...overtaken] = due;
  if (next) {
    const kids = overtaken.map(({ kid }) => kid);
    await tx('saml_keys')
      .where(those => those.where({ state: 'active' }).orWhereIn('kid', kids))
      .update({ state: 'retiring', retires_at: new Date(at.getTime() + KEPT) });
    await tx('saml_keys').where({ kid: next.kid }).update({ state: 'active' });
    record({ type: 'saml_key.activated', detail: { kid: next.kid } });
  }
  const gone = await tx('saml_keys')
    .where('state', 'retiring')
    .where('retires_at', '<=', at)
    .update({ state: 'retired', sealed: Buffer.alloc(0) })
    .returning<{ kid: string }[]>('kid');
  for (const { kid } of gone) record({ type: 'saml_key.retired', detail: { kid } });
}

/** Takes every key back at once, for when the secret they were sealed under is lost. */
export async function resetSamlKeys({ tx, record }: Work): Promise<number> {
  const gone = await tx('saml_keys')
    .whereNot('state', 'retired')
    .update({ state: 'retired', sealed: Buffer.alloc(0) })
    .returning<{ kid: string }[]>('kid');
  for (const { kid } of gone) record({ type: 'saml_key.retired', detail: { kid } });
  return gone.length;
}

/** Lets keys for SAML sign and go when their time has come. */
export function advanceKeysForSaml(db: Db): JobDefinition {
  return {
    name: 'advance-saml-keys',
    every: '*/10 * * * *',
    run: async () => {
      await openWork(db, { kind: 'system' }, advanceSamlKeys);
    },
  };
}
