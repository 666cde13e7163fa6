import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse as parseUuid, v7 as uuidv7 } from 'uuid';
import {
  addPasskey,
  beginAuthentication,
  beginRegistration,
  type CheckedRegistration,
  checkAuthentication,
  checkRegistration,
  listPasskeys,
  MOST_PASSKEYS,
  type Passkey,
  type PasskeySignIn,
  relyingPartyOf,
  sweepChallenges,
  usePasskey,
} from '../../../src/domain/credentials/credentials.js';
import { openWork } from '../../../src/platform/storage/work.js';
import { type Authenticator, FLAGS, type Forgery, openAuthenticator } from '../../support/authenticator.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';

const rp = relyingPartyOf(new URL('https://op.test:8443/tenant'), 'Keyhold');
const origin = 'https://op.test:8443';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

async function openAccount(): Promise<string> {
  const id = uuidv7();
  await database.db('accounts').insert({ id, opened_at: new Date(), updated_at: new Date() });
  return id;
}

function begin(accountId: string, settings: { binding?: string; upgrade?: boolean } = {}) {
  const { binding = 'flow-1', upgrade = false } = settings;
  return beginRegistration(database.db, {
    rp,
    binding,
    accountId,
    userName: 'ana@example.org',
    displayName: 'Ana',
    upgrade,
  });
}

function keep(checked: CheckedRegistration): Promise<Passkey> {
  if (checked.outcome !== 'verified') throw new Error(`refused: ${checked.reason}`);
  return openWork(database.db, { kind: 'person', id: checked.passkey.accountId }, work =>
    addPasskey(work, checked),
  );
}

async function register(authenticator: Authenticator, accountId: string): Promise<Passkey> {
  const response = authenticator.create(await begin(accountId));
  return keep(await checkRegistration(database.db, { rp, binding: 'flow-1', response }));
}

async function answer(response: object, binding = 'flow-2'): Promise<PasskeySignIn> {
  const checked = await checkAuthentication(database.db, { rp, binding, response });
  return openWork(database.db, { kind: 'person' }, work => usePasskey(work, checked));
}

async function signIn(authenticator: Authenticator, forgery: Forgery = {}): Promise<PasskeySignIn> {
  const options = await beginAuthentication(database.db, { rp, binding: 'flow-2' });
  return answer(authenticator.get(options, forgery));
}

async function facts(accountId: string): Promise<{ type: string; detail: Record<string, unknown> }[]> {
  return database.db('events').where({ account_id: accountId }).orderBy('id').select('type', 'detail');
}

describe('a good passkey', () => {
  test.each([
    ['ES256', -7],
    ['EdDSA', -8],
    ['RS256', -257],
  ] as const)('of %s is added and signs its owner in', async (_, algorithm) => {
    const accountId = await openAccount();
    const authenticator = openAuthenticator(origin, { algorithm });
    const passkey = await register(authenticator, accountId);
    expect(passkey).toMatchObject({
      accountId,
      credentialId: authenticator.credentialId,
      signCount: 0,
      transports: ['internal', 'hybrid'],
      aaguid: 'fbfc3007-154e-4ecc-8c0b-6e020557d7bd',
      name: 'iCloud Keychain',
      backupEligible: true,
      backedUp: true,
      userVerified: true,
      lastUsedAt: null,
    });
    const signedIn = await signIn(authenticator);
    expect(signedIn).toMatchObject({ outcome: 'signed-in', accountId, passkey: { id: passkey.id } });
    expect(await facts(accountId)).toMatchObject([
      { type: 'passkey.added', detail: { passkeyId: passkey.id, backedUp: true } },
      { type: 'passkey.used', detail: { passkeyId: passkey.id } },
    ]);
    const [kept] = await listPasskeys(database.db, accountId);
    expect(kept?.lastUsedAt).toBeInstanceOf(Date);
    expect(kept?.publicKey.equals(passkey.publicKey)).toBe(true);
  });

  test('is asked for as discoverable and verified, and not twice from one authenticator', async () => {
    const accountId = await openAccount();
    const first = await begin(accountId);
    expect(first).toMatchObject({
      rp: { id: 'op.test', name: 'Keyhold' },
      user: {
        id: Buffer.from(parseUuid(accountId)).toString('base64url'),
        name: 'ana@example.org',
        displayName: 'Ana',
      },
      attestation: 'none',
      authenticatorSelection: {
        residentKey: 'required',
        requireResidentKey: true,
        userVerification: 'required',
      },
      excludeCredentials: [],
      hints: [],
    });
    expect(first.pubKeyCredParams.map(({ alg }) => alg)).toEqual([-7, -8, -257]);
    const passkey = await register(openAuthenticator(origin), accountId);
    expect((await begin(accountId)).excludeCredentials).toEqual([
      { id: passkey.credentialId, type: 'public-key', transports: ['internal', 'hybrid'] },
    ]);
    const request = await beginAuthentication(database.db, { rp, binding: 'flow-2' });
    expect(request).toMatchObject({ rpId: 'op.test', userVerification: 'required' });
    expect(request.allowCredentials ?? []).toEqual([]);
  });

  test('that counts goes up; one that says it is no longer backed up is believed', async () => {
    const accountId = await openAccount();
    const authenticator = openAuthenticator(origin, {
      counts: true,
      aaguid: '00000000-0000-0000-0000-000000000000',
    });
    expect((await register(authenticator, accountId)).name).toBe('Passkey');
    await signIn(authenticator);
    const again = await signIn(authenticator, { flags: FLAGS.UP | FLAGS.UV | FLAGS.BE });
    expect(again).toMatchObject({ outcome: 'signed-in', passkey: { signCount: 2, backedUp: false } });
    expect(await listPasskeys(database.db, accountId)).toMatchObject([{ signCount: 2, backedUp: false }]);
  });

  test('that attests itself, though nobody asked for it, is taken', async () => {
    const accountId = await openAccount();
    const authenticator = openAuthenticator(origin);
    const response = authenticator.create(await begin(accountId), { selfAttested: true });
    await keep(await checkRegistration(database.db, { rp, binding: 'flow-1', response }));
    expect(await signIn(authenticator)).toMatchObject({ outcome: 'signed-in', accountId });
  });

  test('made without a gesture after a password sign-in is kept as not verified, and must verify to sign in', async () => {
    const accountId = await openAccount();
    const authenticator = openAuthenticator(origin);
    const response = authenticator.create(await begin(accountId, { upgrade: true }), {
      flags: FLAGS.BE | FLAGS.BS,
    });
    const answered = { rp, binding: 'flow-1', response };
    const refused = { outcome: 'refused', reason: 'challenge' };
    expect(await checkRegistration(database.db, answered)).toEqual(refused);
    const passkey = await keep(await checkRegistration(database.db, { ...answered, upgrade: true }));
    expect(passkey.userVerified).toBe(false);
    expect(await signIn(authenticator, { flags: FLAGS.UP | FLAGS.BE | FLAGS.BS })).toMatchObject({
      reason: 'not_verified',
    });
    expect(await signIn(authenticator)).toMatchObject({
      outcome: 'signed-in',
      passkey: { userVerified: true },
    });
  });
});

const BACKED = FLAGS.BE | FLAGS.BS;
const FORGERIES: readonly (readonly [string, string, Forgery])[] = [
  ['another origin', 'not_verified', { origin: 'https://evil.test:8443' }],
  ['an origin that only begins like ours', 'not_verified', { origin: 'https://op.test.evil:8443' }],
  ['a subdomain', 'not_verified', { origin: 'https://login.op.test:8443' }],
  ['another port', 'not_verified', { origin: 'https://op.test' }],
  ['plain http', 'not_verified', { origin: 'http://op.test:8443' }],
  ['another relying party', 'not_verified', { rpId: 'evil.test' }],
  ['no user verification', 'not_verified', { flags: FLAGS.UP | BACKED }],
  ['no user presence', 'not_verified', { flags: FLAGS.UV | BACKED }],
  ['a frame of another origin', 'malformed', { crossOrigin: true }],
  ['a frame that names its top', 'malformed', { crossOrigin: true, topOrigin: 'https://evil.test' }],
  ['a top without a frame', 'malformed', { topOrigin: 'https://evil.test' }],
  ['backed up but not eligible', 'not_verified', { flags: FLAGS.UP | FLAGS.UV | FLAGS.BS }],
  ['a challenge we never made', 'challenge', { challenge: randomBytes(32).toString('base64url') }],
  ['no challenge', 'malformed', { challenge: '' }],
];

describe('C19: a forged registration is refused and nothing is kept:', () => {
  test.each([
    ...FORGERIES,
    ['the other ceremony', 'not_verified', { type: 'webauthn.get' }],
    [
      'an attestation with certificates',
      'not_verified',
      { format: 'packed', statement: new Map([['x5c', []]]) },
    ],
    ['an attestation of another format', 'not_verified', { format: 'fido-u2f' }],
    ['none with a statement', 'not_verified', { statement: new Map([['sig', 'x']]) }],
    [
      'packed with a wrong signature',
      'not_verified',
      { format: 'packed', statement: new Map([['alg', -7]]) },
    ],
  ] as const)('%s', async (_, reason, forgery) => {
    const accountId = await openAccount();
    const response = openAuthenticator(origin).create(await begin(accountId), forgery as Forgery);
    const checked = await checkRegistration(database.db, { rp, binding: 'flow-1', response });
    expect(checked).toMatchObject({ outcome: 'refused', reason });
    expect(await listPasskeys(database.db, accountId)).toEqual([]);
  });

  test('an algorithm that was not offered', async () => {
    const response = openAuthenticator(origin, { algorithm: -35 }).create(await begin(await openAccount()));
    const checked = await checkRegistration(database.db, { rp, binding: 'flow-1', response });
    expect(checked).toMatchObject({ outcome: 'refused', reason: 'not_verified' });
  });

  test('one more than an account has room for', async () => {
    const accountId = await openAccount();
    for (let count = 0; count < MOST_PASSKEYS; count += 1)
      await register(openAuthenticator(origin), accountId);
    const response = openAuthenticator(origin).create(await begin(accountId));
    const checked = await checkRegistration(database.db, { rp, binding: 'flow-1', response });
    await expect(keep(checked)).rejects.toMatchObject({ kind: 'conflict', code: 'passkeys_full' });
    expect(await listPasskeys(database.db, accountId)).toHaveLength(MOST_PASSKEYS);
  });

  test('a credential id that somebody else has', async () => {
    const owner = await openAccount();
    const taken = await register(openAuthenticator(origin), owner);
    const thief = await openAccount();
    const options = await begin(thief);
    const response = openAuthenticator(origin).create(options, { credentialId: taken.credentialId });
    const checked = await checkRegistration(database.db, { rp, binding: 'flow-1', response });
    await expect(keep(checked)).rejects.toMatchObject({ kind: 'conflict', code: 'passkey_taken' });
    expect(await listPasskeys(database.db, thief)).toEqual([]);
    expect(await facts(thief)).toEqual([]);
    expect(await listPasskeys(database.db, owner)).toMatchObject([{ id: taken.id }]);
  });

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['text', 'passkey'],
    ['an empty object', {}],
    ['another type', { id: 'AA', rawId: 'AA', type: 'password', response: {} }],
    [
      'a client data that is no JSON',
      {
        id: 'AA',
        rawId: 'AA',
        type: 'public-key',
        response: { clientDataJSON: 'AA', attestationObject: 'AA' },
      },
    ],
    ['a megabyte', { id: 'A'.repeat(1_000_000), rawId: 'AA', type: 'public-key', response: {} }],
  ])('%s', async (_, response) => {
    const refused = { outcome: 'refused', reason: 'malformed' };
    expect(await checkRegistration(database.db, { rp, binding: 'flow-1', response })).toEqual(refused);
    expect(await checkAuthentication(database.db, { rp, binding: 'flow-1', response })).toEqual(refused);
  });
});

describe('C19: a forged sign-in is refused and the passkey is unchanged:', () => {
  const someone = Buffer.from(parseUuid(uuidv7())).toString('base64url');
  test.each([
    ...FORGERIES,
    ['the other ceremony', 'not_verified', { type: 'webauthn.create' }],
    ['no user handle', 'wrong_owner', { userHandle: null }],
    ["somebody else's user handle", 'wrong_owner', { userHandle: someone }],
    ['a passkey nobody has', 'unknown_passkey', { credentialId: randomBytes(16).toString('base64url') }],
    ['a passkey that was bound to one device before', 'backup_flags', { flags: FLAGS.UP | FLAGS.UV }],
  ] as const)('%s', async (_, reason, forgery) => {
    const accountId = await openAccount();
    const authenticator = openAuthenticator(origin);
    await register(authenticator, accountId);
    const before = await listPasskeys(database.db, accountId);
    expect(await signIn(authenticator, forgery as Forgery)).toMatchObject({ outcome: 'refused', reason });
    expect(await listPasskeys(database.db, accountId)).toEqual(before);
  });

  test('a signature of another key', async () => {
    const accountId = await openAccount();
    const passkey = await register(openAuthenticator(origin), accountId);
    const userHandle = Buffer.from(parseUuid(accountId)).toString('base64url');
    const forged = await signIn(openAuthenticator(origin), {
      credentialId: passkey.credentialId,
      userHandle,
    });
    expect(forged).toMatchObject({ outcome: 'refused', reason: 'not_verified', accountId });
    expect(await facts(accountId)).toMatchObject([
      { type: 'passkey.added' },
      { type: 'passkey.refused', detail: { reason: 'not_verified', passkeyId: passkey.id } },
    ]);
  });

  test.each([
    ['back', 4],
    ['nowhere', 5],
    ['to zero', 0],
  ])('a counter that goes %s, and its owner can see it', async (_, counter) => {
    const accountId = await openAccount();
    const authenticator = openAuthenticator(origin);
    await register(authenticator, accountId);
    expect(await signIn(authenticator, { counter: 5 })).toMatchObject({ outcome: 'signed-in' });
    expect(await signIn(authenticator, { counter })).toMatchObject({
      outcome: 'refused',
      reason: 'counter',
      accountId,
    });
    expect(await listPasskeys(database.db, accountId)).toMatchObject([{ signCount: 5 }]);
    expect((await facts(accountId)).at(-1)).toMatchObject({
      type: 'passkey.refused',
      detail: { reason: 'counter' },
    });
  });

  test('one counter value in two sign-ins at once', async () => {
    const accountId = await openAccount();
    const authenticator = openAuthenticator(origin);
    await register(authenticator, accountId);
    const outcomes = await Promise.all([1, 2, 3, 4].map(() => signIn(authenticator, { counter: 7 })));
    expect(outcomes.filter(({ outcome }) => outcome === 'signed-in')).toHaveLength(1);
  });
});

describe('a challenge', () => {
  async function ready() {
    const authenticator = openAuthenticator(origin);
    await register(authenticator, await openAccount());
    const options = await beginAuthentication(database.db, { rp, binding: 'flow-2' });
    return { authenticator, options };
  }
  const refused = { outcome: 'refused', reason: 'challenge' };

  test('works once', async () => {
    const { authenticator, options } = await ready();
    expect(await answer(authenticator.get(options))).toMatchObject({ outcome: 'signed-in' });
    expect(await answer(authenticator.get(options))).toEqual(refused);
  });

  test('works once of twenty times at the same moment', async () => {
    const { authenticator, options } = await ready();
    const responses = Array.from({ length: 20 }, () => authenticator.get(options));
    const outcomes = await Promise.all(responses.map(response => answer(response)));
    expect(outcomes.filter(({ outcome }) => outcome === 'signed-in')).toHaveLength(1);
    const accountId = await openAccount();
    const creation = await begin(accountId);
    const checked = await Promise.all(
      Array.from({ length: 20 }, () => openAuthenticator(origin).create(creation)).map(response =>
        checkRegistration(database.db, { rp, binding: 'flow-1', response }),
      ),
    );
    expect(checked.filter(({ outcome }) => outcome === 'verified')).toHaveLength(1);
  });

  test('is used up by a wrong answer', async () => {
    const { authenticator, options } = await ready();
    const wrong = await answer(authenticator.get(options, { origin: 'https://evil.test' }));
    expect(wrong).toMatchObject({ reason: 'not_verified' });
    expect(await answer(authenticator.get(options))).toEqual(refused);
  });

  test('of another flow is refused, and stays good in its own', async () => {
    const { authenticator, options } = await ready();
    expect(await answer(authenticator.get(options), 'flow-3')).toEqual(refused);
    expect(await answer(authenticator.get(options))).toMatchObject({ outcome: 'signed-in' });
  });

  test('of the other purpose is refused', async () => {
    const { authenticator, options } = await ready();
    const accountId = await openAccount();
    const creation = await begin(accountId, { binding: 'flow-2' });
    expect(await answer(authenticator.get(creation))).toEqual(refused);
    const response = openAuthenticator(origin).create({ ...creation, challenge: options.challenge });
    expect(await checkRegistration(database.db, { rp, binding: 'flow-2', response })).toEqual(refused);
  });

  test('is good for ten minutes, then refused, then swept', async () => {
    const { authenticator, options } = await ready();
    const { rows } = await database.db.raw('SELECT max(expires_at) - now() AS left FROM passkey_challenges');
    expect(rows[0].left.minutes * 60 + (rows[0].left.seconds ?? 0)).toBeGreaterThan(590);
    await database.db.raw("UPDATE passkey_challenges SET expires_at = now() - interval '1 second'");
    expect(await answer(authenticator.get(options))).toEqual(refused);
    const fresh = await beginAuthentication(database.db, { rp, binding: 'flow-2' });
    const signal = new AbortController().signal;
    await sweepChallenges(database.db).run({}, { id: '1', attempt: 1, last: false, signal });
    expect(await database.db('passkey_challenges').count()).toEqual([{ count: '1' }]);
    expect(await answer(authenticator.get(fresh))).toMatchObject({ outcome: 'signed-in' });
  });
});

test('an account that is gone takes its passkeys along, and their ids are free again', async () => {
  const accountId = await openAccount();
  const { credentialId } = await register(openAuthenticator(origin), accountId);
  await database.db('accounts').where({ id: accountId }).delete();
  expect(await database.db('passkey_owners').where({ credential_id: credentialId })).toEqual([]);
});
