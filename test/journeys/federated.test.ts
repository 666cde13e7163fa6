import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { fetch } from 'undici';
import { setProviderState } from '../../src/domain/federation/federation.js';
import { openWork } from '../../src/platform/storage/work.js';
import { until } from '../support/jobs.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, recordedDuring } from '../support/ledger.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { memberOf, postStep, sendStep } from '../support/steps.js';
import { continueWith, declareOpenid, openUpstream, type TestUpstream } from '../support/upstream.js';
import { GOOD_PASSWORD } from '../support/walk.js';

let keyhold: TestKeyhold;
let house: RelyingParty;
let upstream: TestUpstream;

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true });
  upstream = await openUpstream();
  await declareOpenid(keyhold, { id: 'acme', name: 'Acme', issuer: upstream.issuer });
});

afterAll(async () => {
  await upstream?.close();
  await house?.close();
  await keyhold?.close();
});

test('somebody new opens an account by what they bring, and is signed in by it from then on', async () => {
  upstream.says({ sub: 'ada-1', email: 'ada@example.test', email_verified: true, name: 'Ada Lovelace' });
  const ada = personAt(keyhold);
  await ada.goto(await house.authorizationUrl());
  await continueWith(ada, 'acme');
  expect(ada.page.heading).toBe('Create your account with Acme');
  expect(ada.page.text).toContain('ada@example.test');
  ada.tick('I accept the terms');
  await ada.press('Create account');
  expect(ada.page.heading).toBe('Back in the app');
  const first = (await house.exchange()).claims();
  expect(first?.['acr']).toBe('aal1');

  const again = personAt(keyhold);
  await again.goto(await house.authorizationUrl());
  await continueWith(again, 'acme');
  expect(again.page.heading).toBe('Back in the app');
  expect((await house.exchange()).claims()?.sub).toBe(first?.sub);
  const accountId = await accountOf(keyhold.db, 'ada@example.test');
  const types = await keyhold.db('events').where({ account_id: accountId }).orderBy('id').pluck('type');
  expect(types).toEqual(
    expect.arrayContaining(['account.opened', 'federated_link.added', 'federated_link.used']),
  );
});

test('a provider has its button on the pages of signing in and signing up for as long as it may be used', async () => {
  const person = personAt(keyhold);
  const buttons = async (wishes: Readonly<Record<string, string>> = {}) => {
    await person.goto(await house.authorizationUrl(wishes));
    return person.page.buttons;
  };
  await until(async () => (await buttons()).includes('Continue with Acme'));
  expect(await buttons({ prompt: 'create' })).toContain('Continue with Acme');
  const policy = person.page.headers.get('content-security-policy');
  expect(policy).toContain(`form-action 'self' ${upstream.issuer}`);
  await openWork(keyhold.db, { kind: 'operator' }, work => setProviderState(work, 'acme', 'disabled'));
  await until(async () => !(await buttons()).includes('Continue with Acme'));
  await openWork(keyhold.db, { kind: 'operator' }, work => setProviderState(work, 'acme', 'enabled'));
  await until(async () => (await buttons()).includes('Continue with Acme'));
});

test('providers that are offered cost a page no statement', async () => {
  const person = personAt(keyhold);
  await person.goto(await house.authorizationUrl());
  await until(async () => {
    await person.goto(person.page.url);
    return person.page.buttons.includes('Continue with Acme');
  });
  const { url } = person.page;
  expect((await keyhold.trips.during(() => person.goto(url))).length).toBeLessThanOrEqual(1);
});

test('C45: an answer that is posted goes on by GET, in the browser that began alone', async () => {
  upstream.says({ sub: 'ada-1' });
  const stops = [`${keyhold.origin}/federation/`];
  const ada = personAt(keyhold, { away: stops });
  await ada.goto(await house.authorizationUrl());
  await continueWith(ada, 'acme');
  const { origin, pathname, searchParams } = ada.page.url;
  stops.length = 0;
  /* A page of the provider posts it, and the browser sends no cookie along. */
  const answer = await fetch(origin + pathname, {
    method: 'POST',
    redirect: 'manual',
    headers: { origin: upstream.issuer, 'sec-fetch-site': 'cross-site' },
    body: new URLSearchParams(searchParams),
  });
  expect([answer.status, answer.headers.getSetCookie()]).toEqual([303, []]);
  const on = new URL(answer.headers.get('location') ?? '', origin);
  const stranger = personAt(keyhold);
  await stranger.goto(await house.authorizationUrl());
  await stranger.goto(on);
  expect(stranger.page.status).toBe(404);
  await ada.goto(on);
  expect(ada.page.heading).toBe('Back in the app');
});

test('R16: a provider that is down says so, its button rests, and every other way goes on', async () => {
  const email = 'grace@example.test';
  await memberOf(keyhold, house, email);
  await declareOpenid(keyhold, { id: 'gone', name: 'Gone', issuer: 'http://localhost:1' });
  const person = personAt(keyhold);
  const resting = async () => {
    await person.goto(await house.authorizationUrl());
    return person.page.text.includes('Gone cannot be reached at the moment. Use another way.');
  };
  await until(async () => {
    await person.goto(await house.authorizationUrl());
    return person.page.buttons.includes('Continue with Gone');
  });
  const failed = await recordedDuring(keyhold.db, async () => {
    await person.press('Continue with Gone');
  });
  expect([person.page.status, person.page.heading]).toEqual([503, 'This did not work']);
  expect(person.page.text).toContain('Gone cannot be reached at the moment.');
  expect(failed).toMatchObject([
    {
      type: 'identity_provider.failed',
      detail: { provider: 'gone', kind: 'unreachable', reason: 'no_answer' },
    },
  ]);
  for (let time = 0; time < 4; time++) {
    expect(await resting()).toBe(false);
    await person.press('Continue with Gone');
  }
  expect(await resting()).toBe(true);
  await continueWith(person, 'gone');
  expect(person.page.status).toBe(503);
  await person.follow('Other ways to sign in');
  expect(person.page.buttons).toContain('Continue with Acme');
  await signIn(person, email);
  expect(person.page.heading).toBe('Back in the app');
});

test('what a provider sends is shown, taken into the profile, and follows it until its person changes it', async () => {
  const mapping = { attributes: { nickname: { from: 'nick', wins: 'until_edited' } } };
  await declareOpenid(keyhold, { id: 'mapped', name: 'Mapped', issuer: upstream.issuer, mapping });
  const email = 'countess@example.test';
  const comes = async (nick: string) => {
    upstream.says({ sub: email, email, email_verified: true, nick });
    const person = personAt(keyhold);
    await person.goto(await house.authorizationUrl());
    await continueWith(person, 'mapped');
    return person;
  };
  const nickname = async () =>
    keyhold
      .db('profile_attributes')
      .where({ account_id: await accountOf(keyhold.db, email), attribute: 'nickname' })
      .first('value', 'source');
  const person = await comes('Countess');
  expect(person.page.text).toContain('Taken over from Mapped');
  expect(person.page.text).toContain('Countess');
  person.tick('I accept the terms');
  await person.press('Create account');
  expect(await nickname()).toEqual({ value: 'Countess', source: 'provider:mapped' });
  expect((await comes('Ada')).page.heading).toBe('Back in the app');
  expect(await nickname()).toEqual({ value: 'Ada', source: 'provider:mapped' });
  const theirs = { value: JSON.stringify('Lovelace'), source: 'person' };
  await keyhold
    .db('profile_attributes')
    .where({ account_id: await accountOf(keyhold.db, email), attribute: 'nickname' })
    .update(theirs);
  expect((await comes('Countess of Lovelace')).page.heading).toBe('Back in the app');
  expect(await nickname()).toEqual({ value: 'Lovelace', source: 'person' });
});

test('C34: sent five times at once, in two browsers, it opens one account and ties one link', async () => {
  const email = 'twice@example.test';
  upstream.says({ sub: email, email, email_verified: true });
  const browsers = [personAt(keyhold), personAt(keyhold)];
  for (const person of browsers) {
    await person.goto(await house.authorizationUrl());
    await continueWith(person, 'acme');
    expect(person.page.heading).toBe('Create your account with Acme');
  }
  const five = [...browsers, ...browsers, ...browsers].slice(0, 5);
  const answers = await Promise.all(five.map(person => sendStep(person, '/new-account', { terms: 'yes' })));
  expect(answers.filter(({ status }) => status >= 500)).toEqual([]);
  const accountId = await accountOf(keyhold.db, email);
  expect(await keyhold.db('federated_links').where({ subject: email })).toMatchObject([
    { account_id: accountId },
  ]);
  expect(await keyhold.db('identifiers').where({ value: email })).toHaveLength(1);
});

test('R21: somebody new who comes by twelve browsers at once has one account, and is signed in to it in each', async () => {
  const email = 'twelve@example.test';
  upstream.says({ sub: email, email, email_verified: true });
  const browsers = Array.from({ length: 12 }, () => personAt(keyhold));
  for (const person of browsers) {
    await person.goto(await house.authorizationUrl());
    await continueWith(person, 'acme');
  }
  await Promise.all(browsers.map(person => postStep(person, '/new-account', { terms: 'yes' })));
  expect(browsers.map(({ page }) => page.heading)).toEqual(browsers.map(() => 'Back in the app'));
  expect(await keyhold.db('federated_links').where({ subject: email })).toHaveLength(1);
  expect(await keyhold.db('identifiers').where({ value: email })).toHaveLength(1);
});

test('whoever has no room for another link is signed in all the same', async () => {
  const email = 'full@example.test';
  await memberOf(keyhold, house, email);
  const account_id = await accountOf(keyhold.db, email);
  const rows = Array.from({ length: 20 }, (_, at) => ({
    account_id,
    id: randomUUID(),
    provider_id: 'acme',
    subject: `full-${at}`,
    came_by: 'added',
    linked_at: new Date(),
  }));
  await keyhold.db('federated_links').insert(rows);
  upstream.says({ sub: 'one-more', email, email_verified: true });
  const person = personAt(keyhold);
  await person.goto(await house.authorizationUrl());
  await continueWith(person, 'acme');
  person.fill('Password', GOOD_PASSWORD);
  await person.press('Sign in');
  expect(person.page.heading).toBe('Back in the app');
  expect(await keyhold.db('federated_links').where({ account_id, subject: 'one-more' })).toEqual([]);
});

test('pages of a provider that are elsewhere than its issuer are led to by a link, and named with its button from then on', async () => {
  const login = 'https://login.elsewhere.test';
  const elsewhere = createServer((_request, response) => {
    const { port } = elsewhere.address() as AddressInfo;
    const issuer = `http://localhost:${port}`;
    const document = {
      issuer,
      authorization_endpoint: `${login}/authorize`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/jwks`,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
    };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document));
  });
  await new Promise<void>(resolve => elsewhere.listen(0, 'localhost', resolve));
  const { port } = elsewhere.address() as AddressInfo;
  await declareOpenid(keyhold, { id: 'elsewhere', name: 'Elsewhere', issuer: `http://localhost:${port}` });
  const person = personAt(keyhold, { away: [login] });
  await person.goto(await house.authorizationUrl());
  await continueWith(person, 'elsewhere');
  expect(person.page.heading).toBe('On to Elsewhere');
  expect(person.page.text).toContain('login.elsewhere.test');
  await person.follow('Continue with Elsewhere');
  expect(person.page.url.origin).toBe(login);
  await until(async () => {
    await person.goto(await house.authorizationUrl());
    return person.page.headers.get('content-security-policy')?.includes(` ${login}`) === true;
  });
  await person.press('Continue with Elsewhere');
  expect(person.page.url.origin).toBe(login);
  elsewhere.closeAllConnections();
  await new Promise(resolve => elsewhere.close(resolve));
});
