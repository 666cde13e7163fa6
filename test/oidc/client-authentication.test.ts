import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import type { Person } from '../support/person.js';
import { bringCode, newMember, rowCounts } from '../support/protocol.js';
import { openRawClient, type RawAnswer, type RawClient } from '../support/raw-client.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

const METHODS = ['none', 'client_secret_basic', 'client_secret_post'] as const;
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';
type Method = (typeof METHODS)[number];

let keyhold: TestKeyhold;
let apps: Readonly<Record<Method, RelyingParty>>;
let other: RelyingParty;
let ada: Person;
let raw: RawClient;

beforeAll(async () => {
  keyhold = await startKeyhold();
  const opened = await Promise.all(
    METHODS.map(method =>
      openRelyingParty(keyhold, {
        first_party: true,
        token_endpoint_auth_method: method,
        grant_types: ['authorization_code', 'refresh_token', DEVICE_CODE],
      }),
    ),
  );
  apps = Object.fromEntries(METHODS.map((method, at) => [method, opened[at]])) as unknown as typeof apps;
  other = await openRelyingParty(keyhold, { first_party: true });
  raw = await openRawClient(keyhold, other.client);
  ada = await newMember(keyhold, other, 'ada@example.test');
});

afterAll(async () => {
  await Promise.all([...Object.values(apps ?? {}), other].map(app => app?.close()));
  await keyhold?.close();
});

interface Proof {
  readonly form: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
}

const byForm = (id: string, secret?: string): Proof => ({
  form: { client_id: id, ...(secret === undefined ? {} : { client_secret: secret }) },
  headers: {},
});
const byHeader = (id: string, secret: string): Proof => ({
  form: {},
  headers: { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` },
});
const secretOf = (app: RelyingParty) => app.client.client_secret ?? '';

/** Proofs that are not this app's, each with what is wrong about it. */
function wrongProofs(method: Method): readonly (readonly [string, Proof])[] {
  const { clientId: id } = apps[method];
  const secret = secretOf(apps[method]) || 'x'.repeat(43);
  const both = { form: byForm(id, secret).form, headers: byHeader(id, secret).headers };
  const common: (readonly [string, Proof])[] = [
    ['nothing at all', { form: {}, headers: {} }],
    ['a wrong secret in the header', byHeader(id, 'x'.repeat(43))],
    ['a wrong secret in the form', byForm(id, 'x'.repeat(43))],
    ["another app's secret", byHeader(id, secretOf(other))],
    ['an empty secret in the header', byHeader(id, '')],
    ['both at once', both],
    [
      'a header of another app',
      { form: byForm(id).form, headers: byHeader(other.clientId, secretOf(other)).headers },
    ],
    ['a bearer token', { form: byForm(id).form, headers: { authorization: `Bearer ${secret}` } }],
    ['the digest of a secret', byForm(id, 'A'.repeat(43))],
  ];
  return method === 'none'
    ? common
    : [...common, ['no secret', byForm(id)], ['an empty secret', byForm(id, '')]];
}

function rightProof(method: Method): Proof {
  const app = apps[method];
  if (method === 'none') return byForm(app.clientId);
  return method === 'client_secret_post'
    ? byForm(app.clientId, secretOf(app))
    : byHeader(app.clientId, secretOf(app));
}

const send = (path: string, form: Readonly<Record<string, string>>, proof: Proof): Promise<RawAnswer> =>
  raw.post(path, { ...form, ...proof.form }, proof.headers);

/** The device code of a device that Ada has let in. */
async function deviceCodeOf(method: Method): Promise<string> {
  const { body } = await send('/device_authorization', { scope: 'openid' }, rightProof(method));
  await ada.goto(String(body.verification_uri_complete));
  await ada.press('Continue');
  await ada.press('Yes, this is my device');
  return String(body.device_code);
}

/** What one app can send to the endpoints that authenticate it. */
async function requestsOf(method: Method): Promise<readonly (readonly [string, Record<string, string>])[]> {
  const granted = await bringCode(ada, apps[method]);
  const spare = await bringCode(ada, apps[method]);
  const form = (code: typeof granted) => ({
    grant_type: 'authorization_code',
    code: code.code,
    code_verifier: code.verifier,
    redirect_uri: code.redirectUri,
  });
  const { body } = await send('/token', form(spare), rightProof(method));
  const token = String(body.refresh_token);
  return [
    ['/token', form(granted)],
    ['/introspect', { token }],
    ['/token', { grant_type: 'refresh_token', refresh_token: token }],
    [
      '/par',
      {
        /* Part of the request (RFC 9126 §2.1), and without a secret the proof itself. */
        ...(method === 'none' ? {} : { client_id: apps[method].clientId }),
        response_type: 'code',
        scope: 'openid',
        redirect_uri: granted.redirectUri,
        code_challenge: 'A'.repeat(43),
        code_challenge_method: 'S256',
      },
    ],
    ['/device_authorization', { scope: 'openid' }],
    ['/token', { grant_type: DEVICE_CODE, device_code: await deviceCodeOf(method) }],
    ['/revoke', { token: String(body.access_token) }],
  ];
}

test.each(METHODS)(
  'C37: an app with %s is let in by its own proof alone, at every endpoint',
  async method => {
    const requests = await requestsOf(method);
    const before = await rowCounts(keyhold.db);
    for (const [path, form] of requests) {
      for (const [what, proof] of wrongProofs(method)) {
        const { status, body } = await send(path, form, proof);
        const refused =
          [400, 401].includes(status) && /^invalid_(client|request|grant)$/.test(String(body.error));
        const silent = path === '/introspect' ? body.active === false : false;
        expect([path, what, status, body.error, refused || silent]).toEqual([
          path,
          what,
          status,
          body.error,
          true,
        ]);
      }
    }
    expect(await rowCounts(keyhold.db)).toEqual(before);
    for (const [path, form] of requests) {
      const status = path === '/par' ? 201 : 200;
      const answer = await send(path, form, rightProof(method));
      expect([path, answer.body.error, answer.status]).toEqual([path, undefined, status]);
    }
  },
);

test('a refused header is answered with a challenge', async () => {
  const proof = byHeader(apps.client_secret_basic.clientId, 'wrong');
  const { status, headers } = await send('/token', { grant_type: 'client_credentials' }, proof);
  expect([status, headers.get('www-authenticate')]).toEqual([401, expect.stringMatching(/^Basic /)]);
});

test('C38: a code belongs to its app, its redirect URI and its grant', async () => {
  const app = apps.client_secret_basic;
  const { code, verifier, redirectUri } = await bringCode(ada, app);
  const form = { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: redirectUri };
  const right = rightProof('client_secret_basic');
  const swaps: readonly (readonly [object, Proof])[] = [
    [form, byHeader(other.clientId, secretOf(other))],
    [form, rightProof('none')],
    [{ ...form, redirect_uri: other.redirectUri }, right],
    [{ ...form, redirect_uri: `${redirectUri}/` }, right],
    [{ ...form, redirect_uri: '' }, right],
    [{ ...form, code: `${code}x` }, right],
    [{ grant_type: 'refresh_token', refresh_token: code }, right],
  ];
  const before = await rowCounts(keyhold.db);
  for (const [swapped, proof] of swaps) {
    const { status, body } = await send('/token', swapped as Record<string, string>, proof);
    expect([status, body.error]).toEqual([400, expect.stringMatching(/^invalid_(grant|request)$/)]);
  }
  expect(await rowCounts(keyhold.db)).toEqual(before);
  expect((await send('/token', form, right)).status).toBe(200);
});

test('C38: a refresh token is no code and no access token, and stays with its app', async () => {
  const { code, verifier, redirectUri } = await bringCode(ada, other);
  const { body } = await raw.code(code, verifier, redirectUri);
  const refresh = String(body.refresh_token);
  expect((await raw.userInfo(refresh)).status).toBe(401);
  expect((await raw.code(refresh, verifier, redirectUri)).body.error).toBe('invalid_grant');
  const form = { grant_type: 'refresh_token', refresh_token: refresh };
  for (const method of METHODS) {
    expect((await send('/token', form, rightProof(method))).body.error).toBe('invalid_grant');
    expect((await send('/introspect', { token: refresh }, rightProof(method))).body).toEqual({
      active: false,
    });
    expect((await send('/revoke', { token: refresh }, rightProof(method))).status).toBe(200);
  }
  expect((await raw.introspect(refresh)).body.active).toBe(true);
});

test('C40: grants that the app is not registered for, or that nobody has, are refused', async () => {
  const right = rightProof('client_secret_basic');
  const grants = [
    'client_credentials',
    'password',
    'implicit',
    'urn:ietf:params:oauth:grant-type:device_code',
    '',
  ];
  for (const grant of grants) {
    const form = { grant_type: grant, username: 'ada@example.test', password: 'x' };
    const { status, body } = await send('/token', form, right);
    expect([grant, status, body.error]).toEqual([
      grant,
      400,
      expect.stringMatching(/^(unsupported_grant_type|unauthorized_client|invalid_request)$/),
    ]);
  }
});

test('a revoked token takes its whole family along', async () => {
  const { code, verifier, redirectUri } = await bringCode(ada, other);
  const { body } = await raw.code(code, verifier, redirectUri);
  expect((await raw.revoke(String(body.access_token))).status).toBe(200);
  expect((await raw.refresh(String(body.refresh_token))).body.error).toBe('invalid_grant');
  expect((await raw.userInfo(String(body.access_token))).status).toBe(401);
});
