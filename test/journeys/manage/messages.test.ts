import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { applyTopics, listOptIns } from '../../../src/domain/messages/messages.js';
import { openWork } from '../../../src/platform/storage/work.js';
import { accountToken } from '../../support/account-api.js';
import { until } from '../../support/jobs.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf, recordedDuring } from '../../support/ledger.js';
import type { Person } from '../../support/person.js';
import { newMember } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';
import { csrfOf } from '../../support/steps.js';
import { NEWS } from '../../support/topics.js';

const ADA = 'ada@example.test';
const SCOPES = 'account:messages:read account:preferences:read account:preferences:write';
const [news] = NEWS.topics;
let keyhold: TestKeyhold;
let app: RelyingParty;
let ada: Person;
let adaId: string;

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, { scope: `openid profile email ${SCOPES}` });
  ada = await newMember(keyhold, app, ADA);
  adaId = await accountOf(keyhold.db, ADA);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

const goto = (path: string) => ada.goto(new URL(path, keyhold.origin));
const declare = (input: unknown) =>
  openWork(keyhold.db, { kind: 'operator' }, work => applyTopics(work, input));
const live = async () =>
  (await listOptIns(keyhold.db, adaId))
    .filter(each => each.live)
    .map(each => `${each.topic} ${each.channel}`);

async function fill(count: number, kind: string): Promise<void> {
  await keyhold.db.raw(
    `INSERT INTO messages (account_id, id, channel, kind, template, template_version, language, queued_at, state_at, state)
     SELECT ?, ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'email', ?, 't', '1', 'en',
       now() - interval '1 year', now(), 'sent' FROM generate_series(1, ?) n`,
    [adaId, kind, count],
  );
}

async function api(method: string, path: string, body?: unknown) {
  const token = await accountToken(keyhold, ada, app, SCOPES);
  const answer = await fetch(new URL(path, keyhold.origin), {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: await answer.json() };
}

test('the first code is the first message; without topics and other messages both pages say so', async () => {
  await goto('/account/messages?only=topic');
  expect(ada.page.text).toContain('There is no message of this kind.');
  await goto('/account/messages');
  expect(ada.page.text).toContain('•••••••• is your Keyhold code');
  expect(ada.page.html.match(/Why did I get this\?/g)).toHaveLength(1);
  expect(ada.page.html).not.toMatch(/\b\d{8} is your/);
  await keyhold.db('messages').delete();
  await goto('/account/messages');
  expect(ada.page.text).toContain('We have not sent you anything yet.');
  await goto('/account/preferences');
  expect(ada.page.text).toContain('There is nothing to choose at the moment');
  expect(ada.page.text).toContain('These always come, and cannot be switched off');
});

test('nothing is ticked that was not said; what is ticked counts for the words that were read', async () => {
  await declare(NEWS);
  await goto('/account/preferences');
  expect(ada.page.html).not.toMatch(/type="checkbox"[^>]*checked/);
  expect(ada.page.text).toContain('Yes, tell me once a month what is new.');
  ada.tick('News by email');
  const events = await recordedDuring(keyhold.db, () => ada.press('Save choice'));
  expect(events).toMatchObject([
    {
      type: 'opt_in.given',
      account_id: adaId,
      detail: { topic: 'news', channel: 'email', version: 1, language: 'en', place: 'preferences' },
    },
    { type: 'objection.begun', account_id: adaId },
  ]);
  await until(async () => (await ada.newestMail(ADA, /Messages from Keyhold were turned on/)) !== undefined);
  expect([ada.page.heading, await live()]).toEqual(['Preferences', ['news email']]);
  expect(ada.page.text).toContain('Your choice is saved.');
  expect(ada.page.text).toMatch(/You have been getting this since /);
  expect(await recordedDuring(keyhold.db, () => ada.press('Save choice'))).toEqual([]);
});

test('what is unticked is withdrawn', async () => {
  await goto('/account/preferences');
  ada.untick('News by email');
  const events = await recordedDuring(keyhold.db, () => ada.press('Save choice'));
  expect(events.map(({ type, detail }) => [type, detail['place']])).toEqual([
    ['opt_in.withdrawn', 'preferences'],
    ['objection.begun', undefined],
  ]);
  await until(async () => (await ada.newestMail(ADA, /Messages from Keyhold were turned off/)) !== undefined);
  expect(await live()).toEqual([]);
});

test('words that changed after they were read are not agreed to', async () => {
  await goto('/account/preferences');
  ada.tick('News by email');
  const words = { en: { name: 'News', description: 'Daily.', opt_in: 'Yes, tell me everything, daily.' } };
  await declare({ topics: [{ ...news, version: 2, words }] });
  const events = await recordedDuring(keyhold.db, () => ada.press('Save choice'));
  expect([ada.page.status, events, await live()]).toEqual([409, [], []]);
  expect(ada.page.alerts[0]).toContain('The words of a topic have changed meanwhile');
  expect(ada.page.text).toContain('Yes, tell me everything, daily.');
  expect(ada.page.html).not.toMatch(/type="checkbox"[^>]*checked/);
});

test('C49: a topic, version or channel that was made up changes nothing', async () => {
  await goto('/account/preferences');
  const post = (read: string) =>
    ada.post('/account/preferences', { csrf: csrfOf(ada), for: adaId, read, want: read });
  for (const read of [
    'secret email 1 en',
    'news email 7 en',
    'news email 2 xx',
    'news pigeon 2 en',
    "news email 2 en'--",
  ]) {
    expect(await recordedDuring(keyhold.db, () => post(read))).toEqual([]);
  }
  expect(await live()).toEqual([]);
});

test('who changes the language is told of it first, in the language they read', async () => {
  await goto('/account/preferences');
  ada.fill('Language', 'Deutsch');
  ada.fill('Time zone', 'Berlin · Central European Time');
  const events = await recordedDuring(keyhold.db, () => ada.press('Save language and time zone'));
  expect(events.map(({ type }) => type)).toEqual(
    expect.arrayContaining(['account.language_changed', 'profile.changed', 'objection.begun']),
  );
  expect(ada.page.heading).toBe('Einstellungen');
  expect((await keyhold.db('accounts').where({ id: adaId }).first()).language).toBe('de');
  await until(
    async () => (await ada.newestMail(ADA, /language of your Keyhold account was changed/)) !== undefined,
  );
  await until(
    async () => (await ada.newestMail(ADA, /time zone of your Keyhold account was changed/)) !== undefined,
  );
  await goto('/account/preferences?ui_locales=en');
  expect(ada.page.html).toMatch(/value="Europe\/Berlin" selected/);
  const again = await recordedDuring(keyhold.db, () => ada.press('Save language and time zone'));
  expect(again).toEqual([]);
});

test('a time zone or language that is none is not taken', async () => {
  await goto('/account/preferences?ui_locales=en');
  const post = (fields: Record<string, string>) =>
    ada.post('/account/preferences/language', { csrf: csrfOf(ada), for: adaId, ...fields });
  const before = await keyhold.db('accounts').where({ id: adaId }).first();
  await post({ language: 'en', zone: 'Mars/Olympus' });
  expect([ada.page.status, ada.page.alerts.length]).toEqual([400, 1]);
  await post({ language: 'xx' });
  expect(await keyhold.db('accounts').where({ id: adaId }).first()).toEqual(before);
});

test('messages are listed with why, and what became of them; the way to the next page is at the end', async () => {
  await goto('/account/messages?ui_locales=en');
  expect(ada.page.text).toContain('The language of your Keyhold account was changed');
  expect(ada.page.text).toContain('It concerns the safety of your account.');
  expect(ada.page.text).toContain(ADA);
  await fill(50, 'account');
  await goto('/account/messages');
  expect(ada.page.html.match(/Why did I get this\?/g)).toHaveLength(20);
  await ada.follow('Older messages');
  await ada.follow('Older messages');
  expect(ada.page.html.match(/Why did I get this\?/g)?.length).toBeLessThanOrEqual(20);
  await ada.follow('Newest messages');
  expect(ada.page.url.pathname + ada.page.url.search).toBe('/account/messages');
  await ada.follow('Safety');
  expect(ada.page.html.match(/Why did I get this\?/g)).toHaveLength(4);
});

test('nonsense in the address shows the newest', async () => {
  for (const query of ['only=nonsense', 'before=nonsense', "before=' OR 1=1 --", 'only=security&only=code']) {
    await goto(`/account/messages?${query}`);
    expect([query, ada.page.status]).toEqual([query, 200]);
  }
});

test('an app that is let sees the messages, page by page, and what they went out on', async () => {
  const { status, body } = await api('GET', '/api/me/messages?limit=2');
  expect([status, body.messages.length]).toEqual([200, 2]);
  expect(body.messages[0]).toMatchObject({ kind: 'security', to: ADA, state: 'sent', opt_in: null });
  const next = await api('GET', `/api/me/messages?limit=2&before=${body.before}`);
  expect(next.body.messages[0].id < body.messages[1].id).toBe(true);
  expect((await api('GET', '/api/me/messages?limit=1000')).status).toBe(400);
});

test('an app changes what is named, all of it or nothing, and only for words that stand', async () => {
  const given = { topic: 'news', channel: 'email', wanted: true, version: 2, language: 'en' };
  const { body } = await api('GET', '/api/me/preferences');
  expect(body).toMatchObject({ language: 'de', time_zone: 'Europe/Berlin' });
  expect(body.topics).toMatchObject([
    { topic: 'news', version: 2, channels: [{ channel: 'email', wanted: false, given: null }, {}] },
  ]);
  for (const [wrong, expected] of [
    [{ topics: [given, { ...given, version: 1 }] }, 409],
    [{ topics: [given, { ...given, topic: 'none' }] }, 404],
    [{ topics: [given], language: 'xx' }, 400],
    [{ topics: [given], time_zone: 'Mars/Olympus' }, 400],
  ] as const) {
    expect([wrong, (await api('PATCH', '/api/me/preferences', wrong)).status]).toEqual([wrong, expected]);
    expect(await live()).toEqual([]);
  }
  const taken = await api('PATCH', '/api/me/preferences', { topics: [given], time_zone: null });
  expect(taken).toMatchObject({ status: 200, body: { language: 'de', time_zone: null } });
  expect(await live()).toEqual(['news email']);
  const [optIn] = await listOptIns(keyhold.db, adaId);
  expect(optIn).toMatchObject({ place: 'api', version: 2 });
});
