import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { accountToken } from '../../support/account-api.js';
import { until } from '../../support/jobs.js';
import { personAt } from '../../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf } from '../../support/ledger.js';
import { EVERY_SCOPE } from '../../support/owner.js';
import { signInBeside } from '../../support/people.js';
import type { Person } from '../../support/person.js';
import { eventsOf, newMember } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty, type Tokens } from '../../support/relying-party.js';

const ADA = 'ada@example.test';
const BOB = 'bob@example.test';
const PHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1';

let keyhold: TestKeyhold;
let app: RelyingParty;
let accountId: string;
let here: Person;

beforeAll(async () => {
  /* Devices are known where limits are: a browser is named for them. */
  keyhold = await startKeyhold({ RATE_LIMITS: 'on' });
  app = await openRelyingParty(keyhold, {
    client_name: 'Photos',
    first_party: true,
    scope: `openid profile email offline_access ${EVERY_SCOPE}`,
  });
  here = await newMember(keyhold, app, ADA);
  await newMember(keyhold, app, BOB);
  accountId = await accountOf(keyhold.db, ADA);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

beforeEach(async () => {
  await keyhold.db('sessions').delete();
  await keyhold.db('attempts').delete();
  here = personAt(keyhold);
  await signInBeside(here, app, ADA);
});

const at = (path: string) => new URL(path, keyhold.origin);

/** Ada at another browser, with what an app got there. */
async function elsewhere(agent = PHONE): Promise<{ readonly person: Person; readonly tokens: Tokens }> {
  const person = personAt(keyhold, { userAgent: agent });
  await signInBeside(person, app, ADA);
  return { person, tokens: await app.exchange() };
}

async function isOver(tokens: Tokens): Promise<boolean> {
  const { active } = await app.introspect(tokens.access_token);
  const refused = await app.refresh(tokens.refresh_token ?? '').then(
    () => false,
    (error: { error?: string }) => error.error === 'invalid_grant',
  );
  const silent = await app.userInfo(tokens).then(
    () => false,
    () => true,
  );
  expect([refused, silent]).toEqual([!active, !active]);
  return !active;
}

const alive = () => keyhold.db('sessions').where({ account_id: accountId }).whereNull('ended_at');
const long = () => keyhold.db('sessions').update({ login_ts: Math.floor(Date.now() / 1000) - 3_600 });

/** The one link of a device that is not this one. */
async function toDevice(word: string): Promise<void> {
  await here.goto(at('/account/devices'));
  await here.follow(word);
}

test('each device is one row with its name, the apps there, and this one marked', async () => {
  await elsewhere();
  await here.goto(at('/account'));
  await here.follow('Devices');
  expect(here.page.heading).toBe('Your devices');
  const { text } = here.page;
  expect(text.match(/This device/g)).toHaveLength(1);
  expect(text).toContain('Safari · iOS');
  expect(text).toContain('Photos');
  expect(text).toContain('Last seen');
  expect(text.indexOf('This device')).toBeLessThan(text.indexOf('Safari · iOS'));
});

test('a device stays the same one, first seen when it was, however often its owner signs in there', async () => {
  const { person } = await elsewhere();
  const device = async () =>
    alive().whereNotNull('device').orderBy('login_ts', 'desc').select('device', 'uid');
  const before = await device();
  await keyhold.db('known_browsers').update({ first_seen_at: new Date('2026-01-02T03:04:05Z') });
  await keyhold.db('sessions').delete();
  await signInBeside(person, app, ADA);
  const [after] = await device();
  expect(before.map(row => row.device)).toContain(after?.device);
  expect(before.map(row => row.uid)).not.toContain(after?.uid);
  await person.goto(at('/account/devices'));
  expect(person.page.html).toContain('datetime="2026-01-02T03:04:05.000Z"');
});

test('of two sessions on one device the later one is shown, and both end', async () => {
  await elsewhere();
  const [phone] = await keyhold
    .db('known_browsers')
    .where({ account_id: accountId })
    .orderBy('signed_in_at', 'desc');
  await elsewhere();
  await keyhold
    .db('sessions')
    .whereNot({ uid: (await hereSession()).uid })
    .update({ device: phone.device });
  await here.goto(at('/account/devices'));
  expect(here.page.text.match(/Safari · iOS/g)).toHaveLength(1);
  await here.follow('Sign out');
  await here.press('Sign out this device');
  expect(await alive()).toHaveLength(1);
});

async function hereSession(): Promise<{ readonly uid: string }> {
  const rows = await keyhold
    .db('sessions')
    .where({ account_id: accountId })
    .whereNull('ended_at')
    .orderBy('issued_at')
    .orderByRaw('ctid')
    .select('uid');
  return { uid: String(rows[0]?.uid) };
}

test('C22: a device is signed out: its tokens are worth nothing, its app is told, and nobody else is touched', async () => {
  const { person, tokens } = await elsewhere();
  await signInBeside(person, app, BOB);
  const bobs = await app.exchange();
  const told = app.logoutTokens.length;
  await toDevice('Sign out');
  expect(here.page.heading).toBe('Sign out this device');
  await here.press('Sign out this device');
  expect([here.page.heading, here.page.status]).toEqual(['Your devices', 200]);
  expect(here.page.text).toContain('The device is signed out.');
  expect(here.page.text).toContain('You are signed in nowhere else.');
  expect(await isOver(tokens)).toBe(true);
  expect(await isOver(bobs)).toBe(false);
  await until(() => app.logoutTokens.length === told + 1);
  const ended = (await eventsOf(keyhold.db, 'session.ended')).at(-1);
  expect([ended?.account_id, ended?.detail['reason']]).toEqual([accountId, 'ended-elsewhere']);
});

test('signing a device out twice, or one that is gone, is no mistake', async () => {
  await elsewhere();
  await toDevice('Sign out');
  const form = here.page.url;
  await keyhold
    .db('sessions')
    .whereNot({ uid: (await hereSession()).uid })
    .delete();
  await here.press('Sign out this device');
  expect(here.page.text).toContain('That device is not signed in any more.');
  await here.goto(form);
  expect(here.page.text).toContain('That device is not signed in any more.');
});

test('C22: everywhere else is signed out, and this one stays', async () => {
  const [one, two] = [await elsewhere(), await elsewhere()];
  await toDevice('Sign out everywhere else');
  await here.press('Sign out everywhere else');
  expect(here.page.text).toContain('Everywhere else you are signed out now.');
  expect(await isOver(one.tokens)).toBe(true);
  expect(await isOver(two.tokens)).toBe(true);
  expect(await alive()).toHaveLength(1);
  await one.person.goto(at('/account/devices'));
  expect(one.person.page.heading).toBe('Sign in');
});

test('two that sign out everywhere else at once: one stays, and the other is asked who they are', async () => {
  const { person } = await elsewhere();
  for (const each of [here, person]) await each.goto(at('/account/devices/end-others'));
  await Promise.all([here, person].map(each => each.press('Sign out everywhere else')));
  expect(await alive()).toHaveLength(1);
  expect([here, person].map(each => each.page.status)).toEqual([200, 200]);
  expect([here, person].map(each => each.page.heading).sort()).toEqual(['Sign in', 'Your devices']);
});

test('signing out another device takes a fresh proof of who it is, before it is shown; looking and freezing do not', async () => {
  await elsewhere();
  await long();
  await toDevice('Sign out');
  expect(here.page.heading).toBe('Sign in');
  await here.goto(at('/account/devices'));
  await here.follow("This wasn't me");
  expect(here.page.heading).toBe('You do not know this device?');
  await here.press("This wasn't me");
  expect(here.page.text).toContain('frozen');
  expect(await alive()).toHaveLength(0);
  await keyhold.db('accounts').where({ id: accountId }).update({ state: 'active', signed_out_before: null });
});

test('this device is left by the ordinary way out', async () => {
  const { tokens } = await elsewhere();
  await here.goto(at('/account/devices'));
  await here.press('Sign out here');
  expect(here.page.heading).toBe('You are signed out');
  expect(await isOver(tokens)).toBe(false);
});

test('the list goes on where it ended, with this one at the top of the first page alone', async () => {
  const now = Math.floor(Date.now() / 1000);
  const { uid } = await hereSession();
  await keyhold
    .db('sessions')
    .where({ uid })
    .update({ login_ts: now - 200 });
  await keyhold.db.raw(
    `INSERT INTO sessions (uid, id_digest, id_sealed, account_id, login_ts, issued_at, expires_at)
     SELECT 'many-' || n, sha256(('many' || n)::bytea), '', ?, ?::bigint - n, ?, ? FROM generate_series(1, 45) n`,
    [accountId, now, now, now + 1_000],
  );
  const seen: number[] = [];
  await here.goto(at('/account/devices'));
  for (;;) {
    const { html, text } = here.page;
    seen.push(html.match(/id="device-\d+"/g)?.length ?? 0);
    expect(text.includes('This device')).toBe(seen.length === 1);
    if (!text.includes('More devices')) break;
    await here.follow('More devices');
  }
  expect(seen).toEqual([20, 20, 6]);
});

test('what somebody writes in the place of a device or a cursor is nothing', async () => {
  for (const path of [
    '/account/devices?after=%27',
    '/account/devices?after=9.',
    '/account/devices/%27/end',
  ]) {
    await here.goto(at(path));
    expect([path, here.page.status, here.page.heading]).toEqual([path, 200, 'Your devices']);
  }
});

test('apps see the devices, sign them out, and their own with them', async () => {
  const { person } = await elsewhere();
  const token = await accountToken(keyhold, here, app, EVERY_SCOPE);
  const ask = async (method: string, path: string) => {
    const answer = await fetch(at(`/api/me/devices${path}`), {
      method,
      headers: { authorization: `Bearer ${token}` },
    });
    const text = await answer.text();
    return { status: answer.status, body: (text ? JSON.parse(text) : {}) as Record<string, unknown> };
  };
  const { devices, next } = (await ask('GET', '?limit=1')).body as {
    devices: { id: string; this_device: boolean; apps: { name: string }[] }[];
    next: string;
  };
  expect(devices.map(device => [device.this_device, device.apps[0]?.name])).toEqual([[true, 'Photos']]);
  const rest = (await ask('GET', `?limit=1&after=${next}`)).body as {
    devices: { id: string; name: string; this_device: boolean }[];
    next?: string;
  };
  expect(rest.devices.map(one => [one.name, one.this_device])).toEqual([['Safari · iOS', false]]);
  expect(rest.next).toBeUndefined();
  const phone = rest.devices[0]?.id ?? '';
  expect((await ask('DELETE', `/${phone}`)).status).toBe(204);
  expect((await ask('DELETE', `/${phone}`)).status).toBe(404);
  await person.goto(at('/account'));
  expect(person.page.heading).toBe('Sign in');
  await elsewhere();
  expect(await ask('POST', '/end-others')).toEqual({ status: 200, body: { ended: 1 } });
  expect((await ask('DELETE', `/${devices[0]?.id}`)).status).toBe(204);
  expect((await ask('GET', '')).status).toBe(401);
});

test('nothing personal of a session is kept in clear, and another account cannot open it', async () => {
  const [row] = await keyhold.db('sessions').where({ account_id: accountId }).select('origin', 'uid');
  expect(row.origin).toBeInstanceOf(Buffer);
  expect(row.origin.toString('latin1')).not.toMatch(/127\.0\.0\.1|::1|Firefox/);
  await keyhold.db('sessions').where({ uid: row.uid }).update({ uid: 'moved' });
  await here.goto(at('/account/devices'));
  expect(here.page.text).toContain('Unknown device');
});
