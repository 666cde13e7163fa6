import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as openid from 'openid-client';
import {
  ACCOUNT_SCOPES,
  listResourceScopes,
  OPERATOR_SCOPES,
  registerResourceServer,
  removeResourceServer,
} from '../../src/domain/resources/resources.js';
import { openWork } from '../../src/platform/storage/work.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

const API = 'https://api.example.test/orders';

let keyhold: TestKeyhold;
let robot: RelyingParty;

beforeAll(async () => {
  keyhold = await startKeyhold();
  await openWork(keyhold.db, { kind: 'operator' }, async work => {
    await registerResourceServer(work, {
      identifier: API,
      name: 'Orders',
      scopes: ['orders:read', 'orders:write'],
      signing_alg: 'ES256',
    });
    await registerResourceServer(work, {
      identifier: `${API}/opaque`,
      name: 'Opaque',
      scopes: ['orders:read'],
      access_token_format: 'opaque',
    });
  });
  robot = await openRelyingParty(keyhold, {
    redirect_uris: [],
    response_types: [],
    grant_types: ['client_credentials'],
    scope: 'orders:read',
  });
});

afterAll(async () => {
  await robot?.close();
  await keyhold?.close();
});

const ask = (parameters: Record<string, string>) =>
  openid.clientCredentialsGrant(robot.configuration, parameters);

test('a robot gets a JWT access token for an API without a question to the database', async () => {
  await ask({ resource: API, scope: 'orders:read' });
  let token = '';
  const trips = await keyhold.trips.during(async () => {
    token = (await ask({ resource: API, scope: 'orders:read' })).access_token;
  });
  expect(trips).toEqual([]);
  const keys = createRemoteJWKSet(new URL(`${keyhold.issuer}/jwks`));
  const { payload, protectedHeader } = await jwtVerify(token, keys, {
    issuer: keyhold.issuer,
    audience: API,
  });
  expect(protectedHeader).toMatchObject({ typ: 'at+jwt', alg: 'ES256' });
  expect(payload).toMatchObject({ client_id: robot.clientId, sub: robot.clientId, scope: 'orders:read' });
  expect(Number(payload.exp) - Number(payload.iat)).toBe(300);
});

test('an API that wants opaque tokens gets one that introspection knows', async () => {
  const { access_token } = await ask({ resource: `${API}/opaque`, scope: 'orders:read' });
  expect(access_token).toMatch(/^kh_cc_/);
  expect(await robot.introspect(access_token)).toMatchObject({
    active: true,
    scope: 'orders:read',
    aud: `${API}/opaque`,
  });
});

test('C40: a scope the robot is not registered for, an unknown API and a removed one are refused', async () => {
  expect((await ask({ resource: API, scope: 'orders:read orders:write' })).scope).toBe('orders:read');
  await expect(ask({ resource: 'https://unknown.example.test/' })).rejects.toMatchObject({
    error: 'invalid_target',
  });
  await openWork(keyhold.db, { kind: 'operator' }, work => removeResourceServer(work, `${API}/opaque`));
  expect(await listResourceScopes(keyhold.db)).toEqual([
    ...ACCOUNT_SCOPES,
    ...OPERATOR_SCOPES,
    'orders:read',
    'orders:write',
  ]);
});
