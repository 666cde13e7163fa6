import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { request } from 'undici';
import { checkMetadata, registerClient, removeClient } from '../../src/domain/clients/clients.js';
import { openWork } from '../../src/platform/storage/work.js';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { peopleOnRecord } from '../support/ledger.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { postScript, signUpWithPasskey } from '../support/steps.js';

// Which other pages of the house may use its passkeys in the browser (WebAuthn Level 3 §5.11), and what that is not good for.

const SHOP = 'https://shop.example.test';
const BASE = { redirect_uris: ['https://shop.example.test/back'], client_name: 'Shop' };
let keyhold: TestKeyhold;
let app: RelyingParty;

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, { first_party: true });
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

const file = (host: TestKeyhold) => fetch(new URL('/.well-known/webauthn', host.origin));
const register = (host: TestKeyhold, metadata: object, operator = true) =>
  openWork(host.db, { kind: 'operator' }, work =>
    registerClient(work, { ...BASE, ...metadata }, { rules: host.config, operator }),
  );

test('there is no such file where nobody is named in it', async () => {
  const other = await startKeyhold();
  expect((await file(other)).status).toBe(404);
  await other.close();
});

test('the file names the origins of active apps of the house, once each, and is kept for a while', async () => {
  const first = await register(keyhold, {
    first_party: true,
    webauthn_origins: [SHOP, 'https://shop.example.org'],
  });
  await register(keyhold, { first_party: true, webauthn_origins: [SHOP] });
  const off = await register(keyhold, { first_party: true, webauthn_origins: ['https://off.example.test'] });
  await keyhold.db('clients').where({ client_id: off.client.id }).update({ state: 'disabled' });
  const answer = await file(keyhold);
  expect([answer.status, answer.headers.get('content-type')]).toEqual([
    200,
    expect.stringContaining('application/json'),
  ]);
  expect(await answer.json()).toEqual({ origins: [SHOP, 'https://shop.example.org'] });
  const etag = answer.headers.get('etag') ?? '';
  expect(answer.headers.get('cache-control')).toBe('public, max-age=300');
  /* `fetch` would ask every cache on the way to ask anew. */
  const again = await request(answer.url, { headers: { 'if-none-match': etag } });
  expect([again.statusCode, await again.body.text()]).toEqual([304, '']);
  await openWork(keyhold.db, { kind: 'operator' }, work => removeClient(work, first.client.id));
});

test('only an operator names origins, only https ones, and only for an app of the house', async () => {
  const before = await keyhold.db('clients').count();
  for (const [metadata, operator, says] of [
    [{ webauthn_origins: [SHOP] }, true, 'apps of the house'],
    [{ first_party: true, webauthn_origins: [SHOP] }, false, 'may only be set by an operator'],
    [{ first_party: true, webauthn_origins: ['http://localhost:3000'] }, true, 'must be https'],
    [{ first_party: true, webauthn_origins: [`${SHOP}/login`] }, true, 'must be an origin only'],
    [{ first_party: true, webauthn_origins: ['https://*.example.test'] }, true, 'wildcard'],
  ] as const) {
    await expect(register(keyhold, metadata, operator)).rejects.toThrow(says);
  }
  expect(await keyhold.db('clients').count()).toEqual(before);
  const { issuer } = keyhold.config;
  const rules = { issuer, allowPrivateNetwork: false };
  expect(checkMetadata({ ...BASE, minimum_acr: 'aal1' }, rules, { operator: true }).ok).toBe(false);
  expect(checkMetadata({ ...BASE, minimum_acr: 'phr' }, rules, { operator: false }).ok).toBe(true);
});

test('C02: what a page makes of a passkey there signs nobody in here, though its origin is in the file', async () => {
  const email = 'ada@example.test';
  const authenticator = await signUpWithPasskey(personAt(keyhold), app, keyhold.origin, email);
  const person = personAt(keyhold);
  await person.goto(await app.authorizationUrl());
  const before = await peopleOnRecord(keyhold.db);
  const { body } = await postScript(person, '/passkey/options');
  const relayed = authenticator.get(body as never, { origin: SHOP });
  const answer = await postScript(person, '/passkey', { credential: relayed });
  expect([answer.status, answer.body['code']]).toEqual([400, 'passkey_refused']);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});
