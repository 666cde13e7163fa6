import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { createRemoteJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import { advanceKeys, KEYS_CHANNEL, listKeys, rotateKey, SIGNING_ALGORITHMS } from '../../src/oidc/keys.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openWork } from '../../src/platform/storage/work.js';
import { until } from '../support/jobs.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import type { Person } from '../support/person.js';
import { bringCode, eventsOf, newMember } from '../support/protocol.js';
import { openRawClient, type RawClient } from '../support/raw-client.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

type Algorithm = (typeof SIGNING_ALGORITHMS)[number];

let keyhold: TestKeyhold;
let second: TestKeyhold;
let apps: Readonly<Record<Algorithm, RelyingParty>>;
let ada: Person;
let going = false;

beforeAll(async () => {
  keyhold = await startKeyhold();
  second = await startKeyhold({}, { beside: keyhold });
  const opened = await Promise.all(
    SIGNING_ALGORITHMS.map(alg =>
      openRelyingParty(keyhold, { first_party: true, id_token_signed_response_alg: alg }),
    ),
  );
  apps = Object.fromEntries(SIGNING_ALGORITHMS.map((alg, at) => [alg, opened[at]])) as unknown as typeof apps;
  ada = await newMember(keyhold, apps.ES256, 'ada@example.test');
});

afterAll(async () => {
  await Promise.all(Object.values(apps ?? {}).map(app => app.close()));
  await second?.close();
  await keyhold?.close();
});

const jwksOf = async (path = `${keyhold.issuer}/jwks`) => (await (await fetch(path)).json()) as JSONWebKeySet;
const kidsOf = async () => (await jwksOf()).keys.map(({ kid }) => kid);
const keyring = () => openKeyring(keyhold.config.secret);

/** An ID token for an app, by a process of Keyhold. */
async function idToken(app: RelyingParty, at = keyhold): Promise<string> {
  const client: RawClient = await openRawClient(keyhold, app.client, at.dispatcher);
  const { code, verifier, redirectUri } = await bringCode(ada, app);
  return String((await client.code(code, verifier, redirectUri)).body.id_token);
}

const kidOf = (token: string) => decodeProtectedHeader(token).kid;

async function verifies(token: string, app: RelyingParty): Promise<boolean> {
  const keys = createRemoteJWKSet(new URL(`${keyhold.issuer}/jwks`));
  const { payload } = await jwtVerify(token, keys, { issuer: keyhold.issuer, audience: app.clientId });
  return payload.iss === keyhold.issuer;
}

/** Brings the app one verified ID token after the other until it is stopped; says what went wrong. */
function keepRequesting(app: RelyingParty): { stop(): Promise<readonly unknown[]> } {
  const failures: unknown[] = [];
  going = true;
  const all = (async () => {
    while (going) {
      await idToken(app)
        .then(token => verifies(token, app))
        .catch(error => failures.push(error));
    }
  })();
  return {
    stop: async () => {
      going = false;
      await all;
      return failures;
    },
  };
}

afterEach(() => {
  going = false;
});

test('there is a key for each algorithm, and only its public half is told', async () => {
  const { keys } = await jwksOf();
  expect(keys.map(({ alg }) => alg)).toEqual([...SIGNING_ALGORITHMS]);
  for (const key of keys) {
    expect(key).toMatchObject({ use: 'sig', kid: expect.any(String) });
    for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) expect(key).not.toHaveProperty(secret);
  }
});

test.each(SIGNING_ALGORITHMS)(
  'an app that asked for %s gets ID tokens and claims signed by it',
  async alg => {
    const token = await idToken(apps[alg]);
    expect(decodeProtectedHeader(token)).toMatchObject({ alg });
    expect(await verifies(token, apps[alg])).toBe(true);
  },
);

test('private keys are sealed in the database', async () => {
  const rows = await keyhold.db('signing_keys').select('kid', 'sealed');
  expect(rows.length).toBeGreaterThanOrEqual(3);
  for (const { sealed } of rows) {
    expect(sealed.toString('latin1')).not.toMatch(/"(d|kty|kid|alg)"/);
    const { d } = JSON.parse(keyring().open('signing-key', sealed));
    expect(sealed.includes(Buffer.from(d, 'base64url'))).toBe(false);
    expect(() =>
      openKeyring('another secret of more than enough length').open('signing-key', sealed),
    ).toThrow();
  }
});

test('keys rotate under running requests: published, then signing, then only verifying, then gone', async () => {
  const app = apps.ES256;
  const old = await idToken(app);
  const begun = await bringCode(ada, app);
  const rotate = (maxAge: number) =>
    openWork(keyhold.db, { kind: 'operator' }, work => rotateKey(work, keyring(), 'ES256', maxAge));
  const advance = () => openWork(keyhold.db, { kind: 'system' }, advanceKeys);

  const requests = keepRequesting(app);
  const fresh = await rotate(300);
  await until(async () => (await kidsOf()).includes(fresh));
  expect(await advance()).toBe(false);
  expect(kidOf(await idToken(app))).toBe(kidOf(old));

  await keyhold.db('signing_keys').where({ kid: fresh }).update({ activates_at: new Date() });
  expect(await advance()).toBe(true);
  for (const process of [keyhold, second]) {
    await until(async () => kidOf(await idToken(app, process)) === fresh);
  }
  expect(await verifies(old, app)).toBe(true);
  const client = await openRawClient(keyhold, app.client, second.dispatcher);
  const late = await client.code(begun.code, begun.verifier, begun.redirectUri);
  expect([late.status, kidOf(String(late.body.id_token))]).toEqual([200, fresh]);

  expect(await requests.stop()).toEqual([]);

  await keyhold
    .db('signing_keys')
    .where({ kid: kidOf(old) })
    .update({ retires_at: new Date() });
  expect(await advance()).toBe(true);
  await until(async () => !(await kidsOf()).includes(kidOf(old)));
  await expect(verifies(old, app)).rejects.toThrow();
  expect((await listKeys(keyhold.db)).find(({ kid }) => kid === kidOf(old))?.state).toBe('retired');
  const [retired] = await keyhold
    .db('signing_keys')
    .select('sealed')
    .where({ kid: kidOf(old) });
  expect(retired.sealed).toHaveLength(0);

  for (const type of ['signing_key.published', 'signing_key.activated', 'signing_key.retired']) {
    expect([type, (await eventsOf(keyhold.db, type)).length]).toEqual([type, 1]);
  }
});

test('a swap of the keys opens no further connection and leaves none behind', async () => {
  const connections = async () => {
    const { rows } = await keyhold.db.raw(
      `SELECT application_name AS name, count(*)::int AS n FROM pg_stat_activity
       WHERE datname = current_database() AND application_name LIKE 'keyhold %' GROUP BY 1 ORDER BY 1`,
    );
    return rows;
  };
  const before = await connections();
  expect(before.some(({ name }: { name: string }) => name === `keyhold ${KEYS_CHANNEL}`)).toBe(true);
  for (let round = 0; round < 5; round++) {
    const kid = await openWork(keyhold.db, { kind: 'operator' }, work => rotateKey(work, keyring(), 'EdDSA'));
    await until(async () => (await kidsOf()).includes(kid));
  }
  expect(await connections()).toEqual(before);
});

test('keys that change while nobody listens are known as soon as somebody listens again', async () => {
  const { rows } = await keyhold.db.raw(
    `SELECT count(pg_terminate_backend(pid))::int AS n FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = ?`,
    [`keyhold ${KEYS_CHANNEL}`],
  );
  expect(rows[0].n).toBe(2);
  const kid = await openWork(keyhold.db, { kind: 'operator' }, work => rotateKey(work, keyring(), 'EdDSA'));
  for (const { dispatcher } of [keyhold, second]) {
    await until(async () => {
      const answer = await fetch(`${keyhold.issuer}/jwks`, { dispatcher } as RequestInit);
      return ((await answer.json()) as JSONWebKeySet).keys.some(key => key.kid === kid);
    });
  }
});
