import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { fetch } from 'undici';
import { openBrowser, type TestBrowser } from '../support/browser.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { smtpMailbox } from '../support/mailbox.js';
import { newPerson } from '../support/person.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { openSamlPeer, type Participant, participantIn } from '../support/saml-peer.js';
import { openSmtpSink, type SmtpSink } from '../support/smtp.js';
import { openTlsProxy, type TlsProxy } from '../support/tls-proxy.js';
import { declareProvider, untilOffered } from '../support/upstream.js';
import { walk } from '../support/walk.js';

const ID = 'id.keyhold.test';
const APP = 'app.keyhold.test';
const STRANGER = 'stranger.keyhold.test';
/* Another site: no cookie goes there, and a form that is posted from there brings none. */
const COMPANY = 'login.acme.test';

let proxy: TlsProxy;
let smtp: SmtpSink;
let keyhold: TestKeyhold;
let browser: TestBrowser;
let app: RelyingParty;

beforeAll(async () => {
  [proxy, smtp] = await Promise.all([openTlsProxy([ID, APP, STRANGER, COMPANY]), openSmtpSink()]);
  keyhold = await startKeyhold({
    ISSUER: `https://${ID}`,
    SECRET: 'kA7#vR2pQ9zL4xW8nT3mY6bC1dF5gH0j-sU_eK',
    SMTP_URL: smtp.url,
    TRUSTED_PROXIES: '127.0.0.1,::1',
  });
  proxy.route(ID, keyhold.port);
  proxy.route(STRANGER, keyhold.port);
  browser = await openBrowser({ proxy, hosts: '*.test' });
  app = await openRelyingParty(
    keyhold,
    {},
    { origin: `https://${APP}`, dispatcher: proxy.dispatcher, onListening: port => proxy.route(APP, port) },
  );
});

afterAll(async () => {
  await browser.close();
  await app.close();
  await keyhold.close();
  await smtp.close();
  await proxy.close();
});

test('behind a TLS proxy a person signs up with a passkey and signs in by autofill', async () => {
  const hana = await browser.newPerson();
  const { page, sees, press, signUpWithPasskey } = walk(hana, smtpMailbox(smtp));
  await page.goto((await app.authorizationUrl({ prompt: 'create' })).href);
  await signUpWithPasskey('hana@example.test');
  await sees('Allow access?');
  await press('Allow');
  await sees('Back in the app');
  const tokens = await app.exchange();
  expect(tokens.claims()).toMatchObject({ iss: `https://${ID}`, acr: 'phr' });

  const cookies = (await hana.context.cookies(`https://${ID}/`)).filter(({ domain }) => domain === ID);
  expect(cookies.length).toBeGreaterThan(0);
  for (const cookie of cookies) {
    expect(cookie).toMatchObject({ secure: true, httpOnly: true });
    expect(cookie.name).toMatch(cookie.path === '/' ? /^__(Host|Secure)-keyhold_/ : /^__Secure-keyhold_/);
  }

  await hana.context.clearCookies();
  await page.goto((await app.authorizationUrl()).href);
  await sees('Back in the app');
  expect(hana.complaints).toEqual([]);
});

test('a company of another site signs somebody in, and out again, while every page holds to its policy', async () => {
  let us: Participant | undefined;
  const company = await openSamlPeer(() => us);
  const { origin, manners } = company;
  proxy.route(COMPANY, Number(new URL(origin).port));
  manners.employee = { id: 'a7c3', attributes: { email: 'ada@acme.test' } };
  const metadata = await (await fetch(company.metadataUrl)).text();
  await declareProvider(keyhold, {
    id: 'acme',
    name: 'Acme',
    kind: 'saml',
    secrets: {},
    settings: { metadata_xml: metadata.replaceAll(`${origin}/s`, `https://${COMPANY}/s`) },
    mapping: { email_domains: ['acme.test'] },
  });
  await untilOffered(newPerson({ origin: keyhold.origin, dispatcher: proxy.dispatcher }), app, 'Acme');
  const ours = await fetch(`https://${ID}/federation/acme/metadata`, { dispatcher: proxy.dispatcher });
  us = participantIn(await ours.text());
  const ada = await browser.newPerson();
  const { page, sees, press } = walk(ada, smtpMailbox(smtp));
  await page.goto((await app.authorizationUrl()).href);
  await press('Continue with Acme');
  await page.getByRole('link', { name: 'Continue with Acme' }).click();
  await sees('Signed in at the company');
  await press('Go on');
  await sees('Create your account with Acme');
  await page.getByLabel('I accept the terms').check();
  await press('Create account');
  await sees('Allow access?');
  await press('Allow');
  await sees('Back in the app');

  const { id_token = '' } = await app.exchange();
  const [post_logout_redirect_uri = ''] = app.client.post_logout_redirect_uris ?? [];
  const passed: string[] = [];
  page.on('request', request => passed.push(new URL(request.url()).host));
  await page.goto(app.endSessionUrl({ id_token_hint: id_token, post_logout_redirect_uri }).href);
  await press('Sign out');
  await sees('Signed out of the app');
  expect(passed).toContain(COMPANY);
  expect(ada.complaints).toEqual([]);
  await ada.close();
  await company.close();
});

test('every address in discovery is https at the issuer, and every answer insists on https', async () => {
  const response = await fetch(`https://${ID}/.well-known/openid-configuration`, {
    dispatcher: proxy.dispatcher,
  });
  expect(response.headers.get('strict-transport-security')).toMatch(/max-age=\d{7,}/);
  const discovery = (await response.json()) as Record<string, unknown>;
  const addresses = Object.values(discovery).filter(
    value => typeof value === 'string' && value.includes('://'),
  );
  expect(addresses.length).toBeGreaterThan(5);
  for (const address of addresses) expect(address).toMatch(`https://${ID}`);
});

test('what belongs to development is not there', async () => {
  const response = await fetch(`https://${ID}/dev/mailbox`, { dispatcher: proxy.dispatcher });
  expect(response.status).toBe(404);
});

test('a host that is not the issuer gets nothing, whatever the proxy says of it', async () => {
  const path = '/.well-known/openid-configuration';
  const response = await fetch(`https://${STRANGER}${path}`, { dispatcher: proxy.dispatcher });
  expect(response.status).toBe(400);
  expect(await response.text()).not.toContain(STRANGER);
  const alive = await fetch(`https://${STRANGER}/health/live`, { dispatcher: proxy.dispatcher });
  expect(alive.status).toBe(200);
});
