import { afterAll, beforeAll, expect, test } from '@jest/globals';
import sharp from 'sharp';
import { request } from 'undici';
import { accountToken } from '../../support/account-api.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf, recordedDuring } from '../../support/ledger.js';
import type { Person } from '../../support/person.js';
import { declareAttributes } from '../../support/profile.js';
import { newMember } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';
import { csrfOf } from '../../support/steps.js';

let keyhold: TestKeyhold;
let app: RelyingParty;
let ada: Person;
let bob: Person;
let square: Buffer;
const ADA = 'ada@example.test';
const PAGE = '/account/profile/picture/picture';

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold);
  const said = { type: 'picture', purpose: 'presence', label: { en: 'Badge' }, see: ['person', 'apps'] };
  await declareAttributes(keyhold, [
    { ...said, name: 'badge', change: ['person'], limits: { changes: { max: 1, within: '30 days' } } },
    { ...said, name: 'official', label: { en: 'Official picture' }, change: ['operator'] },
  ]);
  ada = await newMember(keyhold, app, ADA);
  bob = await newMember(keyhold, app, 'bob@example.test');
  square = await sharp({ create: { width: 80, height: 60, channels: 3, background: '#00aa00' } })
    .png()
    .toBuffer();
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

const at = (path: string) => new URL(path, keyhold.origin);

/** What a browser would send for the form of the open page, with this file. */
async function upload(
  person: Person,
  file: Buffer | undefined,
  { path = PAGE, csrf = csrfOf(person), owner = '', first = true } = {},
): Promise<Response> {
  const form = new FormData();
  const own = owner || /name="for" value="([^"]+)"/.exec(person.page.html)?.[1] || '';
  if (first) form.set('csrf', csrf);
  form.set('for', own);
  form.set('picture', new Blob(file ? [new Uint8Array(file)] : []), 'me.svg.html');
  if (!first) form.set('csrf', csrf);
  return fetch(at(path), {
    method: 'POST',
    redirect: 'manual',
    headers: {
      cookie: await person.jar.getCookieString(keyhold.origin),
      'sec-fetch-site': 'same-origin',
      accept: 'text/html',
    },
    body: form,
  });
}

const kept = async (attribute = 'picture') =>
  (
    await keyhold
      .db('profile_attributes')
      .where({ account_id: await accountOf(keyhold.db, ADA), attribute })
      .first()
  )?.value as string | undefined;

test('a picture is made anew, stands on the page, and is told to apps as an address of ours', async () => {
  await ada.goto(at(PAGE));
  const events = await recordedDuring(keyhold.db, async () => {
    const answer = await upload(ada, square);
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/account/profile?done=changed']);
  });
  expect(events.map(({ type, detail }) => [type, detail])).toContainEqual([
    'profile.changed',
    { attributes: ['picture'], source: 'person' },
  ]);
  const path = (await kept()) ?? '';
  expect(path).toMatch(/^\/pictures\/[\w-]{32}$/);
  await ada.goto(at('/account/profile'));
  expect(ada.page.html).toContain(`src="${path}"`);
  await ada.goto(await app.authorizationUrl());
  if (ada.page.buttons.includes('Allow')) await ada.press('Allow');
  expect(await app.userInfo(await app.exchange())).toMatchObject({ picture: keyhold.issuer + path });
});

test('it is served as a picture and nothing else, to whoever has its address', async () => {
  const answer = await fetch(at((await kept()) ?? ''));
  const bytes = Buffer.from(await answer.arrayBuffer());
  const header = (name: string) => answer.headers.get(name);
  expect([answer.status, header('content-type')]).toEqual([200, 'image/jpeg']);
  expect(header('x-content-type-options')).toBe('nosniff');
  expect(header('content-security-policy')).toBe("default-src 'none'; sandbox");
  expect(header('cross-origin-resource-policy')).toBe('cross-origin');
  expect(header('cache-control')).toBe('private, max-age=3600');
  expect(header('content-disposition')).toContain('picture.jpg');
  expect(header('set-cookie')).toBeNull();
  expect((await sharp(bytes).metadata()).format).toBe('jpeg');
  const known = { 'if-none-match': header('etag') ?? '' };
  const again = await request(at((await kept()) ?? ''), { headers: known });
  expect(again.statusCode).toBe(304);
  await again.body.dump();
  for (const path of ['/pictures/x', `/pictures/${'a'.repeat(32)}`, '/pictures/..%2f..%2fetc']) {
    expect((await fetch(at(path), { headers: { accept: 'text/html' } })).status).toBe(404);
  }
});

test('another picture has another address, and the one before is gone', async () => {
  const before = (await kept()) ?? '';
  await ada.goto(at(PAGE));
  await upload(ada, square);
  expect(await kept()).not.toBe(before);
  expect((await fetch(at(before))).status).toBe(404);
});

test('a picture that is taken away is gone from everywhere', async () => {
  await ada.goto(at(PAGE));
  const path = (await kept()) ?? '';
  await ada.press('Remove the picture');
  expect(ada.page.text).toContain('It is changed.');
  expect([await kept(), (await fetch(at(path))).status]).toEqual([undefined, 404]);
  expect(
    await keyhold.db('profile_pictures').where({ account_id: await accountOf(keyhold.db, ADA) }),
  ).toEqual([]);
});

/** What an app sends in the person's name. */
async function send(method: string, path: string, body: Buffer | string, type: string, token: string) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': type };
  const answer = await fetch(at(`/api/me/profile${path}`), {
    method,
    headers,
    body: new Uint8Array(Buffer.from(body)),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

test('an app that may change the profile puts a picture as it is, and takes it away', async () => {
  const writer = await openRelyingParty(keyhold, {
    scope: 'openid account:profile:read account:profile:write',
  });
  const token = await accountToken(keyhold, ada, writer, 'account:profile:read account:profile:write');
  const put = (body: Buffer | string, type = 'image/png', attribute = 'picture') =>
    send('PUT', `/pictures/${attribute}`, body, type, token);

  for (const [sent, status, code] of [
    [await put('{}', 'application/json'), 400, 'unsupported_media_type'],
    [await put('<svg xmlns="http://www.w3.org/2000/svg"/>'), 400, 'picture_unreadable'],
    [await put(Buffer.concat([square, Buffer.alloc(8_100_000)])), 400, 'too_large'],
    [await put(square, 'image/png', 'nickname'), 404, 'attribute_not_found'],
    [await put(square, 'image/png', 'official'), 404, 'attribute_not_found'],
    [await send('PUT', '/pictures/picture', square, 'image/png', 'x'), 401, 'invalid_token'],
  ] as const) {
    expect([sent.status, sent.body['code']]).toEqual([status, code]);
    expect(await kept()).toBeUndefined();
  }

  const done = await put(square);
  expect([done.status, done.body]).toMatchObject([
    200,
    { changes: [{ attribute: 'picture', became: 'changed' }] },
  ]);
  const path = (await kept()) ?? '';
  expect((await fetch(at(path))).headers.get('content-type')).toBe('image/jpeg');
  const gone = await send('PATCH', '', '{"picture":null}', 'application/json', token);
  expect(gone.status).toBe(200);
  expect([await kept(), (await fetch(at(path))).status]).toEqual([undefined, 404]);
  expect(
    await keyhold.db('profile_pictures').where({ account_id: await accountOf(keyhold.db, ADA) }),
  ).toEqual([]);
  await writer.close();
});

test('what is no picture, too large or nothing comes back with why, and changes nothing', async () => {
  await ada.goto(at(PAGE));
  const cases: readonly (readonly [Buffer | undefined, string])[] = [
    [Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), 'This is no picture that we can read.'],
    [Buffer.concat([square, Buffer.alloc(8_100_000)]), 'This file is too large.'],
    [undefined, 'Please choose a picture first.'],
  ];
  for (const [file, why] of cases) {
    const answer = await upload(ada, file);
    expect([why, answer.status]).toEqual([why, 422]);
    expect(await answer.text()).toContain(why);
  }
  expect(await kept()).toBeUndefined();
});

test('limits hold for pictures as well', async () => {
  await ada.goto(at('/account/profile/picture/badge'));
  const path = '/account/profile/picture/badge';
  expect((await upload(ada, square, { path })).status).toBe(303);
  expect((await upload(ada, square, { path })).status).toBe(303);
  const badge = await kept('badge');
  const blocked = await upload(ada, square, { path });
  expect([blocked.status, await kept('badge')]).toEqual([409, badge]);
  expect((await fetch(at(badge ?? ''))).status).toBe(200);
});

test('C20: a file without the token of its form is not even read, and neither is one whose token comes after it', async () => {
  await ada.goto(at(PAGE));
  expect((await upload(ada, square, { csrf: 'x' })).status).toBe(403);
  expect((await upload(ada, square, { first: false })).status).toBe(403);
  expect(await kept()).toBeUndefined();
});

test('C40: a picture is set for whoever is signed in, and only where they may', async () => {
  await bob.goto(at(PAGE));
  const owner = await accountOf(keyhold.db, ADA);
  expect((await upload(bob, square, { owner })).status).toBe(409);
  for (const name of ['official', 'name', 'nothing', '__proto__']) {
    expect([name, (await upload(bob, square, { path: `/account/profile/picture/${name}` })).status]).toEqual([
      name,
      404,
    ]);
  }
  expect(await kept()).toBeUndefined();
  expect(await keyhold.db('profile_pictures').whereNot({ account_id: owner })).toEqual([]);
});

test('forms that are broken, endless or of many parts are refused', async () => {
  await ada.goto(at(PAGE));
  const cookie = await ada.jar.getCookieString(keyhold.origin);
  const send = async (type: string, body: string) => {
    const headers = { cookie, 'sec-fetch-site': 'same-origin', 'content-type': type, accept: 'text/html' };
    return (await fetch(at(PAGE), { method: 'POST', redirect: 'manual', headers, body })).status;
  };
  expect(await send('multipart/form-data', 'x')).toBe(400);
  expect(await send('multipart/form-data; boundary=x', '--x\r\nbroken')).toBe(400);
  const plain = new URLSearchParams({
    csrf: csrfOf(ada),
    for: await accountOf(keyhold.db, ADA),
    picture: 'me.png',
  });
  expect(await send('application/x-www-form-urlencoded', String(plain))).toBe(422);
  expect(await send('text/plain', 'x')).toBe(400);
  const parts = Array.from(
    { length: 40 },
    (_, part) => `--x\r\nContent-Disposition: form-data; name="f${part}"\r\n\r\n1\r\n`,
  );
  expect(await send('multipart/form-data; boundary=x', `${parts.join('')}--x--\r\n`)).toBe(403);
});
