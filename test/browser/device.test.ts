import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as openid from 'openid-client';
import { openBrowser, type TestBrowser } from '../support/browser.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { walk } from '../support/walk.js';

let keyhold: TestKeyhold;
let browser: TestBrowser;
let app: RelyingParty;
let tv: RelyingParty;

beforeAll(async () => {
  [keyhold, browser] = await Promise.all([startKeyhold(), openBrowser()]);
  app = await openRelyingParty(keyhold, { first_party: true });
  tv = await openRelyingParty(keyhold, {
    client_name: 'Television',
    grant_types: ['urn:ietf:params:oauth:grant-type:device_code'],
    response_types: [],
    redirect_uris: [],
    post_logout_redirect_uris: [],
    token_endpoint_auth_method: 'none',
  });
});

afterAll(async () => {
  await browser?.close();
  await app?.close();
  await tv?.close();
  await keyhold?.close();
});

test('a television is let in from a scanned address, after a wrong code', async () => {
  const { page, sees, fill, press, signUpWithPasskey } = walk(await browser.newPerson(), keyhold.mailbox);
  await page.goto((await app.authorizationUrl({ prompt: 'create' })).href);
  await signUpWithPasskey('hal@example.test');
  await sees('Back in the app');

  const device = await openid.initiateDeviceAuthorization(tv.configuration, { scope: 'openid email' });
  await page.goto(device.verification_uri);
  await sees('Connect a device');
  await fill('Code on the device', 'BCDF-GHJK');
  await press('Continue');
  await sees('Connect a device');
  await page.goto(device.verification_uri_complete ?? '');
  await press('Continue');
  await sees('Is this the device in front of you?');
  expect(await page.getByRole('main').textContent()).toContain(device.user_code);
  await press('Yes, this is my device');
  await sees('Allow access?');
  await press('Allow');
  await sees('Your device is connected');
  const tokens = await openid.pollDeviceAuthorizationGrant(tv.configuration, { ...device, interval: 0.01 });
  expect((await tv.userInfo(tokens)).email).toBe('hal@example.test');

  await page.goto(`${keyhold.origin}/apps`);
  await sees('Apps');
});
