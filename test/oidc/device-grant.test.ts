import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as openid from 'openid-client';
import { setAccountState } from '../../src/domain/accounts/accounts.js';
import { disableClient, enableClient } from '../../src/domain/clients/clients.js';
import { openWork } from '../../src/platform/storage/work.js';
import { until } from '../support/jobs.js';
import { personAt, signIn, signUp } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import type { Person } from '../support/person.js';
import { eventsOf, newMember } from '../support/protocol.js';
import { openRawClient, type RawAnswer, type RawClient } from '../support/raw-client.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

let keyhold: TestKeyhold;
let second: TestKeyhold;
/** A television, and an app in a browser through which people sign up. */
let tv: RelyingParty;
let app: RelyingParty;
let raw: RawClient;
let beside: RawClient;

beforeAll(async () => {
  keyhold = await startKeyhold();
  second = await startKeyhold({}, { beside: keyhold });
  tv = await openRelyingParty(keyhold, {
    client_name: 'Television',
    grant_types: [DEVICE_CODE, 'refresh_token'],
    response_types: [],
    redirect_uris: [],
    post_logout_redirect_uris: [],
    token_endpoint_auth_method: 'none',
  });
  app = await openRelyingParty(keyhold, { first_party: true });
  raw = await openRawClient(keyhold, tv.client, keyhold.dispatcher);
  beside = await openRawClient(keyhold, tv.client, second.dispatcher);
  await newMember(keyhold, app, 'ada@example.test');
});

afterAll(async () => {
  await tv?.close();
  await app?.close();
  await second?.close();
  await keyhold?.close();
});

type Device = openid.DeviceAuthorizationResponse;

const ask = (parameters: Readonly<Record<string, string>> = {}): Promise<Device> =>
  openid.initiateDeviceAuthorization(tv.configuration, { scope: 'openid email', ...parameters });

const poll = (device: Device, client = raw): Promise<RawAnswer> =>
  client.post('/token', {
    grant_type: DEVICE_CODE,
    device_code: device.device_code,
    client_id: tv.clientId,
  });

const errorOf = async (answer: Promise<RawAnswer>) => (await answer).body.error;

/** Ada at another browser, signed in. */
async function ada(): Promise<Person> {
  const person = personAt(keyhold);
  await person.goto(await app.authorizationUrl());
  await signIn(person, 'ada@example.test');
  return person;
}

async function typeIn(person: Person, device: Device): Promise<void> {
  await person.goto(device.verification_uri);
  person.fill('Code on the device', device.user_code);
  await person.press('Continue');
}

const MINE = 'Yes, this is my device';

test('a library lets a television in: code typed, device compared, signed in, allowed', async () => {
  const device = await ask();
  expect(device).toMatchObject({
    expires_in: 600,
    interval: 5,
    verification_uri: `${keyhold.origin}/device`,
  });
  expect(device.user_code).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/);
  const person = personAt(keyhold);
  await person.goto(device.verification_uri);
  person.fill('Code on the device', ` ${device.user_code.toLowerCase().replace('-', ' ')} `);
  await person.press('Continue');
  expect(person.page.heading).toBe('Is this the device in front of you?');
  expect(person.page.text).toContain('Television');
  expect(person.page.text).toContain(device.user_code);
  await person.press(MINE);
  await signIn(person, 'ada@example.test');
  expect(person.page.text).toContain('Television');
  await person.press('Allow');
  expect(person.page.heading).toBe('Your device is connected');
  const tokens = await openid.pollDeviceAuthorizationGrant(tv.configuration, { ...device, interval: 0.01 });
  expect((await tv.userInfo(tokens)).email).toBe('ada@example.test');
  expect(await tv.refresh(tokens.refresh_token ?? '')).toMatchObject({ token_type: 'bearer' });
  expect(await eventsOf(keyhold.db, 'device.allowed')).toMatchObject([{ client_id: tv.clientId }]);
});

test('a scanned address fills the code in; who is signed in and has allowed it only says yes', async () => {
  const person = await ada();
  const device = await ask();
  await person.goto(device.verification_uri_complete ?? '');
  expect(person.page.text).not.toContain('Television');
  await person.press('Continue');
  await person.press(MINE);
  expect(person.page.heading).toBe('Your device is connected');
  expect((await poll(device)).status).toBe(200);
});

test('C44: a device waits, is slowed down when it looks too often, and is told when its time is over', async () => {
  const device = await ask();
  const at = (seconds: number) =>
    keyhold.db('device_codes').update({
      polled_at: keyhold.db.raw('now() - make_interval(secs => ?)', [seconds]),
    });
  expect(await errorOf(poll(device))).toBe('authorization_pending');
  expect(await errorOf(poll(device, beside))).toBe('slow_down');
  await at(7);
  expect(await errorOf(poll(device))).toBe('slow_down');
  await at(16);
  expect(await errorOf(poll(device))).toBe('authorization_pending');
  await keyhold.db('device_codes').update({ expires_at: 1 });
  expect(await errorOf(poll(device))).toBe('expired_token');
});

test('with several people here the one who lets the device in is chosen, and no other is touched', async () => {
  const person = await ada();
  await person.goto(await app.authorizationUrl({ prompt: 'create' }));
  await signUp(person, app, 'bea@example.test');
  const before = await keyhold.db('sessions').whereNull('ended_at').count();
  for (const email of ['bea@example.test', 'ada@example.test']) {
    const device = await ask();
    await typeIn(person, device);
    await person.press(MINE);
    expect(person.page.heading).toBe('Choose an account');
    await person.press(person.page.buttons.find(button => button.includes(email)) ?? '');
    if (person.page.buttons.includes('Allow')) await person.press('Allow');
    expect(person.page.heading).toBe('Your device is connected');
    const tokens = await poll(device);
    expect((await raw.userInfo(String(tokens.body.access_token))).body.email).toBe(email);
  }
  const hinted = await ask({ login_hint: 'bea@example.test' });
  await typeIn(person, hinted);
  await person.press(MINE);
  expect(person.page.heading).toBe('Your device is connected');
  expect(await keyhold.db('sessions').whereNull('ended_at').count()).toEqual(before);
});

test('a code that is wrong, over or taken looks the same, and nothing is kept of it', async () => {
  const person = await ada();
  const expired = await ask();
  await keyhold.db('device_codes').update({ expires_at: 1 });
  const taken = await ask();
  await typeIn(person, taken);
  await person.press(MINE);
  const texts = new Set<string>();
  for (const user_code of [expired.user_code, taken.user_code, 'BCDF-GHJK', 'rubbish', 'BCDF-GHJK-BCDF']) {
    await typeIn(person, { ...expired, user_code });
    expect(person.page.status).toBe(400);
    texts.add(person.page.text);
  }
  expect(texts.size).toBe(1);
});

test('C44: who says first that a device is theirs decides: nobody else can let it in', async () => {
  const device = await ask();
  const [one, other] = [await ada(), await ada()];
  await typeIn(one, device);
  await typeIn(other, device);
  await one.press(MINE);
  expect(one.page.heading).toBe('Your device is connected');
  await other.press(MINE);
  expect(other.page.status).toBe(400);
  expect((await poll(device)).status).toBe(200);
});

test('a request that one browser has claimed goes on in no other', async () => {
  const [one, other] = [personAt(keyhold), await ada()];
  const device = await ask();
  await typeIn(one, device);
  await one.press(MINE);
  const resume = one.trail.find(
    ({ pathname }) => pathname.startsWith('/device/') && pathname !== '/device/confirm',
  );
  await other.goto(resume ?? '');
  expect(other.page.status).toBeGreaterThanOrEqual(400);
  await other.goto(one.page.url);
  expect(other.page.status).toBeGreaterThanOrEqual(400);
  expect(await errorOf(poll(device))).toBe('authorization_pending');
});

test('C44: of five who claim a device at once one has it', async () => {
  const device = await ask();
  const people = await Promise.all(Array.from({ length: 5 }, ada));
  for (const person of people) await typeIn(person, device);
  await Promise.all(people.map(person => person.press(MINE)));
  const headings = people.map(person => person.page.heading);
  expect(headings.filter(heading => heading === 'Your device is connected')).toHaveLength(1);
  expect((await poll(device)).status).toBe(200);
});

test('C44: a device is let in once, and not after its time', async () => {
  const device = await ask({ scope: 'openid email phone' });
  const person = await ada();
  await typeIn(person, device);
  await person.press(MINE);
  await keyhold.db('device_codes').update({ expires_at: 1 });
  await person.press('Allow');
  expect(person.page.heading).not.toBe('Your device is connected');
  expect(await errorOf(poll(device))).toBe('expired_token');
  const rows = await keyhold
    .db('device_codes')
    .whereRaw(`params ->> 'scope' = 'openid email phone'`)
    .select('account_id');
  expect(rows).toEqual([{ account_id: null }]);
});

test('of twenty redemptions of a device code at two processes one wins, and its family is dead', async () => {
  const device = await ask();
  const person = await ada();
  await typeIn(person, device);
  await person.press(MINE);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, at) => poll(device, at % 2 === 0 ? raw : beside)),
  );
  const winners = answers.filter(({ status }) => status === 200);
  expect(winners).toHaveLength(1);
  expect(answers.filter(({ body }) => body.error === 'invalid_grant')).toHaveLength(19);
  expect((await raw.userInfo(String(winners[0]?.body.access_token))).status).toBe(401);
});

test('"not mine" and "don\'t allow" tell the device', async () => {
  const person = await ada();
  const foreign = await ask();
  await typeIn(person, foreign);
  await person.press('No, this is not my device');
  expect(person.page.heading).toBe('The device was not let in');
  expect(await errorOf(poll(foreign))).toBe('access_denied');
  const unwanted = await ask({ scope: 'openid email address' });
  await typeIn(person, unwanted);
  await person.press(MINE);
  await person.press("Don't allow");
  expect(person.page.heading).toBe('The device was not let in');
  expect(await errorOf(poll(unwanted))).toBe('access_denied');
  expect(await errorOf(poll(unwanted))).toBe('invalid_grant');
});

test('what the database holds lets nobody in: neither a digest nor a reference is a device code', async () => {
  const device = await ask({ scope: 'openid email address' });
  const person = await ada();
  await typeIn(person, device);
  await person.press(MINE);
  const kept = JSON.stringify([
    await keyhold.db('device_codes').select(),
    await keyhold.db('interactions').select(),
  ]);
  expect(kept).not.toContain(device.device_code);
  expect(kept).not.toContain(device.user_code.replace('-', ''));
  const { device_code: reference } = await keyhold
    .db('interactions')
    .where({ id: person.page.url.pathname.split('/').at(-1) })
    .first('device_code');
  const answer = await poll({ ...device, device_code: reference });
  expect(answer.body.error).toBe('invalid_grant');
});

test('who may not act any more lets nothing in: the app, the account or the session that did', async () => {
  const person = await ada();
  const [let1, let2, claimed] = [await ask(), await ask(), await ask({ scope: 'openid profile' })];
  for (const device of [let1, let2, claimed]) {
    await typeIn(person, device);
    await person.press(MINE);
  }
  const { id } = await keyhold
    .db('account_snapshots')
    .first({ id: 'account_id' })
    .whereRaw(`email ->> 'address' = 'ada@example.test'`);
  const become = (state: 'suspended' | 'active') =>
    openWork(keyhold.db, { kind: 'operator' }, work => setAccountState(work, id, state));
  await become('suspended');
  expect(await errorOf(poll(let1))).toBe('invalid_grant');
  await person.press('Allow');
  expect(person.page.heading).not.toBe('Your device is connected');
  await become('active');
  expect(await errorOf(poll(claimed))).not.toBeUndefined();
  const typed = await ask();
  await keyhold.db('sessions').update({ ended_at: new Date() });
  expect(await errorOf(poll(let2))).toBe('invalid_grant');
  await openWork(keyhold.db, { kind: 'operator' }, work => disableClient(work, tv.clientId));
  await until(async () => (await raw.introspect('kh_at_x')).status === 401);
  expect(await errorOf(poll(typed))).toBe('invalid_client');
  await typeIn(person, typed);
  expect(person.page.status).toBe(400);
  await openWork(keyhold.db, { kind: 'operator' }, work => enableClient(work, tv.clientId));
  await until(async () => (await raw.introspect('kh_at_x')).status === 200);
});

test('an app that is not registered for it, or asks with the code of another, gets nothing', async () => {
  const { client_id, client_secret = '' } = app.client;
  const headers = { Authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` };
  expect((await raw.post('/device_authorization', { client_id }, headers)).status).toBe(400);
  const other = await openRelyingParty(keyhold, {
    grant_types: [DEVICE_CODE],
    response_types: [],
    redirect_uris: [],
    post_logout_redirect_uris: [],
    token_endpoint_auth_method: 'none',
  });
  const device = await ask();
  const form = { grant_type: DEVICE_CODE, device_code: device.device_code, client_id: other.clientId };
  expect((await raw.post('/token', form)).body.error).toBe('invalid_grant');
  await other.close();
});

test('forms from elsewhere are refused, and the pages carry the headers of all pages', async () => {
  const device = await ask();
  const person = await ada();
  await typeIn(person, device);
  expect(person.page.headers.get('content-security-policy')).toContain(`frame-ancestors 'none'`);
  for (const path of ['/device', '/device/confirm', '/device/deny']) {
    await person.post(`${keyhold.origin}${path}`, {
      user_code: device.user_code,
      csrf: 'x',
      confirm: 'yes',
      xsrf: 'x',
    });
    expect(person.page.status).toBe(403);
  }
  expect(await errorOf(poll(device))).toBe('authorization_pending');
});

test('C40: a device gets no scope that its app is not registered for', async () => {
  const small = await openRelyingParty(keyhold, {
    scope: 'openid',
    grant_types: [DEVICE_CODE],
    response_types: [],
    redirect_uris: [],
    post_logout_redirect_uris: [],
    token_endpoint_auth_method: 'none',
  });
  const form = { client_id: small.clientId, scope: 'openid email' };
  expect((await raw.post('/device_authorization', form)).body.error).toBe('invalid_scope');
  await small.close();
});

test('C44: guesses are counted for a network, and right codes are not', async () => {
  const limited = await startKeyhold({ RATE_LIMITS: 'on' });
  const set = await openRelyingParty(limited, {
    grant_types: [DEVICE_CODE],
    response_types: [],
    redirect_uris: [],
    post_logout_redirect_uris: [],
    token_endpoint_auth_method: 'none',
  });
  const device = await openid.initiateDeviceAuthorization(set.configuration, { scope: 'openid' });
  const person = personAt(limited);
  const guess = async (code: string) => {
    await person.goto(`${limited.origin}/device`);
    person.fill('Code on the device', code);
    await person.press('Continue');
    return person.page.status;
  };
  for (let n = 0; n < 30; n++) expect(await guess(device.user_code)).toBe(200);
  for (let n = 0; n < 20; n++) expect(await guess('BCDF-GHJK')).toBe(400);
  expect(await guess(device.user_code)).toBe(429);
  expect(await eventsOf(limited.db, 'limit.reached')).toMatchObject([
    { detail: { limit: 'user-code', per: 'network' } },
  ]);
  await set.close();
  await limited.close();
});

test('C44: devices that ask are counted for their app in a network, one too many is told as OAuth does, and others wait for nothing', async () => {
  const limited = await startKeyhold({ RATE_LIMITS: 'on', TRUSTED_PROXIES: '127.0.0.1,::1' });
  const television = {
    grant_types: [DEVICE_CODE],
    response_types: [],
    redirect_uris: [],
    post_logout_redirect_uris: [],
    token_endpoint_auth_method: 'none',
  };
  const [set, other] = [
    await limited.registerClient({ ...television, scope: 'openid' }),
    await limited.registerClient(television),
  ];
  const at = await openRawClient(limited, set);
  const asks = ({ client_id }: { client_id: string }, from: string, scope = 'openid') =>
    at.post('/device_authorization', { client_id, scope }, { 'X-Forwarded-For': from });
  const rows = async () => Number((await limited.db('device_codes').count())[0]?.['count']);

  for (let n = 0; n < 3; n++) expect((await asks(set, '192.0.2.1', 'openid email')).status).toBe(400);
  expect(await limited.db('attempts').count()).toEqual([{ count: '0' }]);
  const answers = await Promise.all(Array.from({ length: 70 }, () => asks(set, '192.0.2.1')));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(60);
  const refused = answers.filter(({ status }) => status === 429);
  expect(refused).toHaveLength(10);
  for (const { body, headers } of refused) {
    expect(body).toEqual({ error: 'temporarily_unavailable', error_description: expect.any(String) });
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(800);
    expect(headers.get('cache-control')).toBe('no-store');
  }
  expect(await rows()).toBe(60);
  expect(await eventsOf(limited.db, 'limit.reached')).toMatchObject([
    { client_id: set.client_id, detail: { limit: 'device', per: 'app-and-network' } },
  ]);
  expect((await asks(other, '192.0.2.1')).status).toBe(200);
  expect((await asks(set, '192.0.2.2')).status).toBe(200);

  const [third, fourth] = [
    await limited.registerClient(television),
    await limited.registerClient(television),
  ];
  for (const app of [other, third]) {
    await Promise.all(Array.from({ length: 40 }, () => asks(app, '198.51.100.1')));
  }
  await Promise.all(Array.from({ length: 50 }, () => asks(fourth, '198.51.100.1')));
  expect(await rows()).toBe(60 + 2 + 120);
  await limited.db('attempts').update({ window_ends_at: limited.db.raw(`now() - interval '1 second'`) });
  expect((await asks(set, '192.0.2.1')).status).toBe(200);
  await limited.close();
});
