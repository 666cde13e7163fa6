import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { findWording, listConsentEvents } from '../../src/domain/consents/consents.js';
import { applySchema, openSchema } from '../../src/domain/profiles/profiles.js';
import { openWork } from '../../src/platform/storage/work.js';
import { setProfile } from '../support/consented.js';
import { until } from '../support/jobs.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import type { Person } from '../support/person.js';
import { memberAgain, newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty, type Tokens } from '../support/relying-party.js';
import { postStep } from '../support/steps.js';

const ADA = 'ada@example.test';
const GENDER = JSON.stringify({ userinfo: { gender: null, nickname: null } });
let keyhold: TestKeyhold;
let house: RelyingParty;
let shop: RelyingParty;
let ada: Person;
let accountId: string;
let tokens: Tokens;
let changes = 0;

beforeAll(async () => {
  keyhold = await startKeyhold({ LOG_LEVEL: 'silent' });
  house = await openRelyingParty(keyhold, { first_party: true });
  await newMember(keyhold, house, ADA);
  accountId = await accountOf(keyhold.db, ADA);
  await setProfile(keyhold.db, accountId, { nickname: 'Ada', gender: 'female', given_name: 'Augusta' });
});

beforeEach(async () => {
  await shop?.close();
  shop = await openRelyingParty(keyhold, { client_name: 'Shop' });
  ada = await memberAgain(keyhold, house, ADA);
  await ada.goto(await shop.authorizationUrl({ scope: 'openid email', claims: GENDER }));
  ada.tick('See your gender');
  ada.tick('See your nickname');
  await ada.press('Allow');
  tokens = await shop.exchange();
});

afterAll(async () => {
  await Promise.all([house?.close(), shop?.close()]);
  await keyhold?.close();
});

/** Other words for a purpose, and every process that speaks them. */
async function reword(id: string, material = true): Promise<void> {
  const { purposes, attributes, notices = [] } = await openSchema(keyhold.db);
  const standing = notices.find(({ purpose }) => purpose === id);
  const small = { version: (standing?.version ?? 1) + 1, counts_from: standing?.countsFrom ?? 1 };
  const why = { en: `Other words, number ${++changes}.` };
  const next = purposes.map(({ version: _v, counts_from: _c, ...purpose }) =>
    purpose.id === id ? { ...purpose, why, ...(!material && small) } : purpose,
  );
  await openWork(keyhold.db, { kind: 'operator' }, work =>
    applySchema(work, { purposes: next, attributes }, { source: 'operator', version: 1 }),
  );
}

const ledger = async () => listConsentEvents(keyhold.db, accountId, { clientId: shop.clientId });

test('what rests on consent stays here from the instant on at which its words change; all else goes on', async () => {
  expect(await shop.userInfo(tokens)).toMatchObject({ nickname: 'Ada', gender: 'female', email: ADA });
  await reword('naming');
  const told = await shop.userInfo(tokens);
  expect(told).toMatchObject({ gender: 'female', email: ADA });
  expect(told.nickname).toBeUndefined();
  expect((await shop.introspect(tokens.access_token)).active).toBe(true);
});

test('the next sign-in asks again about what the words are about, and the answer counts from then on', async () => {
  await reword('naming');
  await until(async () => (await ledger()).some(({ event }) => event === 'invalidated'));
  await ada.goto(await shop.authorizationUrl({ scope: 'openid email', claims: GENDER, prompt: 'none' }));
  expect(ada.page.heading).toBe('Refused: consent_required');
  await ada.goto(await shop.authorizationUrl({ scope: 'openid email' }));
  expect(ada.page.heading).toBe('Back in the app');
  const ask = async () => ada.goto(await shop.authorizationUrl({ scope: 'openid email', claims: GENDER }));
  await ask();
  await ask();
  expect([ada.page.heading, ada.page.labels]).toEqual(['Allow access?', ['See your nickname']]);
  ada.tick('See your nickname');
  await until(async () => {
    await ask();
    ada.tick('See your nickname');
    await ada.press('Allow');
    return (
      ada.page.heading === 'Back in the app' &&
      (await shop.userInfo(await shop.exchange())).nickname === 'Ada'
    );
  });
  const events = (await ledger()).map(({ event, renews }) => [event, renews]);
  expect(events.slice(0, 3)).toEqual([
    ['given', []],
    ['invalidated', []],
    ['asked_again', ['naming']],
  ]);
  expect(events.at(-1)).toEqual(['changed', ['naming']]);
  expect((await shop.userInfo(tokens)).nickname).toBe('Ada');
});

test('a typo asks nobody, and what rests on anything else than consent goes on until it is shown', async () => {
  await reword('naming', false);
  expect((await shop.userInfo(tokens)).nickname).toBe('Ada');
  await reword('account');
  expect((await shop.userInfo(tokens)).email).toBe(ADA);
  await ada.goto(await shop.authorizationUrl({ scope: 'openid email', prompt: 'none' }));
  expect(ada.page.heading).toBe('Back in the app');
  await ada.goto(await shop.authorizationUrl({ scope: 'openid email' }));
  expect([ada.page.heading, ada.page.text.includes('See your email address')]).toEqual([
    'Allow access?',
    true,
  ]);
});

test('the words that stood on the page are on record, by their hash and without anything about the person', async () => {
  const [given] = await ledger();
  const wording = (await findWording(keyhold.db, given?.wording ?? '')) ?? '';
  expect(createHash('sha256').update(wording).digest('hex')).toBe(given?.wording);
  const { language, lines } = JSON.parse(wording) as { language: string; lines: string[] };
  expect([language, given?.language]).toEqual(['en', 'en']);
  for (const line of [
    'Allow access?',
    'Shop',
    'See your nickname',
    'See your email address',
    'Allow',
    "Don't allow",
  ])
    expect(lines).toContain(line);
  expect(wording).not.toContain(ADA);
  expect(wording).not.toContain('Augusta');
  expect(given).toMatchObject({
    notices: { account: expect.any(Number), naming: expect.any(Number), comfort: 1 },
    recipients: [{ name: 'Shop', client_id: shop.clientId }],
    retention: { account: 'account', naming: 'account', comfort: 'account' },
    jurisdiction: ['EU'],
    withdrawal: `${keyhold.issuer}/account/apps/${shop.clientId}`,
    method: 'consent_page',
  });
});

test.each(['en', 'de', 'fr', 'es', 'ar'])(
  'in %s every line on record stands on the page, in its order',
  async language => {
    await ada.goto(await shop.authorizationUrl({ claims: GENDER, prompt: 'consent', ui_locales: language }));
    const shown = ada.page.text.replace(/\s+/g, ' ');
    await postStep(ada, '/consent');
    const wording = (await findWording(keyhold.db, (await ledger()).at(-1)?.wording ?? '')) ?? '{}';
    const { lines, language: spoken } = JSON.parse(wording) as { lines: string[]; language: string };
    expect([spoken, lines.length > 8]).toEqual([language, true]);
    let from = 0;
    for (const line of lines) {
      const at = shown.indexOf(line.replace(/\s+/g, ' '), from);
      expect([line, at >= from]).toEqual([line, true]);
      from = at;
    }
  },
);

test('an answer to other words than those that would stand there now is none', async () => {
  await ada.goto(await shop.authorizationUrl({ claims: GENDER, prompt: 'consent' }));
  const before = (await ledger()).length;
  for (const wording of ['', '0'.repeat(64)]) {
    await postStep(ada, '/consent', { wording });
    expect(ada.page.status).toBe(400);
    expect(ada.page.text).toContain('What is asked has changed since this page was shown.');
  }
  expect(await ledger()).toHaveLength(before);
  await ada.press('Allow');
  expect(ada.page.heading).toBe('Back in the app');
});

test('an app whose consents end is asked for again after that, and the page says when', async () => {
  const brief = await openRelyingParty(keyhold, { client_name: 'Brief', consent_lasts: '30 days' });
  await ada.goto(await brief.authorizationUrl({ scope: 'openid email' }));
  expect(ada.page.text).toContain('Your choice is kept for 30 days.');
  await ada.press('Allow');
  const [given] = await listConsentEvents(keyhold.db, accountId, { clientId: brief.clientId });
  const days = (Number(given?.validUntil) - Number(given?.at)) / 86_400_000;
  expect(Math.round(days)).toBe(30);
  await brief.close();
});
