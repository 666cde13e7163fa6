import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import * as openid from 'openid-client';
import { until } from '../support/jobs.js';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, peopleOnRecord, type Recorded, recordedDuring } from '../support/ledger.js';
import { codeIn, linkIn } from '../support/mailbox.js';
import type { Person } from '../support/person.js';
import { openRawClient, type RawAnswer, type RawClient } from '../support/raw-client.js';
import { openRelyingParty, type RegisteredClient, type RelyingParty } from '../support/relying-party.js';
import {
  postScript,
  sendStep,
  signUpWithPasskey,
  toRecoveryCredential,
  toSignUpCode,
} from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

// A one-time thing that comes again is refused, changes nothing, and is on record; what ends a family is in single-use.

let keyhold: TestKeyhold;
let house: RelyingParty;
let machine: RegisteredClient;
let asserting: RegisteredClient;
let raw: RawClient;
let keys: CryptoKeyPair;
const EMAIL = 'ada@example.test';

beforeAll(async () => {
  keyhold = await startKeyhold({ RATE_LIMITS: 'on', TRUSTED_PROXIES: '127.0.0.1,::1' });
  house = await openRelyingParty(keyhold, { first_party: true });
  keys = await generateKeyPair('ES256', { extractable: true });
  const common = { grant_types: ['client_credentials'], development: true };
  machine = await keyhold.registerClient({ ...common, token_endpoint_auth_method: 'client_secret_post' });
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'one', use: 'sig' };
  asserting = await keyhold.registerClient({
    ...common,
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: 'ES256',
    jwks: { keys: [jwk] },
  });
  raw = await openRawClient(keyhold, machine);
});

beforeEach(() => keyhold.db('attempts').delete());

afterAll(async () => {
  await house?.close();
  await keyhold?.close();
});

const now = () => Math.floor(Date.now() / 1000);

const sign = (claims: JWTPayload, header: object) =>
  new SignJWT({ jti: crypto.randomUUID(), iat: now(), ...claims })
    .setProtectedHeader({ alg: 'ES256', ...header })
    .sign(keys.privateKey);

async function proof(): Promise<string> {
  const jwk = await exportJWK(keys.publicKey);
  return sign({ htm: 'POST', htu: `${keyhold.issuer}/token` }, { typ: 'dpop+jwt', jwk });
}

const prove = (dpop: string, from = '192.0.2.1'): Promise<RawAnswer> => {
  const { client_id, client_secret = '' } = machine;
  const form = { grant_type: 'client_credentials', client_id, client_secret };
  return raw.post('/token', form, { DPoP: dpop, 'X-Forwarded-For': from });
};

const replays = (events: readonly Recorded[]) =>
  events
    .filter(({ type }) => type === 'replay.refused')
    .map(({ detail, ...event }) => ({ ...event, ...detail }));

/** Runs `act`, in which this comes again once, and says what is on record about it. */
async function again(act: () => Promise<unknown>) {
  const before = await peopleOnRecord(keyhold.db);
  const noted = replays(await recordedDuring(keyhold.db, act));
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
  return noted;
}

const NOBODY = { type: 'replay.refused', account_id: null };

test('C43: a DPoP proof that comes again is on record', async () => {
  const dpop = await proof();
  expect((await prove(dpop)).status).toBe(200);
  const noted = await again(async () => {
    expect((await prove(dpop)).body.error).toBe('invalid_dpop_proof');
  });
  expect(noted).toEqual([{ ...NOBODY, client_id: machine.client_id, kind: 'DpopProof' }]);
});

test('C43: an assertion of an app that comes again is on record', async () => {
  const id = asserting.client_id;
  const client_assertion = await sign(
    { iss: id, sub: id, aud: keyhold.issuer, exp: now() + 60 },
    { kid: 'one' },
  );
  const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
  const ask = () =>
    raw.post('/token', { grant_type: 'client_credentials', client_assertion, client_assertion_type });
  expect((await ask()).status).toBe(200);
  const noted = await again(async () => expect((await ask()).body.error).toBe('invalid_client'));
  expect(noted).toEqual([{ ...NOBODY, client_id: id, kind: 'ClientAssertion' }]);
});

/** Sends the same twice at once; both have looked before the first may write. */
async function atOnce<T>(table: string, act: () => Promise<T>): Promise<readonly T[]> {
  const holder = await keyhold.db.transaction();
  await holder(table).select(holder.raw('1')).forUpdate();
  const answers = [act(), act()];
  await until(async () => {
    const { rows } = await keyhold.db.raw(
      `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return rows[0].n >= 2;
  });
  await holder.rollback();
  return Promise.all(answers);
}

async function member(email: string): Promise<Person> {
  const person = personAt(keyhold);
  await signUpWithPasskey(person, house, keyhold.origin, email);
  return person;
}

test('C34: a pushed request that comes again, later or at the same moment, is on record', async () => {
  const ada = await member(EMAIL);
  const { searchParams } = await house.authorizationUrl();
  const push = () => openid.buildAuthorizationUrlWithPAR(house.configuration, searchParams);
  const url = await push();
  await ada.goto(url);
  expect(ada.page.heading).toBe('Back in the app');
  const expected = [{ ...NOBODY, client_id: house.clientId, kind: 'PushedAuthorizationRequest' }];
  expect(await again(() => ada.goto(url))).toEqual(expected);
  expect([ada.page.status, ada.page.text.includes('invalid_request_uri')]).toEqual([400, true]);

  const raced = await push();
  const headers = { cookie: await ada.jar.getCookieString(keyhold.origin), accept: 'text/html' };
  const noted = await again(async () => {
    const answers = await atOnce('pushed_authorization_requests', () =>
      fetch(raced, { redirect: 'manual', headers }),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([303, 400]);
  });
  expect(noted).toEqual(expected);
});

test('C19: an answer to a passkey challenge that was used, or to none of ours, is on record', async () => {
  const email = 'bea@example.test';
  const bea = personAt(keyhold);
  const authenticator = await signUpWithPasskey(bea, house, keyhold.origin, email);
  const person = personAt(keyhold);
  await person.goto(await house.authorizationUrl());
  const options = await postScript(person, '/passkey/options');
  const credential = authenticator.get(options.body as never);
  expect((await postScript(person, '/passkey', { credential })).status).toBe(200);
  const noted = await again(async () => {
    expect((await postScript(person, '/passkey', { credential })).status).toBeGreaterThanOrEqual(400);
    const other = personAt(keyhold);
    await other.goto(await house.authorizationUrl());
    expect((await postScript(other, '/passkey', { credential })).status).toBe(400);
  });
  expect(noted).toContainEqual({ ...NOBODY, client_id: house.clientId, kind: 'passkey_challenge' });
});

test('C18: a mailed code that is used by two at the same moment is on record for the second', async () => {
  const cleo = personAt(keyhold);
  await toSignUpCode(cleo, house, 'cleo@example.test');
  const code = codeIn(await cleo.latestMail('cleo@example.test'));
  const noted = await again(async () => {
    const answers = await atOnce('email_proofs', () => sendStep(cleo, '/code', { code }));
    expect(answers.map(({ status }) => status)).toEqual([303, 303]);
  });
  expect(noted).toEqual([{ ...NOBODY, client_id: house.clientId, kind: 'email_code' }]);
});

test('C07: a mailed link that is used by two at the same moment is on record for the second', async () => {
  const dan = personAt(keyhold);
  await toSignUpCode(dan, house, 'dan@example.test');
  const token = linkIn(await dan.latestMail('dan@example.test'))
    .split('/')
    .at(-1);
  const noted = await again(async () => {
    const answers = await atOnce('email_proofs', () => sendStep(dan, `/link/${token}`, {}));
    expect(answers.map(({ status }) => status).sort()).toEqual([303, 410]);
  });
  expect(noted).toEqual([{ ...NOBODY, client_id: house.clientId, kind: 'email_link' }]);
});

test('C07: a recovery that is finished twice, and a notice that is objected to twice, are on record', async () => {
  const email = 'eve@example.test';
  await member(email);
  const account_id = await accountOf(keyhold.db, email);
  const eve = personAt(keyhold);
  await toRecoveryCredential(eve, house, email);
  const code = await eve.latestMail(email);
  const events = await recordedDuring(keyhold.db, async () => {
    const answers = await atOnce('accounts', () =>
      sendStep(eve, '/recovery/password', { password: GOOD_PASSWORD }),
    );
    expect(answers.map(({ status }) => status)).toEqual([303, 303]);
  });
  const about = { type: 'replay.refused', account_id };
  expect(replays(events)).toEqual([{ ...about, client_id: house.clientId, kind: 'recovery_proof' }]);
  expect(events.filter(({ type }) => type === 'account.recovered')).toHaveLength(1);

  const notice = await eve.latestMail(email, code);
  const path = /\/objection\/[\w-]+/.exec(notice.text)?.[0] ?? '';
  const owner = personAt(keyhold);
  await owner.goto(keyhold.origin + path);
  await owner.press("This wasn't me");
  const twice = await again(async () => {
    await owner.goto(`${keyhold.origin}/sign-out`);
    const answer = await sendObjection(owner, path);
    expect(answer.status).toBe(410);
  });
  expect(twice).toEqual([{ ...about, client_id: null, kind: 'objection' }]);
});

async function sendObjection(person: Person, path: string) {
  await person.goto(`${keyhold.origin}/device`);
  const csrf = /name="csrf" value="([^"]+)"/.exec(person.page.html)?.[1] ?? '';
  const headers = { cookie: await person.jar.getCookieString(keyhold.origin), accept: 'text/html' };
  return fetch(keyhold.origin + path, { method: 'POST', headers, body: new URLSearchParams({ csrf }) });
}

test('C51: who sends the same again and again fills no record: twenty, and that there were more', async () => {
  const dpop = await proof();
  expect((await prove(dpop)).status).toBe(200);
  const events = await recordedDuring(keyhold.db, async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => prove(dpop)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([400]));
  });
  expect(replays(events)).toHaveLength(20);
  expect(events.filter(({ type }) => type === 'limit.reached')).toMatchObject([
    { detail: { limit: 'replay', per: 'network' } },
  ]);
  const elsewhere = await recordedDuring(keyhold.db, () => prove(dpop, '198.51.100.7'));
  expect(replays(elsewhere)).toHaveLength(1);
});
