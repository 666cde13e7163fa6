import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { personAt, signIn, signUp } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

let keyhold: TestKeyhold;
let app: RelyingParty;

beforeAll(async () => {
  keyhold = await startKeyhold({ LOG_LEVEL: process.env.LOG ?? 'error' });
  app = await openRelyingParty(keyhold);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

test('an app signs somebody up, gets tokens, claims, refreshes, and signs them out', async () => {
  const ada = personAt(keyhold);
  await signUp(ada, app, 'ada@example.test', 'Ada Lovelace');
  expect(ada.page.heading).toMatch(/Test app|allow/i);
  await ada.press('Allow');
  expect(ada.page.heading).toBe('Back in the app');

  const tokens = await app.exchange();
  const claims = tokens.claims();
  expect(claims).toMatchObject({ acr: 'aal1', amr: ['pwd'] });
  expect(await app.userInfo(tokens)).toMatchObject({
    sub: claims?.sub,
    name: 'Ada Lovelace',
    email: 'ada@example.test',
    email_verified: true,
  });
  expect(await app.introspect(tokens.access_token)).toMatchObject({ active: true, client_id: app.clientId });

  const refreshed = await app.refresh(tokens.refresh_token ?? '');
  expect(refreshed.refresh_token).not.toBe(tokens.refresh_token);

  await ada.goto(
    app.endSessionUrl({
      id_token_hint: tokens.id_token ?? '',
      post_logout_redirect_uri: `${new URL(app.redirectUri).origin}/signed-out`,
    }),
  );
  await ada.press('Sign out');
  expect(ada.page.heading).toBe('Signed out of the app');
  expect(await app.nextLogoutToken()).toMatch(/^ey/);
  expect(await app.introspect(refreshed.access_token)).toMatchObject({ active: false });

  const again = personAt(keyhold);
  await again.goto(await app.authorizationUrl());
  await signIn(again, 'ada@example.test');
  expect(again.page.heading).toBe('Back in the app');
});
