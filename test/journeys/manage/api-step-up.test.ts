import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import * as openid from 'openid-client';
import { accountToken, accountTokens } from '../../support/account-api.js';
import { until } from '../../support/jobs.js';
import { signIn } from '../../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf, peopleOnRecord } from '../../support/ledger.js';
import { addNotesTopic, notes } from '../../support/notes-topic.js';
import type { Person } from '../../support/person.js';
import { newMember } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';

let keyhold: TestKeyhold;
let app: RelyingParty;
let ada: Person;
let adaId: string;

const ADA = 'ada@example.test';
const READ = 'account:overview:read';
const WRITE = 'account:profile:write';

beforeAll(async () => {
  addNotesTopic();
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, { scope: `openid profile email offline_access ${READ} ${WRITE}` });
  ada = await newMember(keyhold, app, ADA);
  adaId = await accountOf(keyhold.db, ADA);
});

beforeEach(() => notes.clear());

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

async function note(headers: Readonly<Record<string, string>>, text: unknown, type = 'application/json') {
  const answer = await fetch(new URL('/api/me/test/note', keyhold.origin), {
    method: 'PATCH',
    headers: { 'content-type': type, ...headers },
    body: typeof text === 'string' ? text : JSON.stringify(text),
  });
  const challenge = answer.headers.get('www-authenticate') ?? '';
  return {
    status: answer.status,
    challenge,
    body: (await answer.json()) as Readonly<Record<string, unknown>>,
  };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** Lets so many seconds pass since she signed in. */
const later = (seconds: number) =>
  keyhold.db('sessions').update({ login_ts: keyhold.db.raw('login_ts - ?', [seconds]) });

test('C23: a sensitive act takes a token of a fresh authentication, and says so as RFC 9470 does', async () => {
  await later(400);
  const stale = await accountToken(keyhold, ada, app, WRITE);
  const refused = await note(bearer(stale), { note: 'too late' });
  expect([refused.status, refused.body['code']]).toEqual([401, 'insufficient_user_authentication']);
  expect(refused.challenge).toMatch(
    /^Bearer error="insufficient_user_authentication", error_description="[^"]+", max_age="300", /,
  );
  expect(notes.size).toBe(0);

  const url = await app.authorizationUrl({ max_age: '300' });
  await ada.goto(url);
  await signIn(ada, ADA);
  expect(ada.page.heading).toBe('Back in the app');
  expect((await note(bearer(stale), { note: 'still the old token' })).status).toBe(401);
  expect(notes.size).toBe(0);
  const fresh = await accountToken(keyhold, ada, app, WRITE);
  expect(await note(bearer(fresh), { note: 'in time' })).toMatchObject({
    status: 200,
    body: { notes: ['in time'] },
  });
});

test('C23: refreshing makes no authentication fresh', async () => {
  await later(400);
  const scope = `offline_access ${WRITE}`;
  const { refresh_token = '' } = await accountTokens(keyhold, ada, app, scope, { prompt: 'consent' });
  const { access_token } = await app.refresh(refresh_token);
  expect((await note(bearer(access_token), { note: 'x' })).body['code']).toBe(
    'insufficient_user_authentication',
  );
  await ada.goto(await app.authorizationUrl({ prompt: 'login' }));
  await signIn(ada, ADA);
});

test('C40: a token without the scope does nothing, and is told which one it takes', async () => {
  const token = await accountToken(keyhold, ada, app, READ);
  const { status, challenge, body } = await note(bearer(token), { note: 'x' });
  expect([status, body['code'], notes.size]).toEqual([403, 'insufficient_scope', 0]);
  expect(challenge).toContain(`scope="${WRITE}"`);
});

test('C40: a scope that was taken from the app counts no more, in tokens that it holds', async () => {
  const token = await accountToken(keyhold, ada, app, WRITE);
  expect((await note(bearer(token), {})).status).toBe(200);
  const scopeOf = (scope: string) =>
    keyhold.db.raw(
      `UPDATE clients SET metadata = jsonb_set(metadata, '{scope}', to_jsonb(?::text)) WHERE client_id = ?`,
      [scope, app.clientId],
    );
  const [{ metadata }] = await keyhold.db('clients').where({ client_id: app.clientId });
  await scopeOf(`openid ${READ}`);
  await until(async () => (await note(bearer(token), {})).status === 403);
  const { body } = await note(bearer(token), { note: 'x' });
  expect([body['code'], notes.size]).toEqual(['insufficient_scope', 0]);
  await scopeOf(metadata.scope);
  await until(async () => (await note(bearer(token), {})).status === 200);
});

const COLUMNS = [
  'id',
  'account_id',
  'accountId',
  'sub',
  'state',
  'language',
  'opened_at',
  'updated_at',
  'proofs_from',
  'signed_out_before',
  'email',
  'email_verified',
  'verified_at',
  'is_primary',
  'address',
  'phone_number',
  'phone_number_verified',
  'hash',
  'scheme',
  'password',
  'sign_count',
  'acr',
  'amr',
  'login_ts',
  'scope',
  'scopes',
  'client_id',
  'first_party',
  'role',
  'admin',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'notes',
  'me',
  'caller',
  'params',
  'for',
  'csrf',
] as const;

test('C49: whatever else is named changes nothing and is told by its name, __proto__ and constructor too', async () => {
  const token = await accountToken(keyhold, ada, app, WRITE);
  const before = await peopleOnRecord(keyhold.db);
  for (const column of COLUMNS) {
    const sent = `{"note":"x",${JSON.stringify(column)}:{"polluted":true}}`;
    const { status, body } = await note(bearer(token), sent);
    /* What no JSON of an app ever needs is not even read. */
    const code = column === '__proto__' ? 'malformed' : 'invalid_input';
    expect([column, status, body['code']]).toEqual([column, 400, code]);
    if (code === 'invalid_input') expect(JSON.stringify(body['errors'])).toContain(column);
  }
  for (const odd of [
    '[]',
    '"x"',
    'null',
    '1',
    '{',
    '{"note":{"toString":1}}',
    `{"note":"${'x'.repeat(101)}"}`,
  ]) {
    expect([odd.slice(0, 20), (await note(bearer(token), odd)).status]).toEqual([odd.slice(0, 20), 400]);
  }
  expect((await note(bearer(token), 'note=x', 'application/x-www-form-urlencoded')).status).toBe(400);
  expect(Object.prototype).not.toHaveProperty('polluted');
  expect([notes.size, await peopleOnRecord(keyhold.db)]).toEqual([0, before]);
});

test('C38, C43: a bound token acts with a proof of its key for this very request, once', async () => {
  const keys = await generateKeyPair('ES256', { extractable: true });
  const other = await generateKeyPair('ES256', { extractable: true });
  const DPoP = openid.getDPoPHandle(app.configuration, keys);
  const { access_token } = await accountTokens(keyhold, ada, app, WRITE, { proving: { DPoP } });
  const url = `${keyhold.origin}/api/me/test/note`;
  const ath = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(access_token))).toString(
    'base64url',
  );
  const proof = async (claims: object = {}, { publicKey, privateKey } = keys, typ = 'dpop+jwt') =>
    new SignJWT({
      htm: 'PATCH',
      htu: url,
      ath,
      jti: crypto.randomUUID(),
      iat: Math.floor(Date.now() / 1000),
      ...claims,
    })
      .setProtectedHeader({ alg: 'ES256', typ, jwk: await exportJWK(publicKey) })
      .sign(privateKey);
  const ask = (sent: string, scheme = 'DPoP') =>
    note({ authorization: `${scheme} ${access_token}`, ...(sent && { dpop: sent }) }, { note: 'proved' });

  const old = Math.floor(Date.now() / 1000) - 400;
  for (const bad of [
    await proof({ htm: 'GET' }),
    await proof({ htu: `${keyhold.origin}/api/me` }),
    await proof({ htu: 'https://evil.test/api/me/test/note' }),
    await proof({ ath: 'x' }),
    await proof({ iat: old }),
    await proof({ iat: old + 1_000 }),
    await proof({ jti: '' }),
    await proof({}, keys, 'jwt'),
    'not.a.proof',
  ]) {
    const { status, challenge } = await ask(bad);
    expect([status, challenge]).toEqual([
      401,
      expect.stringMatching(/^DPoP error="invalid_dpop_proof".*algs="ES256/),
    ]);
  }
  for (const answer of [
    await ask(''),
    await ask(await proof({}, other)),
    await ask(await proof(), 'Bearer'),
  ]) {
    expect([answer.status, answer.body['code']]).toEqual([401, 'invalid_token']);
  }
  expect(notes.size).toBe(0);

  const good = await proof();
  const answers = await Promise.all(Array.from({ length: 8 }, () => ask(good)));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(401)]);
  expect(notes.get(adaId)).toEqual(['proved']);
  const unbound = await accountToken(keyhold, ada, app, WRITE);
  const odd = await note({ ...bearer(unbound), dpop: await proof() }, { note: 'x' });
  expect(odd.status).toBe(401);
});
