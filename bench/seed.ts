import { randomBytes } from 'node:crypto';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import pg from 'pg';
import { newAccountId, openAccount } from '../src/domain/accounts/accounts.js';
import { registerClient, STANDARD_SCOPES } from '../src/domain/clients/clients.js';
import { addVerifiedEmail } from '../src/domain/contacts/contacts.js';
import { openPasswordHasher, setPassword } from '../src/domain/credentials/credentials.js';
import { registerResourceServer } from '../src/domain/resources/resources.js';
import { type Keyring, openKeyring } from '../src/platform/crypto/keyring.js';
import { type Db, openDatabase } from '../src/platform/storage/db.js';
import { openWork } from '../src/platform/storage/work.js';
import type { Cluster } from './cluster.js';

/** How the servers of a phase check passwords; `none` is for flows whose figures shall hold no hash. */
export type Scheme = 'none' | 'bcrypt' | 'argon2id';

export interface SeededAccount {
  readonly id: string;
  readonly email: string;
}

/** What every variant is given: the same people, the same app, the same API. */
export interface Seed {
  readonly secret: string;
  readonly client: Readonly<Record<string, unknown>> & { readonly client_id: string };
  readonly clientSecret: string;
  readonly accounts: Readonly<Record<'bcrypt' | 'argon2id', readonly SeededAccount[]>>;
  readonly hashes: Readonly<Record<'bcrypt' | 'argon2id', string>>;
  /** For the two engines; the product makes its own of the same kinds. */
  readonly jwks: readonly JWK[];
  readonly databaseUrl: string;
  readonly migrationDatabaseUrl: string;
  readonly naiveUrl: string;
}

export const PASSWORD = 'mild otters juggle nineteen lanterns';
export const REDIRECT_URI = 'https://app.bench.example/callback';
export const API = 'https://api.bench.example/';
export const BCRYPT_COST = 10;

const PEOPLE = { bcrypt: 1_000, argon2id: 200 } as const;
const SCOPES = ['openid', 'profile', 'email'] as const;

/** Fills the database of the product and that of the naive adapter with the same. */
export async function plant(cluster: Cluster): Promise<Seed> {
  const secret = randomBytes(48).toString('base64url');
  const keyring = openKeyring(secret);
  const pepper = keyring.derive('password-pepper', 48);
  const hash = async (scheme: 'bcrypt' | 'argon2id') => {
    const hasher = openPasswordHasher({ pepper, scheme, bcryptCost: BCRYPT_COST });
    try {
      return await hasher.hash(PASSWORD);
    } finally {
      await hasher.close();
    }
  };
  const hashes = { bcrypt: await hash('bcrypt'), argon2id: await hash('argon2id') };
  const accounts = { bcrypt: people('bcrypt'), argon2id: people('argon2id') };
  const db = openDatabase(cluster.url);
  try {
    for (const scheme of ['bcrypt', 'argon2id'] as const) {
      await openAccounts(db, keyring, accounts[scheme], hashes[scheme]);
    }
    const { client, clientSecret } = await openClient(db);
    await identifyByHint(cluster.ownerUrl);
    const urls = {
      databaseUrl: cluster.url,
      migrationDatabaseUrl: cluster.ownerUrl,
      naiveUrl: cluster.naiveUrl,
    };
    return { secret, client, clientSecret, accounts, hashes, jwks: await makeKeys(), ...urls };
  } finally {
    await db.destroy();
  }
}

function people(scheme: 'bcrypt' | 'argon2id'): SeededAccount[] {
  return Array.from({ length: PEOPLE[scheme] }, (_, i) => ({
    id: newAccountId(),
    email: `${scheme}-${i}@bench.example`,
  }));
}

function openAccounts(
  db: Db,
  keyring: Keyring,
  accounts: readonly SeededAccount[],
  hash: string,
): Promise<void> {
  return openWork(db, { kind: 'system' }, async work => {
    for (const { id, email } of accounts) {
      await openAccount(work, keyring, { id, email, language: 'en' });
      await addVerifiedEmail(work, id, email);
      await setPassword(work, id, hash);
    }
  });
}

async function openClient(db: Db) {
  const api = { identifier: API, name: 'Bench', scopes: ['things:read'], signing_alg: 'ES256' };
  const scopes = [...STANDARD_SCOPES, 'things:read'];
  const { client, secret } = await openWork(db, { kind: 'operator' }, async work => {
    await registerResourceServer(work, { ...api, access_token_format: 'jwt' });
    const rules = { issuer: new URL('https://bench.example'), allowPrivateNetwork: false, scopes };
    const metadata = {
      client_name: 'Bench',
      redirect_uris: [REDIRECT_URI],
      grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
      scope: [...SCOPES, 'things:read'].join(' '),
      id_token_signed_response_alg: 'ES256',
    };
    return registerClient(work, metadata, { operator: true, rules, firstParty: true, verified: true });
  });
  const forEngines = { ...client.metadata, scope: SCOPES.join(' '), client_secret: secret };
  return { client: { ...forEngines, client_id: client.id }, clientSecret: secret ?? '' };
}

/*
 * The page where the address is typed belongs to the journey, not to the protocol: in this database, and only here, a
 * pending request with a `login_hint` stands where it would after that page, and the password is sent right away.
 */
async function identifyByHint(ownerUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: ownerUrl });
  await client.connect();
  await client.query(`
    CREATE FUNCTION bench_identified() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      NEW.progress := jsonb_build_object('way', 'sign-in', 'email', NEW.params ->> 'login_hint');
      RETURN NEW;
    END $$;
    CREATE TRIGGER bench_identified BEFORE INSERT ON interactions FOR EACH ROW
      WHEN (NEW.params ? 'login_hint') EXECUTE FUNCTION bench_identified()`);
  await client.end();
}

function makeKeys(): Promise<JWK[]> {
  return Promise.all(
    (['RS256', 'ES256', 'EdDSA'] as const).map(async alg => {
      const { privateKey } = await generateKeyPair(alg, {
        extractable: true,
        ...(alg === 'EdDSA' && { crv: 'Ed25519' }),
      });
      return { ...(await exportJWK(privateKey)), alg, use: 'sig', kid: alg };
    }),
  );
}
