import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { codeIn } from '../support/mailbox.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { continueWith, declareProvider, openUpstream, type TestUpstream } from '../support/upstream.js';

let keyhold: TestKeyhold;
let house: RelyingParty;
let upstream: TestUpstream;

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true });
  upstream = await openUpstream();
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await declareProvider(keyhold, {
    id: 'fruit',
    name: 'Fruit',
    settings: {
      issuer: upstream.issuer,
      client_id: 'com.example.signin',
      endpoints: {
        authorization: `${upstream.issuer}/authorize`,
        token: `${upstream.issuer}/token`,
        keys: `${upstream.issuer}/jwks`,
      },
      token_endpoint_auth_method: 'apple',
      apple: { team_id: 'TEAM123456', key_id: 'KEY1234567' },
      bound_by: ['nonce'],
      response_mode: 'form_post',
    },
    secrets: { private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() },
    mapping: { attributes: { given_name: { from: 'given_name', wins: 'until_edited' } } },
  });
  await declareProvider(keyhold, {
    id: 'octopus',
    name: 'Octopus',
    kind: 'oauth2',
    settings: {
      client_id: 'ours',
      authorization_endpoint: `${upstream.issuer}/authorize`,
      token_endpoint: `${upstream.issuer}/token`,
      profile_endpoint: `${upstream.issuer}/userinfo`,
    },
  });
});

afterAll(async () => {
  await upstream?.close();
  await house?.close();
  await keyhold?.close();
});

test('an answer that is posted from elsewhere, without cookies, brings its person back to the browser they came from', async () => {
  upstream.says({ sub: '001234.abcd', email: 'john@example.test', email_verified: true });
  const john = personAt(keyhold, { away: [upstream.issuer] });
  await john.goto(await house.authorizationUrl());
  await continueWith(john, 'fruit');
  const back = new URL((await fetch(john.page.url, { redirect: 'manual' })).headers.get('location') ?? '');
  const user = JSON.stringify({
    name: { firstName: 'John', lastName: 'Appleseed' },
    email: 'evil@example.test',
  });
  const posted = await fetch(new URL(back.pathname, back), {
    method: 'POST',
    redirect: 'manual',
    body: new URLSearchParams({ ...Object.fromEntries(back.searchParams), user }),
  });
  expect(posted.status).toBe(303);
  expect(posted.headers.getSetCookie()).toEqual([]);
  const onward = new URL(posted.headers.get('location') ?? '', keyhold.origin);
  const eve = personAt(keyhold);
  await eve.goto(onward);
  expect(eve.page.text).not.toContain('john@example.test');
  await john.goto(onward);
  expect(john.page.heading).toBe('Create your account with Fruit');
  expect(john.page.text).toContain('john@example.test');
  expect(john.page.html).toContain('John');
  expect(john.page.html).not.toContain('evil@example.test');
});

test('by plain OAuth 2.0 an address has to be proved here, and then whoever it is signs in by who they are there', async () => {
  upstream.says({ sub: 'octo-1' }, { email: 'octo@example.test', email_verified: true });
  const octo = personAt(keyhold);
  await octo.goto(await house.authorizationUrl());
  await continueWith(octo, 'octopus');
  expect(octo.page.heading).toBe('Create your account');
  octo.fill('Email', 'octo@example.test');
  await octo.press('Continue');
  octo.fill('Code', codeIn(await octo.latestMail('octo@example.test')));
  await octo.press('Continue');
  expect(octo.page.heading).toBe('Create your account with Octopus');
  octo.tick('I accept the terms');
  await octo.press('Create account');
  const first = (await house.exchange()).claims();

  upstream.says({ sub: 'octo-1' }, { email: 'somebody-else@example.test' });
  const again = personAt(keyhold);
  await again.goto(await house.authorizationUrl());
  await continueWith(again, 'octopus');
  expect((await house.exchange()).claims()?.sub).toBe(first?.sub);
});

test('whoever has to sign in anew is told before they leave that plain OAuth 2.0 cannot show it', async () => {
  upstream.says({ sub: 'octo-1' });
  const octo = personAt(keyhold, { away: [upstream.issuer] });
  await octo.goto(await house.authorizationUrl({ prompt: 'login' }));
  const trips = await keyhold.db('federated_requests');
  await continueWith(octo, 'octopus');
  expect(octo.page.text).toContain(
    'You have to sign in anew for this, and Octopus did not tell us that you did.',
  );
  expect(await keyhold.db('federated_requests')).toHaveLength(trips.length);
});
