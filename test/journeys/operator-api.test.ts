import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as openid from 'openid-client';
import { fetch } from 'undici';
import { updateClient } from '../../src/domain/clients/clients.js';
import { listResourceScopes, registerResourceServer } from '../../src/domain/resources/resources.js';
import { openWork } from '../../src/platform/storage/work.js';
import { runReport } from '../../src/report-commands.js';
import { accountToken } from '../support/account-api.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, recordedDuring } from '../support/ledger.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

// What programs of whoever runs this installation read, and nobody else does.

const SCOPE = 'operator:report:read';
const OTHER = 'https://api.example.test/orders';
const PATH = '/api/v1/reports/minimisation';
const ADA = 'ada@example.test';
const PROGRAM = { redirect_uris: [], response_types: [], grant_types: ['client_credentials'] };

let keyhold: TestKeyhold;
let program: RelyingParty;
let unscoped: RelyingParty;
let app: RelyingParty;
let personal: string;

beforeAll(async () => {
  keyhold = await startKeyhold({ RATE_LIMITS: 'on' });
  await openWork(keyhold.db, { kind: 'operator' }, work =>
    registerResourceServer(work, {
      identifier: OTHER,
      name: 'Orders',
      scopes: ['orders:read'],
      access_token_format: 'opaque',
    }),
  );
  program = await openRelyingParty(keyhold, { ...PROGRAM, scope: `${SCOPE} orders:read` });
  unscoped = await openRelyingParty(keyhold, { ...PROGRAM, scope: 'orders:read' });
  app = await openRelyingParty(keyhold, { scope: 'openid profile email account:profile:read' });
  const ada = await newMember(keyhold, app, ADA);
  personal = await accountToken(keyhold, ada, app, 'account:profile:read');
});

afterAll(async () => {
  await Promise.all([program, unscoped, app].map(each => each?.close()));
  await keyhold?.close();
});

const api = () => `${keyhold.issuer}/api/v1`;

const tokenOf = async (one: RelyingParty, resource = api(), scope = SCOPE) =>
  (await openid.clientCredentialsGrant(one.configuration, { resource, scope })).access_token;

async function ask(token: string | undefined, { query = '', method = 'GET' } = {}) {
  const headers = { ...(token !== undefined && { authorization: `Bearer ${token}` }) };
  const answer = await fetch(`${keyhold.origin}${PATH}${query}`, { method, headers });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

async function refusal(token: string | undefined) {
  const { status, headers, text } = await ask(token);
  const { code, status: said } = JSON.parse(text);
  expect(said).toBe(status);
  expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(headers.get('cache-control')).toBe('no-store');
  expect(headers.get('access-control-allow-origin')).toBeNull();
  const challenge = headers.get('www-authenticate') ?? '';
  expect(challenge).toContain(
    `resource_metadata="${keyhold.issuer}/.well-known/oauth-protected-resource/api/v1"`,
  );
  return { status, code, error: /\berror="(\w+)"/.exec(challenge)?.[1], challenge };
}

const UNKNOWN = { status: 401, code: 'invalid_token', error: 'invalid_token' };

async function command(): Promise<unknown> {
  let said = '';
  const print = (text: string) => {
    said += text;
  };
  await runReport(['minimisation', '--json', '--days', '30'], { db: keyhold.db, print, fail: print });
  return JSON.parse(said);
}

test('a program with the scope reads what the command says; nobody is in it, and nothing is recorded', async () => {
  const token = await tokenOf(program);
  expect(token).toMatch(/^kh_cc_/);
  const events = () => keyhold.db('events').count({ n: '*' });
  const before = await events();
  const { status, headers, text } = await ask(token, { query: '?days=30' });
  expect(status).toBe(200);
  expect(headers.get('content-type')).toMatch(/^application\/json/);
  expect(headers.get('cache-control')).toBe('no-store');
  expect(JSON.parse(text)).toEqual(await command());
  expect(JSON.parse(text)).toMatchObject({ people: '<5', sign_ups_finished: '<5' });
  expect(text).not.toContain('ada@');
  expect(text).not.toContain(await accountOf(keyhold.db, ADA));
  expect(await events()).toEqual(before);
});

test('without a token, it says which one it takes', async () => {
  expect(await refusal(undefined)).toMatchObject({ status: 401, code: 'token_missing', error: undefined });
  expect((await refusal(undefined)).challenge).toMatch(/^Bearer .*, DPoP /);
});

test('the token of a person, of another API, of no API or of nobody is not good here', async () => {
  const { access_token: own } = await openid.clientCredentialsGrant(program.configuration, {});
  for (const token of [personal, await tokenOf(program, OTHER, 'orders:read'), own, 'kh_cc_x'])
    expect(await refusal(token)).toMatchObject(UNKNOWN);
  const mine = { headers: { authorization: `Bearer ${await tokenOf(program)}` } };
  expect((await fetch(`${keyhold.origin}/api/me/profile`, mine)).status).toBe(401);
});

test('a program without the scope is told which one it takes', async () => {
  const { challenge, ...told } = await refusal(await tokenOf(unscoped));
  expect(told).toEqual({ status: 403, code: 'insufficient_scope', error: 'insufficient_scope' });
  expect(challenge).toContain(`scope="${SCOPE}"`);
});

test('a scope that the operator took back counts no more, in tokens from before either', async () => {
  const passing = await openRelyingParty(keyhold, { ...PROGRAM, scope: SCOPE });
  const token = await tokenOf(passing);
  expect((await ask(token)).status).toBe(200);
  const rules = { ...keyhold.config, scopes: await listResourceScopes(keyhold.db) };
  const less = { ...PROGRAM, client_name: 'Less', scope: 'orders:read' };
  await openWork(keyhold.db, { kind: 'operator' }, work =>
    updateClient(work, passing.clientId, less, { rules }),
  );
  /* The cache of clients hears of it a moment later; what is asked wrongly is not counted. */
  const wrongly = { query: '?days=0' };
  let { status } = await ask(token, wrongly);
  while (status === 400) ({ status } = await ask(token, wrongly));
  expect([status, (await ask(token)).status]).toEqual([403, 403]);
  await passing.close();
});

test('no client that people use, or that keeps no secret, is given the scope', async () => {
  const refused = [
    { ...PROGRAM, token_endpoint_auth_method: 'none' },
    { grant_types: ['authorization_code', 'client_credentials'] },
    { grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'none' },
    { ...PROGRAM, grant_types: ['client_credentials', 'urn:ietf:params:oauth:grant-type:device_code'] },
  ];
  const CALLED_BACK = { client_name: 'App', redirect_uris: ['https://app.example.test/callback'] };
  const before = await keyhold.db('clients').count({ n: '*' });
  for (const metadata of refused)
    await expect(
      keyhold.registerClient({ ...CALLED_BACK, ...metadata, scope: `openid ${SCOPE}` }),
    ).rejects.toMatchObject({
      code: 'invalid_client_metadata',
      message: expect.stringMatching(/client_credentials/),
    });
  await expect(
    openWork(keyhold.db, { kind: 'operator' }, work =>
      registerResourceServer(work, { identifier: OTHER, name: 'X', scopes: ['operator:report:write'] }),
    ),
  ).rejects.toMatchObject({ code: 'invalid_resource_server' });
  expect(await keyhold.db('clients').count({ n: '*' })).toEqual(before);
});

test('nobody is asked to allow it, and a client with another grant gets no token for it', async () => {
  const pub = await openRelyingParty(keyhold, { token_endpoint_auth_method: 'none' });
  const both = await openRelyingParty(keyhold, { grant_types: ['authorization_code', 'client_credentials'] });
  for (const one of [pub, both, app]) {
    const url = await one.authorizationUrl({ scope: `openid ${SCOPE}`, resource: api() });
    const answer = await fetch(url, { redirect: 'manual' });
    const said = new URL(answer.headers.get('location') ?? '', keyhold.issuer).searchParams.get('error');
    expect(said).toMatch(/^invalid_(target|scope)$/);
    const alone = await one.authorizationUrl({ scope: 'openid', resource: api() });
    const { headers } = await fetch(alone, { redirect: 'manual' });
    expect(headers.get('location')).toContain('error=invalid_target');
  }
  await expect(tokenOf(both)).rejects.toMatchObject({ error: 'invalid_target' });
  await Promise.all([pub.close(), both.close()]);
});

test('what it does not know is refused, and only reading is done here', async () => {
  const token = await tokenOf(program);
  for (const query of ['?days=0', '?days=401', '?days=x', '?days=1&days=2', '?people=all']) {
    const { status, text } = await ask(token, { query });
    expect([query, status, JSON.parse(text).code]).toEqual([query, 400, 'invalid_input']);
  }
  for (const method of ['POST', 'DELETE', 'OPTIONS']) {
    const { status, headers } = await ask(token, { method });
    expect([status, headers.get('allow')]).toEqual([405, 'GET']);
  }
});

test('it is described, and says where its tokens come from', async () => {
  const read = async (path: string) =>
    (await (await fetch(keyhold.origin + path)).json()) as Readonly<Record<string, unknown>>;
  expect(await read('/.well-known/oauth-protected-resource/api/v1')).toMatchObject({
    resource: api(),
    authorization_servers: [keyhold.issuer],
    scopes_supported: [SCOPE],
  });
  const { paths } = await read('/api/v1/openapi.json');
  expect(Object.keys(paths as object)).toEqual([PATH]);
});

test('thirty in an hour, and the first one too many is on record', async () => {
  const token = await tokenOf(program);
  const subject = `report:app:=${program.clientId}`;
  await keyhold.db('attempts').where({ subject }).update({ count: 29 });
  const facts = await recordedDuring(keyhold.db, async () => {
    expect((await ask(token)).status).toBe(200);
    const { status, headers, text } = await ask(token);
    expect([status, JSON.parse(text).code]).toEqual([429, 'too_many_reports']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await ask(token)).status).toBe(429);
  });
  expect(facts).toMatchObject([
    { type: 'limit.reached', client_id: program.clientId, detail: { limit: 'report', per: 'app' } },
  ]);
});
