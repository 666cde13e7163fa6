import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sweepDisclosures } from '../../../src/domain/disclosures/disclosures.js';
import { setAttributes, standardSchema } from '../../../src/domain/profiles/profiles.js';
import { TOPICS } from '../../../src/journeys/manage/disclosures/labels.js';
import { API_OPERATIONS } from '../../../src/journeys/manage/routes.js';
import { topicOf } from '../../../src/journeys/manage/topics.js';
import { openWork } from '../../../src/platform/storage/work.js';
import { accountToken } from '../../support/account-api.js';
import { hashOf, leftTo } from '../../support/disclosures.js';
import { personAt } from '../../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf } from '../../support/ledger.js';
import { EVERY_SCOPE } from '../../support/owner.js';
import { signInBeside } from '../../support/people.js';
import type { Person } from '../../support/person.js';
import { newMember } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';

// What somebody sees of what left about them, and what their apps are told by the account API.

const EMAIL = 'ada@example.test';

let keyhold: TestKeyhold;
let shop: RelyingParty;
let album: RelyingParty;
let accountId: string;

beforeAll(async () => {
  keyhold = await startKeyhold();
  shop = await openRelyingParty(keyhold, { client_name: '=Shop()' });
  album = await openRelyingParty(keyhold, {
    client_name: 'Photo Album',
    first_party: true,
    scope: `openid profile email ${EVERY_SCOPE}`,
  });
  await newMember(keyhold, shop, EMAIL);
  accountId = await accountOf(keyhold.db, EMAIL);
  await change({ name: 'Ada Lovelace' });
  await shop.userInfo(await shop.exchange());
}, 60_000);

afterAll(async () => {
  await Promise.all([shop, album].map(app => app?.close()));
  await keyhold?.close();
});

const change = (values: Readonly<Record<string, unknown>>) =>
  openWork(keyhold.db, { kind: 'operator' }, work =>
    setAttributes(work, standardSchema().schema, accountId, values, 'operator'),
  );

const at = (path: string) => new URL(path, keyhold.origin);

async function owner(): Promise<Person> {
  const person = personAt(keyhold);
  await signInBeside(person, shop, EMAIL);
  return person;
}

const token = async (scope: string) => accountToken(keyhold, await owner(), album, scope);

async function ask(path: string, bearer: string, init: RequestInit = {}) {
  const headers = { Authorization: `Bearer ${bearer}`, 'Content-Type': 'application/json' };
  const answer = await fetch(at(path), { ...init, headers });
  expect([path, answer.status < 300]).toEqual([path, true]);
  return answer.status === 204 ? {} : ((await answer.json()) as Record<string, never>);
}

const toAlbum = () => leftTo({ db: keyhold.db, email: EMAIL, clientId: album.clientId });

test('a person sees who was told what, when and why, and what is different by now', async () => {
  const ada = await owner();
  await ada.goto(at('/account/disclosures'));
  expect(ada.page.heading).toBe('Who was told what about you');
  expect(ada.page.text).toMatch(/=Shop\(\) was told: .*Email address.*Full name/);
  expect(ada.page.text).toContain('When it asked who you are');
  expect(ada.page.text).toContain('You agreed to it.');
  expect(ada.page.text).toContain('Calling you by your name');
  expect(ada.page.text).not.toContain('Different by now');
  await change({ name: 'Ada King' });
  await ada.goto(at('/account/disclosures'));
  expect(ada.page.text).toContain('Different by now: Full name');
  await change({ name: 'Ada Lovelace' });
  await ada.goto(at('/account/disclosures'));
  expect(ada.page.text).not.toContain('Different by now');
});

test('one app or one claim is looked at alone, and one that was never told anything finds nothing', async () => {
  const ada = await owner();
  await ada.goto(at(`/account/disclosures?app=${shop.clientId}&claim=email`));
  expect(ada.page.text).toContain('=Shop() was told: Email address');
  expect(ada.page.text).not.toMatch(/was told: .*Full name/);
  await ada.goto(at('/account/disclosures?claim=birthdate'));
  expect(ada.page.text).toContain('Nothing like that was told.');
  for (const strange of ['app=%27%22%3E', 'before=1', 'app[]=x', `app=${'x'.repeat(4_000)}`]) {
    await ada.goto(at(`/account/disclosures?${strange}`));
    expect([strange, ada.page.status]).toEqual([strange, 200]);
  }
});

test('somebody to whom nothing happened reads what will stand there', async () => {
  const person = await newMember(keyhold, album, 'new@example.test');
  await keyhold
    .db('disclosures')
    .where({ account_id: await accountOf(keyhold.db, 'new@example.test') })
    .delete();
  await keyhold
    .db('disclosed')
    .where({ account_id: await accountOf(keyhold.db, 'new@example.test') })
    .delete();
  await person.goto(at('/account/disclosures'));
  expect(person.page.text).toContain('No app was told anything about you yet.');
});

test('many rows come page by page, each once, and what left in one answer is not divided', async () => {
  const tokens = await (async () => {
    const ada = await owner();
    await ada.goto(await shop.authorizationUrl());
    if (ada.page.buttons.includes('Allow')) await ada.press('Allow');
    return shop.exchange();
  })();
  for (let index = 0; index < 70; index++) {
    await change({ nickname: `Nick ${index}`, name: `Ada ${index}` });
    await shop.userInfo(tokens);
  }
  const ada = await owner();
  const bearer = await accountToken(keyhold, ada, album, 'account:disclosures:read');
  const seen: string[] = [];
  let path = '/api/me/disclosures?limit=15';
  for (let pages = 0; path !== ''; pages++) {
    expect(pages).toBeLessThan(40);
    const { disclosures, next } = (await ask(path, bearer)) as unknown as {
      disclosures: { id: string; claims: { name: string }[] }[];
      next?: string;
    };
    seen.push(...disclosures.flatMap(({ id, claims }) => claims.map(({ name }) => `${id} ${name}`)));
    path = next ? `/api/me/disclosures?limit=15&before=${next}` : '';
  }
  const all = await keyhold.db('disclosures').where({ account_id: accountId }).select('id', 'claim');
  expect(new Set(seen).size).toBe(seen.length);
  const known = new Set(seen);
  const own = all.filter(({ claim }) => claim !== 'account:disclosures');
  expect(own.filter(({ id, claim }) => !known.has(`${id} ${claim}`))).toEqual([]);
  await ada.goto(at('/account/disclosures'));
  expect(ada.page.html).toContain('Older');
  await ada.follow('Older');
  expect(ada.page.html).toContain('Back to the newest');
}, 60_000);

test('all of it is downloaded, and no value is a formula for a spreadsheet', async () => {
  const ada = await owner();
  const csv = await ada.goto(at('/account/disclosures.csv'));
  expect(csv.headers.get('Content-Disposition')).toBe('attachment; filename="disclosures.csv"');
  const lines = csv.html.split('\r\n').filter(line => line !== '');
  const { count } = (await keyhold.db('disclosures').where({ account_id: accountId }).count().first()) ?? {};
  expect(lines).toHaveLength(Number(count) + 1);
  expect(lines.filter(line => line.includes('"=Shop()"'))).toEqual([]);
  expect(lines.filter(line => line.includes(`"'=Shop()"`)).length).toBeGreaterThan(3);
  expect(csv.html).not.toContain('Ada Lovelace');
  const json = JSON.parse((await ada.goto(at('/account/disclosures.json?claim=email'))).html);
  expect(json[0]).toMatchObject({
    app: { client_id: shop.clientId, name: '=Shop()' },
    way: 'userinfo',
    claims: [{ name: 'email', purpose: 'account', changed_since: false, what: 'Email address' }],
  });
});

test('an app is on record for each attribute that the profile tells it, and only when it has changed', async () => {
  await change({
    name: 'Ada Lovelace',
    nickname: 'Countess',
    address: { locality: 'London', country: 'GB' },
  });
  const bearer = await token('account:profile:read');
  const { attributes } = (await ask('/api/me/profile', bearer)) as unknown as {
    attributes: { name: string; value?: unknown }[];
  };
  const told = attributes.filter(({ value }) => value !== undefined);
  const hash = await hashOf(keyhold.db, keyhold.config.secret, accountId);
  const rows = (await toAlbum()).filter(({ way }) => way === 'api');
  const known = new Map(rows.map(row => [row.claim, row.value_hash.toString('hex')]));
  expect(told.map(({ name }) => name)).toContain('address');
  for (const { name, value } of told) expect([name, known.get(name)]).toEqual([name, hash(name, value)]);
  expect(new Set(rows.map(({ consent_id }) => consent_id))).toEqual(new Set([null]));
  const ada = await owner();
  await ada.goto(at(`/account/disclosures?app=${album.clientId}`));
  expect(ada.page.text).not.toContain('Different by now');

  const before = (await toAlbum()).length;
  const again = await keyhold.trips.during(() => ask('/api/me/profile', bearer));
  expect((await toAlbum()).length).toBe(before);
  await change({ nickname: 'Enchantress' });
  const fresh = await keyhold.trips.during(() => ask('/api/me/profile', bearer));
  expect((await toAlbum()).slice(before).map(({ claim }) => claim)).toEqual(['nickname']);
  expect(fresh.length).toBe(again.length + 1);
});

test('whatever an operation answers counts, as an attribute or as a topic that has a name', async () => {
  const bearer = await token(EVERY_SCOPE);
  const reads = API_OPERATIONS.filter(({ method, path }) => method === 'GET' && !path.includes(':'));
  const said: string[] = [];
  for (const { path } of reads) {
    const before = (await toAlbum()).length;
    await keyhold.db('disclosed').where({ account_id: accountId, client_id: album.clientId }).delete();
    const answer = await fetch(at(path), { headers: { Authorization: `Bearer ${bearer}` } });
    /* There is nothing of that kind. */
    if (answer.status === 404) continue;
    expect([path, (await toAlbum()).length > before]).toEqual([path, true]);
    said.push(path);
  }
  expect(said.length).toBeGreaterThan(6);
  const names = new Set(standardSchema().schema.attributes.map(({ name }) => name));
  const topics = (await toAlbum())
    .map(({ claim }) => claim)
    .filter(claim => claim !== 'sub' && !names.has(claim));
  const nameless = topics.filter(
    topic => !TOPICS.some(known => `account:${known}` === topic.replaceAll('-', '_')),
  );
  expect(nameless).toEqual([]);
  const silent = API_OPERATIONS.filter(one => one.answer && !one.tells).map(topicOf);
  expect(
    silent.filter(topic => !TOPICS.some(known => `account:${known}` === topic.replaceAll('-', '_'))),
  ).toEqual([]);
});

test('the history counts once for each day on which an app reads it', async () => {
  const bearer = await token('account:history:read');
  await ask('/api/me/history', bearer);
  const before = (await toAlbum()).length;
  await ask('/api/me/history?limit=1', bearer);
  expect((await toAlbum()).length).toBe(before);
});

test('what was replaced goes when the policy says so, and what was told last never does', async () => {
  const days = 400;
  const row = (claim: string) =>
    keyhold
      .db('disclosures')
      .where({ account_id: accountId, client_id: shop.clientId, way: 'userinfo', claim });
  const latest = await row('nickname').orderBy('id', 'desc').first('id');
  const email = await row('email').pluck('id');
  const sweep = (at: number) => {
    const { run } = sweepDisclosures(keyhold.db, { days, now: () => new Date(Date.now() + at * 86_400_000) });
    return run({}, { signal: new AbortController().signal } as never);
  };
  const many = (await row('nickname')).length;
  expect(many).toBeGreaterThan(50);
  await sweep(days - 1);
  expect(await row('nickname')).toHaveLength(many);
  await sweep(days + 1);
  expect(await row('nickname').pluck('id')).toEqual([latest?.id]);
  expect(await row('email').pluck('id')).toEqual(email);
  await sweep(days * 20);
  expect(await row('nickname').pluck('id')).toEqual([latest?.id]);
  const left = await keyhold.db('disclosures').where({ account_id: accountId }).whereNotNull('replaces');
  expect(left).toEqual([]);
});
