import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  allowedOrigins,
  CLIENT_FACTS,
  type ClientRules,
  disableClient,
  enableClient,
  fetchLogo,
  findClient,
  findLogo,
  getClient,
  listClients,
  registerClient,
  removeClient,
  rotateSecret,
  toProviderMetadata,
  toRegistrationAnswer,
  verifyClientSecret,
} from '../../../src/domain/clients/clients.js';
import { digest } from '../../../src/platform/crypto/tokens.js';
import { openOutbound } from '../../../src/platform/outbound.js';
import { openWork, type Work } from '../../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';

const rules: ClientRules = { issuer: new URL('http://localhost:3000'), allowPrivateNetwork: true };
const WEB = { client_name: 'Shop', redirect_uris: ['https://shop.example.com/back'] };

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

const asOperator = <T>(act: (work: Work) => Promise<T>) => openWork(database.db, { kind: 'operator' }, act);
const register = (metadata: object, more = {}) =>
  asOperator(work => registerClient(work, metadata, { rules, operator: true, ...more }));
const events = async (id: string) =>
  (await database.db('events').where('client_id', id).orderBy('id').select('type', 'detail')).map(
    row => row.type,
  );
const everything = async () => JSON.stringify([await database.db('clients'), await database.db('events')]);

describe('a client that is registered', () => {
  test('is found as it was, and its secret nowhere', async () => {
    const { client, secret = '' } = await register(WEB, { firstParty: true, verified: true });
    expect(client.id).toMatch(/^app_[0-9a-f]{32}$/);
    expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
    expect(await findClient(database.db, client.id)).toEqual(client);
    expect(await getClient(database.db, client.id)).toMatchObject({
      firstParty: true,
      verified: true,
      version: 1,
    });
    expect(await everything()).not.toContain(secret);
    expect(await events(client.id)).toEqual(['client.registered']);
  });

  test('proves itself by its secret and by nothing else', async () => {
    const { client, secret = '' } = await register(WEB);
    expect(verifyClientSecret(client, secret)).toBe(true);
    for (const wrong of ['', 'x', `${secret}x`, secret.slice(1), digest(secret).toString('base64url')]) {
      expect(verifyClientSecret(client, wrong)).toBe(false);
    }
    const { client: open, secret: none } = await register({ ...WEB, token_endpoint_auth_method: 'none' });
    expect(none).toBeUndefined();
    expect(verifyClientSecret(open, '')).toBe(false);
  });

  test('is told to the engine without anything that could be presented as its secret', async () => {
    const { client, secret = '' } = await register({ ...WEB, first_party: true });
    const told = toProviderMetadata(client);
    expect(told).toMatchObject({ ...WEB, client_id: client.id, first_party: true, require_pkce: true });
    expect(told.client_secret).toBe(digest(secret).toString('base64url'));
    expect(verifyClientSecret(client, String(told.client_secret))).toBe(false);
    expect(
      toProviderMetadata((await register({ ...WEB, token_endpoint_auth_method: 'none' })).client),
    ).not.toHaveProperty('client_secret');
  });

  test('is answered as RFC 7591 has it', async () => {
    const issued = await register(WEB);
    expect(toRegistrationAnswer(issued)).toMatchObject({
      ...WEB,
      client_id: issued.client.id,
      client_secret: issued.secret,
      client_secret_expires_at: 0,
      client_id_issued_at: Math.floor(issued.client.createdAt.getTime() / 1000),
    });
  });

  test('asks for its logo to be fetched', async () => {
    const jobs = () =>
      database.db('graphile_worker.jobs').where('task_identifier', 'client-logo').select('key');
    const before = await jobs();
    await register({ ...WEB, logo_uri: 'https://shop.example.com/logo.png' });
    expect(await jobs()).toHaveLength(before.length + 1);
  });
});

test('a client whose metadata is wrong is refused and leaves nothing', async () => {
  const before = await everything();
  const refusal = {
    kind: 'invalid',
    code: 'invalid_redirect_uri',
    message: expect.stringContaining('must be https'),
  };
  await expect(register({ redirect_uris: ['http://shop.example.com/'] })).rejects.toMatchObject(refusal);
  await expect(register({ ...WEB, frobnicate: 1 })).rejects.toMatchObject({
    code: 'invalid_client_metadata',
  });
  expect(await everything()).toBe(before);
});

test('whoever is no operator cannot call a client first-party or verified', async () => {
  const stranger = { rules, operator: false, firstParty: true, verified: true };
  const { client } = await asOperator(work => registerClient(work, WEB, stranger));
  expect(client).toMatchObject({ firstParty: false, verified: false });
});

test('a public client may call from where it is sent back to, a confidential one from what it names', async () => {
  const more = {
    redirect_uris: ['https://spa.example.com/a', 'https://spa.example.com/b', 'https://b.example.com:8443/'],
  };
  const spa = await register({ ...more, token_endpoint_auth_method: 'none' });
  expect(allowedOrigins(spa.client)).toEqual(['https://spa.example.com', 'https://b.example.com:8443']);
  const native = {
    redirect_uris: ['com.example.app:/back'],
    application_type: 'native',
    token_endpoint_auth_method: 'none',
  };
  expect(allowedOrigins((await register(native)).client)).toEqual([]);
  expect(allowedOrigins((await register(WEB)).client)).toEqual([]);
  const named = await register({ ...WEB, allowed_origins: ['https://shop.example.com'] });
  expect(allowedOrigins(named.client)).toEqual(['https://shop.example.com']);
});

describe('a secret that is rotated', () => {
  test('ends the old one at once', async () => {
    const { client, secret: old = '' } = await register(WEB);
    const { client: now, secret } = await asOperator(work => rotateSecret(work, client.id));
    expect([verifyClientSecret(now, secret), verifyClientSecret(now, old)]).toEqual([true, false]);
    expect(now.version).toBe(2);
    expect(await events(client.id)).toEqual(['client.registered', 'client.secret_rotated']);
  });

  test('or keeps it for as long as was asked', async () => {
    const { client, secret: old = '' } = await register(WEB);
    const { client: now, secret } = await asOperator(work => rotateSecret(work, client.id, { overlap: 60 }));
    const until = now.previousSecretUntil?.getTime() ?? 0;
    expect(verifyClientSecret(now, old, new Date(until - 1))).toBe(true);
    expect(verifyClientSecret(now, old, new Date(until))).toBe(false);
    expect(verifyClientSecret(now, secret, new Date(until))).toBe(true);
    const { client: last } = await asOperator(work => rotateSecret(work, client.id));
    expect(verifyClientSecret(last, secret, new Date(until - 1))).toBe(false);
  });

  test('must have been there', async () => {
    const { client } = await register({ ...WEB, token_endpoint_auth_method: 'none' });
    await expect(asOperator(work => rotateSecret(work, client.id))).rejects.toMatchObject({
      kind: 'conflict',
    });
    expect(await findClient(database.db, client.id)).toEqual(client);
    expect(await events(client.id)).toEqual(['client.registered']);
  });
});

test('a client is turned off and on, each once on record, and removed for good', async () => {
  const { client } = await register(WEB);
  await asOperator(work => disableClient(work, client.id));
  await asOperator(work => disableClient(work, client.id));
  expect(await findClient(database.db, client.id)).toMatchObject({ state: 'disabled', version: 2 });
  await asOperator(work => enableClient(work, client.id));
  expect(await findClient(database.db, client.id)).toMatchObject({ state: 'active' });
  await asOperator(work => removeClient(work, client.id));
  expect(await findClient(database.db, client.id)).toBeUndefined();
  const told = await events(client.id);
  expect(told).toEqual(['client.registered', 'client.disabled', 'client.enabled', 'client.removed']);
  expect(CLIENT_FACTS).toEqual(expect.arrayContaining(told));
});

test.each([rotateSecret, disableClient, enableClient, removeClient])(
  '%p of a client that is not there',
  async verb => {
    await expect(asOperator<unknown>(work => verb(work, 'app_none'))).rejects.toMatchObject({
      kind: 'missing',
    });
    expect(await events('app_none')).toEqual([]);
  },
);

test('clients are listed a page at a time, from the oldest on', async () => {
  const own = await openTestDatabase();
  try {
    const ids: string[] = [];
    for (const name of ['a', 'b', 'c']) {
      const metadata = { ...WEB, client_name: name };
      const registration = { rules, operator: true };
      ids.push(
        (await openWork(own.db, { kind: 'operator' }, work => registerClient(work, metadata, registration)))
          .client.id,
      );
    }
    const first = await listClients(own.db, { limit: 2 });
    const second = await listClients(own.db, { limit: 2, after: first.after ?? '' });
    expect([...first.clients, ...second.clients].map(client => client.id)).toEqual(ids);
    expect(second.after).toBeUndefined();
  } finally {
    await own.close();
  }
});

describe('a logo', () => {
  const PNG = Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), Buffer.alloc(100)]);
  const served: Record<string, readonly [number, string, Buffer]> = {
    '/logo.png': [200, 'text/html', PNG],
    '/logo.svg': [
      200,
      'image/svg+xml',
      Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'),
    ],
    '/page.png': [200, 'image/png', Buffer.from('<html><script>alert(1)</script>')],
    '/large.png': [200, 'image/png', Buffer.concat([PNG, Buffer.alloc(300_000)])],
    '/moved.png': [302, 'image/png', PNG],
  };
  const outbound = openOutbound({ allowPrivateNetwork: true });
  let server: Server;
  let origin: string;
  beforeAll(async () => {
    server = createServer((request, response) => {
      const [status, type, body] = served[request.url ?? ''] ?? [404, 'text/plain', Buffer.alloc(0)];
      response.writeHead(status, { 'content-type': type, location: '/logo.png' }).end(body);
    });
    await new Promise<void>(done => void server.listen(0, '127.0.0.1', done));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    await outbound.close();
    server.closeAllConnections();
    await new Promise(done => void server.close(done));
  });
  const withLogo = async (path: string) =>
    (await register({ ...WEB, logo_uri: `${origin}${path}` })).client.id;

  test('is kept by what its bytes are, not by what they are called', async () => {
    const id = await withLogo('/logo.png');
    expect(await fetchLogo(database.db, outbound, id)).toBe('stored');
    expect(await findLogo(database.db, id)).toEqual({ type: 'image/png', bytes: PNG });
    expect(await findClient(database.db, id)).toMatchObject({ logoType: 'image/png' });
  });

  test.each(['/logo.svg', '/page.png'])('that is no picture is not kept: %s', async path => {
    const id = await withLogo(path);
    expect(await fetchLogo(database.db, outbound, id)).toBe('unusable');
    expect(await findLogo(database.db, id)).toBeUndefined();
  });

  test.each(['/large.png', '/moved.png', '/none.png'])(
    'that cannot be had is tried again later: %s',
    async path => {
      const id = await withLogo(path);
      await expect(fetchLogo(database.db, outbound, id)).rejects.toMatchObject({ code: 'unreachable' });
      expect(await findLogo(database.db, id)).toBeUndefined();
    },
  );

  test('of nobody is none', async () => {
    expect(await fetchLogo(database.db, outbound, 'app_none')).toBe('none');
    expect(await fetchLogo(database.db, outbound, (await register(WEB)).client.id)).toBe('none');
  });
});
