import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { fetch } from 'undici';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { peopleOnRecord } from '../support/ledger.js';
import { linkIn } from '../support/mailbox.js';
import { newPerson, type Person } from '../support/person.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import {
  csrfOf,
  postScript,
  postStep,
  requestPath,
  sendStep,
  toCredential,
  toPassword,
  toSignUpCode,
} from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

let keyhold: TestKeyhold;
let house: RelyingParty;
let album: RelyingParty;
const ATTACK = `"><img src=x onerror=alert(1)><script>alert(2)</script><%= 7*7 %>{{x}}$t(frame.email)`;
const NAME = `Ada ${ATTACK}`;

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true });
  album = await openRelyingParty(keyhold, { client_name: `A & B's "Album" {{x}} $t(frame.email)` });
});

afterAll(async () => {
  await Promise.all([house?.close(), album?.close()]);
  await keyhold?.close();
});

function isHarmless(person: Person): void {
  const { html, headers, url } = person.page;
  expect([url.href, html.includes('<img src=x'), html.includes('alert(2)</script>')]).toEqual([
    url.href,
    false,
    false,
  ]);
  const policy = headers.get('content-security-policy') ?? '';
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toContain('unsafe');
}

test('C54: a database that was just made holds nobody, and no password that somebody could know', async () => {
  const fresh = await startKeyhold();
  try {
    for (const table of ['accounts', 'identifiers', 'passwords', 'passkeys', 'clients']) {
      expect([table, await fresh.db(table).count()]).toEqual([table, [{ count: '0' }]]);
    }
  } finally {
    await fresh.close();
  }
});

test('C28: whatever somebody is called, no page takes it for its own', async () => {
  const ada = newPerson({
    origin: keyhold.origin,
    userAgent: `Chrome/1 ${ATTACK}`,
    language: ATTACK.replace(/[^ -~]/g, ''),
  });
  const hostile = { state: ATTACK, ui_locales: ATTACK, login_hint: `${ATTACK}@x` };
  await ada.goto(await album.authorizationUrl(hostile));
  isHarmless(ada);
  await ada.goto(await album.authorizationUrl({ ...hostile, prompt: 'create' }));
  isHarmless(ada);
  await postStep(ada, '/sign-up', { email: ATTACK });
  expect(ada.page.status).toBe(400);
  isHarmless(ada);
  const email = `o'b&{{x}}$t#%@example.test`;
  ada.fill('Email', email);
  await ada.press('Continue');
  expect(ada.page.heading).toBe('Check your email');
  isHarmless(ada);
  const mail = await ada.latestMail(email);
  expect(mail.html).not.toContain('<img src=x');
  expect(mail.html).toContain('A &amp; B');
  const elsewhere = newPerson({ origin: keyhold.origin });
  await elsewhere.goto(linkIn(mail));
  isHarmless(elsewhere);
  await elsewhere.goto(new URL('/dev/mailbox', keyhold.origin));
  isHarmless(elsewhere);
  await ada.goto(linkIn(mail));
  await ada.press('Continue');
  await postStep(ada, '/account', { password: 'short', terms: 'yes', name: NAME });
  isHarmless(ada);
  await postStep(ada, '/account', { password: GOOD_PASSWORD, terms: 'yes', name: NAME });
  expect(ada.page.heading).toBe('Allow access?');
  isHarmless(ada);
  await ada.press('Allow');
  expect(ada.page.url.searchParams.get('state')).toBe(ATTACK);
  for (const path of ['/', '/sign-out', `/end-session`, `/no/${encodeURIComponent(ATTACK)}`, '/terms']) {
    await ada.goto(new URL(path, keyhold.origin));
    isHarmless(ada);
  }
  await ada.goto(new URL('/', keyhold.origin));
  expect(ada.page.text).toContain(NAME);
});

const HUGE: readonly (readonly [step: string, fields: Readonly<Record<string, string>>])[] = [
  ['/identifier', { email: `${'a'.repeat(1_000_000)}@example.test` }],
  ['/password', { password: 'p'.repeat(1_000_000) }],
  ['/code', { code: '1'.repeat(1_000_000) }],
  ['/account', { password: GOOD_PASSWORD, terms: 'yes', name: 'n'.repeat(1_000_000) }],
  ['/back', Object.fromEntries(Array.from({ length: 20_000 }, (_, at) => [`f${at}`, 'x']))],
];

test.each(HUGE)(
  'a megabyte at %s is refused before it is read, and leads back to the step',
  async (path, fields) => {
    const eve = personAt(keyhold);
    await toPassword(eve, house, 'eve@example.test');
    const before = await peopleOnRecord(keyhold.db);
    const statements = await keyhold.trips.during(async () => {
      const page = await postStep(eve, path, fields);
      expect([page.status, page.heading]).toEqual([400, 'Request error']);
    });
    expect(statements).toEqual([]);
    await eve.follow('Try again');
    expect(eve.page.heading).toBe('Enter your password');
    expect(await peopleOnRecord(keyhold.db)).toBe(before);
  },
);

test('C52: what fits into a form and into no field is sent back by the field', async () => {
  const eve = personAt(keyhold);
  await toPassword(eve, house, 'eve@example.test');
  await postStep(eve, '/password', { password: 'p'.repeat(30_000) });
  expect([eve.page.status, eve.page.heading]).toEqual([400, 'Enter your password']);
  await postStep(eve, '/identifier', { email: `${'a'.repeat(30_000)}@example.test` });
  expect(eve.page.alerts.join()).toContain('Enter a complete email address');
  expect(eve.page.html.length).toBeLessThan(20_000);
  await toSignUpCode(eve, house, 'eve@example.test');
  await postStep(eve, '/code', { code: '1'.repeat(30_000) });
  expect([eve.page.status, eve.page.heading]).toEqual([400, 'Check your email']);
  await toCredential(eve, house, 'eva@example.test');
  await postStep(eve, '/account', { password: GOOD_PASSWORD, terms: 'yes', name: 'n'.repeat(20_000) });
  expect(eve.page.text).toContain('This name is too long');
});

test('C15, C49: fields sent twice, nested or of odd names are nothing, and never a failure of ours', async () => {
  const eve = personAt(keyhold);
  await toPassword(eve, house, 'eve@example.test');
  const csrf = csrfOf(eve);
  const bodies = [
    `csrf=${csrf}&password=a&password=b`,
    `csrf=${csrf}&password[a]=b`,
    `csrf=${csrf}&__proto__[x]=1&constructor=2&password=`,
    `csrf=${csrf}&password=%ff%fe%00`,
    `csrf=${csrf}&csrf=${csrf}&password=x`,
    '%%%',
    '',
  ];
  for (const body of bodies) {
    const url = new URL(`${requestPath(eve)}/password`, keyhold.origin);
    const cookie = await eve.jar.getCookieString(url.href);
    const headers = { cookie, accept: 'text/html', 'content-type': 'application/x-www-form-urlencoded' };
    const { status } = await fetch(url, { method: 'POST', headers, body });
    expect([body, status < 500]).toEqual([body, true]);
  }
});

test('a script is refused in a document that says why, with a number to ask about', async () => {
  const eve = personAt(keyhold);
  await eve.goto(await house.authorizationUrl());
  const answers = [
    await postScript(eve, '/passkey', { credential: 'x'.repeat(100_000) }),
    await postScript(eve, '/passkey', {
      credential: { id: ATTACK, rawId: ATTACK, type: 'public-key', response: {} },
    }),
    await postScript(eve, '/passkey', []),
    await postScript(eve, '/passkey', {}, 'wrong'),
    await postScript(eve, '/passkey/new', { credential: {} }),
  ];
  expect(answers.map(({ status, body }) => [status, body['code']])).toEqual([
    [400, 'too_large'],
    [400, 'passkey_refused'],
    [400, 'invalid_json'],
    [403, 'csrf'],
    [409, 'finished'],
  ]);
  for (const { body, headers } of answers) {
    expect(headers.get('content-type')).toContain('application/problem+json');
    expect(Object.keys(body).sort()).toEqual(['code', 'detail', 'request_id', 'status', 'title', 'type']);
    expect(body['request_id']).toBe(headers.get('x-request-id'));
    expect(String(body['title'])).toMatch(/^[A-Z][a-z]+ /);
  }
});

test('C05: a link in a mail begins with the issuer, whatever the headers of the request say', async () => {
  const headers = {
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'https',
    forwarded: 'host=evil.example;proto=https',
    'x-original-host': 'evil.example',
  };
  for (const [name, value] of [...Object.entries(headers), ['all', '']]) {
    const email = `host-${name}@example.test`;
    const ada = personAt(keyhold);
    await ada.goto(await house.authorizationUrl({ prompt: 'create' }));
    const sent = name === 'all' ? headers : { [String(name)]: String(value) };
    const { status } = await sendStep(ada, '/sign-up', { email }, sent);
    expect(status).toBe(303);
    const mail = await keyhold.mailbox.latest(email);
    expect(linkIn(mail).startsWith(`${keyhold.issuer}/interaction/`)).toBe(true);
    expect(mail.text + mail.html).not.toContain('evil');
  }
});
