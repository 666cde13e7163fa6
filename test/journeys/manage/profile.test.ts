import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { accountToken } from '../../support/account-api.js';
import { personAt, signIn } from '../../support/journeys.js';
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

const ADA = 'ada@example.test';
const BOB = 'bob@example.test';
const READ = 'account:profile:read';
const WRITE = 'account:profile:write';

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, {
    client_name: 'Photo Album',
    scope: `openid profile email offline_access ${READ} ${WRITE}`,
  });
  await declare();
  ada = await newMember(keyhold, app, ADA);
  bob = await newMember(keyhold, app, BOB);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

/* Attributes with limits beside the shipped ones. */
function declare(): Promise<void> {
  const said = { type: 'text', purpose: 'naming', see: ['person', 'apps', 'operator'], change: ['person'] };
  const hidden = { see: ['operator'], change: ['operator'] };
  return declareAttributes(keyhold, [
    { ...said, name: 'handle', label: { en: 'Handle' }, limits: { changes: { max: 1, within: '30 days' } } },
    { ...said, name: 'legal_name', label: { en: 'Legal name' }, limits: { approval: true } },
    { ...said, name: 'seat', label: { en: 'Seat' }, limits: { effective_after: '7 days' } },
    { ...said, name: 'grade', label: { en: 'Grade' }, change: ['operator'] },
    { ...said, name: 'secret_note', label: { en: 'Secret note' }, ...hidden },
    { ...said, name: 'diet', label: { en: 'Diet' }, type: 'yes-no' },
  ]);
}

const at = (path: string) => new URL(path, keyhold.origin);
const valuesOf = async (email: string) =>
  Object.fromEntries(
    (await keyhold.db('profile_attributes').where({ account_id: await accountOf(keyhold.db, email) })).map(
      row => [row.attribute, row.value],
    ),
  );

async function change(person: Person, attribute: string, label: string, value: string): Promise<void> {
  await person.goto(at(`/account/profile/change/${attribute}`));
  person.fill(label, value);
  await person.press('Save');
}

test('beside a value stands why it is held, since when, from where, until when, and which apps may have it', async () => {
  await change(ada, 'nickname', 'Nickname', 'Countess');
  expect(ada.page.heading).toBe('Your profile');
  expect(ada.page.text).toContain('It is changed.');
  const entry = /<article[^>]*id="nickname"[\s\S]*?<\/article>/.exec(ada.page.html)?.[0] ?? '';
  for (const said of [
    'Countess',
    'Calling you by your name.',
    'You gave it.',
    'As long as your account exists',
    'Photo Album',
    'We hold it because you agree.',
    `datetime="${new Date().toISOString().slice(0, 10)}`,
  ]) {
    expect(entry).toContain(said);
  }
  const handle = /<article[^>]*id="handle"[\s\S]*?<\/article>/.exec(ada.page.html)?.[0] ?? '';
  expect(handle).not.toContain('Photo Album');
  expect(ada.page.text).not.toContain('Secret note');
});

test('every proven address is told of a change, with what and the link to object, and not with the value', async () => {
  const before = await ada.newestMail(ADA);
  await change(ada, 'nickname', 'Nickname', 'Enchantress');
  const mail = await ada.latestMail(ADA, before);
  expect(mail.subject).toBe('Your Keyhold profile was changed');
  expect(mail.text).toContain('Nickname');
  expect(mail.text).toContain('/objection/');
  expect(mail.text).not.toContain('Enchantress');
});

test('a page takes four round trips beyond who is there, at once', async () => {
  await ada.goto(at('/account/profile'));
  const trips = await keyhold.trips.during(() => ada.goto(at('/account/profile')));
  expect(trips.length).toBeLessThanOrEqual(1 + 4);
});

test('what cannot be used comes back with why, and keeps what was typed', async () => {
  await change(ada, 'website', 'Website', 'javascript:alert(1)');
  expect([ada.page.status, ada.page.heading]).toEqual([422, 'Website']);
  expect(ada.page.alerts).toEqual(['Please give a whole web address, beginning with https://']);
  expect(ada.page.html).toContain('value="javascript:alert(1)"');
  expect((await valuesOf(ADA))['website']).toBeUndefined();
});

test('each kind of attribute has its form: an address in parts, a choice, a yes or no, a time zone', async () => {
  await ada.goto(at('/account/profile/change/address'));
  ada.fill('Street and number', '12 St James’s Square');
  ada.fill('Town', 'London');
  await ada.press('Save');
  expect(ada.page.text).toContain('12 St James’s Square');
  await ada.goto(at('/account/profile/change/zoneinfo'));
  ada.fill('Time zone', 'Europe / London · United Kingdom Time');
  await ada.press('Save');
  expect(ada.page.text).toContain('London · United Kingdom Time');
  await ada.goto(at('/account/profile/change/diet'));
  ada.fill('Diet', 'Yes');
  await ada.press('Save');
  expect(await valuesOf(ADA)).toMatchObject({
    address: { street_address: '12 St James’s Square', locality: 'London' },
    zoneinfo: 'Europe/London',
    diet: true,
  });
});

test('a limit that was reached says so, from when it is possible again, and where a mistake is corrected', async () => {
  await change(ada, 'handle', 'Handle', 'one');
  await change(ada, 'handle', 'Handle', 'two');
  await ada.goto(at('/account/profile/change/handle'));
  expect(ada.page.alerts[0]).toMatch(/as often as it may be for now\. It can be changed again from /);
  expect(ada.page.buttons).not.toContain('Save');
  const fields = { csrf: csrfOf(ada), for: await accountOf(keyhold.db, ADA), value: 'three' };
  const events = await recordedDuring(keyhold.db, () =>
    ada.post(at('/account/profile/change/handle'), fields),
  );
  expect(ada.page.status).toBe(409);
  expect(events.map(({ type, detail }) => [type, detail])).toEqual([
    ['profile.change_blocked', { attribute: 'handle', why: 'too_often' }],
  ]);
  expect((await valuesOf(ADA))['handle']).toBe('two');
  await ada.follow('Have a mistake corrected');
  ada.fill('What is wrong, and what would be right?', 'It should say three.\nThank you!');
  await ada.press('Send');
  expect(ada.page.text).toContain('You asked us to correct this. Nobody has answered yet.');
  const [row] = await keyhold.db('corrections').where({ attribute: 'handle' });
  expect(row.wish.toString('latin1')).not.toContain('three');
  await ada.press('Take the request back Handle');
  expect(ada.page.text).toContain('Your request is taken back.');
});

test('a change that waits or is to come can be taken back; a change in its window can be undone, also from the mail', async () => {
  await change(ada, 'legal_name', 'Legal name', 'Augusta Ada King');
  expect(ada.page.text).toContain('A change waits to be checked by us. It will say: Augusta Ada King');
  await ada.press('Take the change back Legal name');
  expect(ada.page.text).toContain('The change is taken back.');
  await change(ada, 'seat', 'Seat', '1A');
  await change(ada, 'seat', 'Seat', '1B');
  expect(ada.page.text).toMatch(/A change takes effect on .* It will say: 1B/);
  expect((await valuesOf(ADA))['seat']).toBe('1A');
  await change(ada, 'name', 'Full name', 'Ada Byron');
  await change(ada, 'name', 'Full name', 'Ada King');
  const [{ id }] = await keyhold.db('profile_changes').where({ attribute: 'name', state: 'done' });
  const other = personAt(keyhold);
  await other.goto(at(`/account/profile/undo/${id}`));
  await signIn(other, ADA);
  expect(other.page.text).toContain('Before, it said: Ada Byron');
  await other.press('Undo');
  expect(other.page.text).toContain('It says again what it said before.');
  expect((await valuesOf(ADA))['name']).toBe('Ada Byron');
  await other.goto(at(`/account/profile/undo/${id}`));
  expect(other.page.text).toContain('There is nothing to undo any more.');
});

test('an attribute that matters leads through a new proof of who it is, and is changed then', async () => {
  await keyhold.db.raw('UPDATE sessions SET login_ts = login_ts - 600 WHERE account_id = ?', [
    await accountOf(keyhold.db, ADA),
  ]);
  await ada.goto(at('/account/profile/change/birthdate'));
  expect(ada.page.heading).toBe('Sign in');
  await signIn(ada, ADA);
  expect(ada.page.heading).toBe('Date of birth');
  ada.fill('Date of birth', '1815-12-10');
  await ada.press('Save');
  expect((await valuesOf(ADA))['birthdate']).toBe('1815-12-10');
});

test('the way around the new proof is closed', async () => {
  await ada.goto(at('/account/profile/change/nickname'));
  const fields = { csrf: csrfOf(ada), for: await accountOf(keyhold.db, ADA), value: '1900-01-01' };
  await ada.post(at('/account/profile/change/birthdate'), fields);
  expect((await valuesOf(ADA))['birthdate']).toBe('1815-12-10');
});

test('C40: nobody sees, changes, undoes or takes back what is somebody else’s', async () => {
  await change(ada, 'name', 'Full name', 'Ada Lovelace');
  const [{ id }] = await keyhold.db('profile_changes').where({ attribute: 'name', state: 'done' });
  const before = await valuesOf(ADA);
  await bob.goto(at(`/account/profile/undo/${id}`));
  expect(bob.page.status).toBe(404);
  await bob.goto(at('/account/profile/change/nickname'));
  const own = { csrf: csrfOf(bob), for: await accountOf(keyhold.db, BOB) };
  for (const path of [`undo/${id}`, `withdraw/${id}`, 'withdraw/x', 'corrections/x/withdraw']) {
    await bob.post(at(`/account/profile/${path}`), { ...own, accountId: await accountOf(keyhold.db, ADA) });
    expect([path, bob.page.status]).toEqual([path, 404]);
  }
  await bob.goto(at('/account/profile/change/nickname'));
  const forAda = { csrf: csrfOf(bob), for: await accountOf(keyhold.db, ADA), value: 'x' };
  await bob.post(at('/account/profile/change/nickname'), forAda);
  expect(bob.page.status).toBe(409);
  expect(await valuesOf(ADA)).toEqual(before);
  expect(await valuesOf(BOB)).toEqual({});
});

test('what only operators may see or change is not there, or cannot be changed', async () => {
  await bob.goto(at('/account/profile/change/secret_note'));
  expect(bob.page.status).toBe(404);
  await bob.goto(at('/account/profile/change/grade'));
  expect(bob.page.heading).toBe('Your profile');
  const fields = { csrf: csrfOf(bob), for: await accountOf(keyhold.db, BOB), value: 'A' };
  for (const name of ['grade', 'secret_note', 'email', '__proto__', 'constructor', 'nothing']) {
    await bob.post(at(`/account/profile/change/${name}`), fields);
    expect([name, bob.page.status]).toEqual([name, 404]);
  }
  expect(await valuesOf(BOB)).toEqual({});
});

test('saved twice and gone back to, nothing breaks and nothing counts twice', async () => {
  await bob.goto(at('/account/profile/change/handle'));
  const fields = { csrf: csrfOf(bob), for: await accountOf(keyhold.db, BOB), value: 'bobby' };
  await Promise.all([1, 2, 3].map(() => personPost(bob, '/account/profile/change/handle', fields)));
  expect((await valuesOf(BOB))['handle']).toBe('bobby');
  expect(await keyhold.db('profile_changes').where({ attribute: 'handle', account_id: fields.for })).toEqual(
    [],
  );
});

async function personPost(person: Person, path: string, fields: Record<string, string>) {
  return fetch(at(path), {
    method: 'POST',
    redirect: 'manual',
    headers: { cookie: await person.jar.getCookieString(keyhold.origin), 'sec-fetch-site': 'same-origin' },
    body: new URLSearchParams(fields),
  });
}

test('many changes at once, from the page and from an app: one wins, and the others are told why', async () => {
  const token = await accountToken(keyhold, bob, app, WRITE);
  await bob.goto(at('/account/profile/change/nickname'));
  const owner = await accountOf(keyhold.db, BOB);
  const counted = () => keyhold.db('profile_changes').where({ account_id: owner, attribute: 'handle' });
  expect(await counted()).toEqual([]);
  const csrf = csrfOf(bob);
  const asked = Array.from({ length: 8 }, (_, number) => {
    const value = `at-once-${number}`;
    return number % 2 === 0
      ? personPost(bob, '/account/profile/change/handle', { csrf, for: owner, value })
      : api(token, 'PATCH', '/api/me/profile', { handle: value });
  });
  const statuses = (await Promise.all(asked)).map(({ status }) => status);
  expect(statuses.filter(status => status === 303 || status === 200)).toHaveLength(1);
  expect(statuses.filter(status => status === 409)).toHaveLength(7);
  expect(await counted()).toHaveLength(1);
  await keyhold.db('profile_changes').where({ account_id: owner }).delete();
});

async function api(token: string, method: string, path: string, body?: object) {
  const answer = await fetch(at(path), {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return {
    status: answer.status,
    challenge: answer.headers.get('www-authenticate'),
    body: text ? JSON.parse(text) : undefined,
  };
}

test('an app that is let sees the same as the page, and changes it within the same limits', async () => {
  const token = await accountToken(keyhold, bob, app, `${READ} ${WRITE}`);
  const changed = await api(token, 'PATCH', '/api/me/profile', {
    nickname: 'Bob',
    address: { locality: 'Bonn' },
  });
  expect(changed.body).toEqual({
    changes: [
      { attribute: 'nickname', became: 'changed' },
      { attribute: 'address', became: 'changed' },
    ],
  });
  const { body } = await api(token, 'GET', '/api/me/profile');
  const entry = (name: string) => body.attributes.find((each: { name: string }) => each.name === name);
  expect(entry('nickname')).toMatchObject({
    value: 'Bob',
    source: 'person',
    purpose: { id: 'naming', basis: 'consent' },
    apps: [{ name: 'Photo Album' }],
    changeable: true,
  });
  expect(entry('secret_note')).toBeUndefined();
  expect(entry('grade')).toMatchObject({ changeable: false });
  await api(token, 'PATCH', '/api/me/profile', { handle: 'robert' });
  const blocked = await api(token, 'PATCH', '/api/me/profile', { nickname: 'No', handle: 'rob' });
  expect([blocked.status, blocked.body.code]).toEqual([409, 'change_blocked']);
  expect(blocked.body.errors).toEqual([
    { field: 'body.handle', message: expect.stringMatching(/^too_often until 20/) },
  ]);
  expect(await valuesOf(BOB)).toMatchObject({ nickname: 'Bob', handle: 'robert' });
  const asked = await api(token, 'POST', '/api/me/profile/corrections', {
    attribute: 'handle',
    wish: 'It is rob.',
  });
  expect([asked.status, asked.body]).toEqual([202, { state: 'open' }]);
  expect(
    (await api(token, 'POST', '/api/me/profile/corrections', { attribute: 'handle', wish: 'Again.' })).status,
  ).toBe(409);
});

test('an attribute that matters takes a fresh authentication of the token (RFC 9470)', async () => {
  await keyhold.db.raw('UPDATE sessions SET login_ts = login_ts - 600 WHERE account_id = ?', [
    await accountOf(keyhold.db, BOB),
  ]);
  const token = await accountToken(keyhold, bob, app, WRITE);
  const { status, challenge } = await api(token, 'PATCH', '/api/me/profile', { birthdate: '1990-01-02' });
  expect([status, challenge]).toEqual([401, expect.stringContaining('insufficient_user_authentication')]);
  expect(challenge).toContain('max_age');
  expect((await valuesOf(BOB))['birthdate']).toBeUndefined();
});

test('C48: reading takes the scope to read and writing the scope to write, each for one person', async () => {
  const read = await accountToken(keyhold, bob, app, READ);
  expect((await api(read, 'PATCH', '/api/me/profile', { nickname: 'x' })).status).toBe(403);
  const write = await accountToken(keyhold, bob, app, WRITE);
  expect((await api(write, 'GET', '/api/me/profile')).status).toBe(403);
  const [{ id }] = await keyhold.db('profile_changes').where({ attribute: 'name', state: 'done' });
  for (const act of ['undo', 'withdraw']) {
    expect((await api(write, 'POST', `/api/me/profile/changes/${id}/${act}`)).status).toBe(404);
    expect((await api(write, 'POST', `/api/me/profile/changes/x/${act}`)).status).toBe(404);
  }
  expect((await valuesOf(ADA))['name']).toBe('Ada Lovelace');
});

test('C49: with every name there is, an app changes only what a person may (mass assignment)', async () => {
  const token = await accountToken(keyhold, bob, app, WRITE);
  const before = await valuesOf(BOB);
  const columns = [
    'account_id',
    'attribute',
    'value',
    'source',
    'recorded_at',
    'state',
    'id',
    'sub',
    'email',
    'locale',
  ];
  for (const name of [
    ...columns,
    'email_verified',
    'updated_at',
    'constructor',
    'secret_note',
    'grade',
    'picture',
  ]) {
    const { status } = await api(token, 'PATCH', '/api/me/profile', { [name]: 'x' });
    expect([name, status]).toEqual([name, 400]);
  }
  const answer = await fetch(at('/api/me/profile'), {
    method: 'PATCH',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: '{"__proto__": {"nickname": "x"}, "nickname": "Bobby"}',
  });
  expect([200, 400]).toContain(answer.status);
  expect(await valuesOf(BOB)).toEqual(answer.status === 200 ? { ...before, nickname: 'Bobby' } : before);
});

test('what somebody changes is counted, told when it is too much, and counted for them alone', async () => {
  const strict = await startKeyhold({ RATE_LIMITS: 'on' });
  const shop = await openRelyingParty(strict, { scope: `openid profile email ${WRITE}` });
  const eve = await newMember(strict, shop, 'eve@example.test');
  const token = await accountToken(strict, eve, shop, WRITE);
  const rename = (nickname: string) =>
    fetch(new URL('/api/me/profile', strict.origin), {
      method: 'PATCH',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ nickname }),
    });
  for (let times = 0; times < 60; times++) expect((await rename('same')).status).toBe(200);
  const refused = await rename('other');
  expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([
    429,
    'too_many_changes',
  ]);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  const [event] = await strict.db('events').where({ type: 'limit.reached' }).select('detail');
  expect(event?.detail).toEqual({ limit: 'profile', per: 'account' });
  const [row] = await strict.db('profile_attributes').where({ attribute: 'nickname' });
  expect(row.value).toBe('same');
  await shop.close();
  await strict.close();
});

test('somebody takes back that their names be kept: all of them go at once, whatever limits say, and nothing else', async () => {
  const cleo = await newMember(keyhold, app, 'cleo@example.test');
  const accountId = await accountOf(keyhold.db, 'cleo@example.test');
  await change(cleo, 'handle', 'Handle', 'cleo1');
  await change(cleo, 'website', 'Website', 'https://cleo.example.test/');
  await change(cleo, 'legal_name', 'Legal name', 'Cleo C.');
  const others = await valuesOf(ADA);
  await cleo.goto(at('/account/profile'));
  await cleo.follow('No longer keep this for that Handle');
  expect(cleo.page.text).toContain('Handle');
  const events = await recordedDuring(keyhold.db, () => cleo.press('Remove it'));
  expect(cleo.page.text).toContain('It is removed and is not kept any more.');
  expect(Object.keys(await valuesOf('cleo@example.test')).sort()).toEqual(['website']);
  expect(
    await keyhold.db('profile_changes').where({ account_id: accountId, attribute: 'legal_name' }),
  ).toEqual([]);
  expect(await valuesOf(ADA)).toEqual(others);
  const said = events.filter(({ type }) => type === 'profile.expired').map(({ detail }) => detail);
  expect(said).toContainEqual({ attribute: 'handle', reason: 'taken_back' });
  const mail = await cleo.latestMail('cleo@example.test');
  expect(mail.text).toContain('Handle');
  await cleo.goto(at('/account/history'));
  expect(cleo.page.text).toContain('you no longer wanted it to be kept for this');
  expect(cleo.page.text).toContain('What: Handle');
  await cleo.goto(at('/account/profile/purpose/presence'));
  const sent = { csrf: csrfOf(cleo), for: /name="for" value="([^"]+)"/.exec(cleo.page.html)?.[1] ?? '' };
  for (const purpose of ['account', 'security', 'no_such'])
    expect((await cleo.post(`/account/profile/purpose/${purpose}`, sent)).status).toBe(404);
  expect(Object.keys(await valuesOf('cleo@example.test'))).toEqual(['website']);
});

test('an app that is let takes back the same, for whoever has just proved who they are', async () => {
  const dora = await newMember(keyhold, app, 'dora@example.test');
  await change(dora, 'website', 'Website', 'https://dora.example.test/');
  const token = await accountToken(keyhold, dora, app, WRITE);
  const remove = (purpose: string) =>
    fetch(at(`/api/me/profile/purposes/${purpose}`), {
      method: 'DELETE',
      headers: { authorization: `Bearer ${token}` },
    });
  expect((await remove('account')).status).toBe(404);
  const answer = await remove('presence');
  expect([answer.status, await answer.json()]).toEqual([200, { removed: ['website'] }]);
  expect(await (await remove('presence')).json()).toEqual({ removed: [] });
  expect(await valuesOf('dora@example.test')).not.toHaveProperty('website');
});
