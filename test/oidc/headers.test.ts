import { request } from 'node:http';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import type { Person } from '../support/person.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

const DISCOVERY = '/.well-known/openid-configuration';

let keyhold: TestKeyhold;
let house: RelyingParty;
let shop: RelyingParty;
let ada: Person;

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true });
  shop = await openRelyingParty(keyhold);
  ada = await newMember(keyhold, house, 'ada@example.test');
});

afterAll(async () => {
  await Promise.all([house?.close(), shop?.close()]);
  await keyhold?.close();
});

interface Bare {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** A request with exactly these headers, Host included. */
function ask(path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): Promise<Bare> {
  return new Promise((resolve, reject) => {
    const { host } = new URL(keyhold.issuer);
    const options = { port: keyhold.port, path, method, headers: { host, ...headers } };
    request({ host: 'localhost', ...options }, response => {
      let text = '';
      response.setEncoding('utf8').on('data', chunk => {
        text += chunk;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
      );
    })
      .on('error', reject)
      .end();
  });
}

test('C05: an unknown host gets 400 everywhere but for its health', async () => {
  for (const host of [
    'evil.test',
    'localhost',
    `evil.test:${keyhold.port}`,
    `localhost.:${keyhold.port}`,
    '@',
  ]) {
    for (const path of [
      '/',
      DISCOVERY,
      '/jwks',
      '/authorize?client_id=x',
      '/token',
      '/assets/x',
      '/nothing',
    ]) {
      const { status, headers, text } = await ask(path, { host });
      expect([host, path, status]).toEqual([host, path, 400]);
      expect(headers['set-cookie']).toBeUndefined();
      expect(text).not.toContain('evil.test');
    }
    expect((await ask('/health/live', { host })).status).toBe(200);
  }
});

test('C33: discovery is the same whatever the headers say, and names the issuer alone', async () => {
  const { text } = await ask(DISCOVERY);
  const hostile = {
    'x-forwarded-host': 'evil.test',
    'x-forwarded-proto': 'https',
    'x-forwarded-port': '1',
    'x-forwarded-prefix': '/evil',
    forwarded: 'host=evil.test;proto=https',
    'x-original-url': '/evil',
    'x-rewrite-url': '/evil',
    'x-host': 'evil.test',
    'x-http-method-override': 'POST',
    origin: 'https://evil.test',
    referer: 'https://evil.test/',
    via: 'evil.test',
  };
  for (const [name, value] of Object.entries(hostile)) {
    expect([name, (await ask(DISCOVERY, { [name]: value })).text]).toEqual([name, text]);
  }
  expect((await ask(DISCOVERY, hostile)).text).toBe(text);
  const urls = text.match(/https?:[^"]+/g) ?? [];
  expect(urls.filter(url => !url.startsWith(keyhold.issuer))).toEqual([]);

  const url = await house.authorizationUrl();
  const { headers } = await ask(url.pathname + url.search, hostile);
  expect(headers.location).toMatch(/^\/interaction\//);
  expect(String(headers['set-cookie'])).not.toMatch(/evil|domain=|secure/i);
});

/** Each kind of answer, the engine's own error pages included. */
async function everyAnswer(): Promise<readonly (readonly [string, string, Bare])[]> {
  const url = await house.authorizationUrl();
  const wrongRedirect = new URL(url);
  wrongRedirect.searchParams.set('redirect_uri', 'https://evil.test/');
  const pages = [
    ['the start page', '/'],
    ['the terms', '/terms'],
    ['a page that is not there', '/nothing'],
    ['a request that is gone', '/interaction/x'],
    ['an unknown app', '/authorize?client_id=x'],
    ['an unknown redirect', wrongRedirect.pathname + wrongRedirect.search],
    ['a resumption that is gone', '/authorize/x'],
    ['a form_post error', `${url.pathname}${url.search}&response_mode=form_post&prompt=none`],
    ['signing out', '/end-session'],
    ['signing out with a bad hint', '/end-session?id_token_hint=x'],
    ['confirming without a session', '/end-session/confirm'],
    ['signed out', '/end-session/success'],
    ['an odd address', '/%00'],
    ['the mailbox', '/dev/mailbox'],
  ] as const;
  const accept = { accept: 'text/html' };
  return Promise.all(pages.map(async ([name, path]) => [name, path, await ask(path, accept)] as const));
}

test('C29, C30: each page carries the whole set of headers, whoever made it', async () => {
  for (const [name, , { headers, status }] of await everyAnswer()) {
    const policy = String(headers['content-security-policy']);
    expect([name, status < 500]).toEqual([name, true]);
    expect({ name, ...headers }).toMatchObject({
      name,
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'permissions-policy': expect.stringContaining('camera=()'),
      'cache-control': expect.stringContaining('no-store'),
      'x-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(policy).toMatch(/^default-src 'none';/);
    expect(policy).toMatch(/frame-ancestors 'none';base-uri 'none'/);
    expect(policy).not.toMatch(/unsafe|\*|https?:(?!\/\/localhost)/);
    expect(headers['strict-transport-security']).toBeUndefined();
    expect(headers['x-powered-by']).toBeUndefined();
  }
});

test('C26: a page lets its forms lead to the app of its request and nowhere else', async () => {
  const formActions = () =>
    /form-action ([^;]*)/.exec(ada.page.headers.get('content-security-policy') ?? '')?.[1];
  const shopOrigin = new URL(shop.redirectUri).origin;
  await ada.goto(await shop.authorizationUrl());
  expect([ada.page.buttons.includes('Allow'), formActions()]).toEqual([true, `'self' ${shopOrigin}`]);
  await ada.goto(await shop.authorizationUrl({ prompt: 'login' }));
  expect([ada.page.heading, formActions()]).toEqual(['Sign in', `'self' ${shopOrigin}`]);
  for (const [name, path] of await everyAnswer()) {
    if (name === 'a form_post error') continue;
    await ada.goto(`${keyhold.issuer}${path}`);
    expect([name, formActions()]).toEqual([name, `'self'`]);
  }
});

test('C31: a POST is answered with a page or with 303, never with a redirect that posts again', async () => {
  const person = personAt(keyhold);
  await person.goto(await house.authorizationUrl());
  const csrf = /name="csrf" value="([^"]+)"/.exec(person.page.html)?.[1] ?? '';
  const { url } = person.page;
  const body = new URLSearchParams({ csrf, email: 'ada@example.test' });
  const cookie = await person.jar.getCookieString(`${url.href}/identifier`);
  const answer = await fetch(`${url.href}/identifier`, {
    method: 'POST',
    body,
    redirect: 'manual',
    headers: { cookie },
  });
  expect([answer.status, answer.headers.get('location')]).toEqual([303, url.pathname]);
});

test('C33: what may be cached is marked and answers 304, nothing else is', async () => {
  for (const path of [DISCOVERY, '/.well-known/oauth-authorization-server', '/jwks']) {
    const { status, headers } = await ask(path);
    expect([path, status, headers['cache-control']]).toEqual([
      path,
      200,
      expect.stringMatching(/^public, max-age=\d+$/),
    ]);
    const again = await ask(path, { 'if-none-match': String(headers.etag) });
    expect([path, again.status, again.text]).toEqual([path, 304, '']);
    expect((await ask(path, { 'if-none-match': '"other"' })).status).toBe(200);
  }
  const style =
    /href="(\/assets\/style\.css[^"]*)"/.exec((await ask('/terms', { accept: 'text/html' })).text)?.[1] ?? '';
  const asset = await ask(style);
  expect([asset.status, asset.headers['cache-control']]).toEqual([200, expect.stringContaining('max-age')]);
  for (const [path, method] of [
    ['/token', 'POST'],
    ['/userinfo', 'GET'],
    ['/introspect', 'POST'],
    ['/revoke', 'POST'],
  ] as const) {
    const answer = await ask(path, {}, method);
    expect([path, answer.headers['cache-control']]).toEqual([path, 'no-store']);
  }
});
