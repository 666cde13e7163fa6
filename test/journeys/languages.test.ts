import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { load } from 'cheerio';
import { personAt, signUp } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { codeIn, objectionIn } from '../support/mailbox.js';
import type { ReadPage } from '../support/page.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { postStep, toRecoveryCredential } from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

let keyhold: TestKeyhold;
let house: RelyingParty;

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true });
});

afterAll(async () => {
  await house?.close();
  await keyhold?.close();
});

const spoken = ({ html }: ReadPage) => {
  const { lang, dir } = load(html)('html').attr() ?? {};
  return `${lang} ${dir}`;
};

test.each([
  ['fr-CA,fr;q=0.9,en;q=0.5', 'fr ltr'],
  ['es-MX', 'es ltr'],
  ['ar-EG,ar;q=0.9,en;q=0.8', 'ar rtl'],
  ['de-CH', 'de ltr'],
  ['zh-Hant-TW', 'en ltr'],
])('a browser that reads %s is answered in %s', async (language, expected) => {
  const person = personAt(keyhold, { language });
  expect(spoken(await person.goto(keyhold.origin))).toBe(expected);
  expect(spoken(await person.goto(await house.authorizationUrl()))).toBe(expected);
});

test.each([
  '/',
  '/apps',
  '/device?user_code=BCDF-GHJK',
  '/sign-out',
  '/terms',
  '/nowhere',
  '/dev/mailbox',
  '/authorize?client_id=nobody',
  '/interaction/none',
])('%s offers every language, and the choice leads to the same page', async path => {
  const person = personAt(keyhold);
  const { status } = await person.goto(keyhold.origin + path);
  for (const [name, expected] of [
    ['العربية', 'ar rtl'],
    ['Español', 'es ltr'],
    ['Français', 'fr ltr'],
    ['Deutsch', 'de ltr'],
    ['English', 'en ltr'],
  ] as const) {
    const page = await person.follow(name);
    expect([page.url.pathname, page.status, spoken(page)]).toEqual([path.split('?')[0], status, expected]);
  }
});

test('an app learns which languages it may wish for', async () => {
  const discovered = await fetch(`${keyhold.origin}/.well-known/openid-configuration`);
  const { ui_locales_supported: languages } = (await discovered.json()) as Record<string, unknown>;
  expect(languages).toEqual(['en', 'ar', 'de', 'es', 'fr']);
});

test('the choice leads nowhere else, whatever the address says', async () => {
  const person = personAt(keyhold);
  const { html } = await person.goto(`${keyhold.origin}//evil.example/?a="><b>&ui_locales=xx&ui_locales=yy`);
  const links = load(html)('.languages a').toArray();
  expect(links).toHaveLength(5);
  for (const link of links) expect(link.attribs['href']).toMatch(/^\/\?ui_locales=[a-z]{2}$/);
});

test('a form that was answered offers a language, from the start or from where its page is', async () => {
  const person = personAt(keyhold);
  await person.post(`${keyhold.origin}/sign-out`, { csrf: 'wrong' });
  expect(person.page.status).toBe(403);
  expect(spoken(await person.follow('Français'))).toBe('fr ltr');
});

test('mails speak the language of their reader: of whoever asks for a code, and of whoever owns the account', async () => {
  const email = 'layla@example.test';
  const layla = personAt(keyhold, { language: 'ar-EG' });
  await layla.goto(await house.authorizationUrl({ prompt: 'create' }));
  layla.fill('البريد الإلكتروني', email);
  await layla.press('متابعة');
  const first = await layla.latestMail(email);
  expect(load(first.html)('html').attr()).toMatchObject({ lang: 'ar', dir: 'rtl' });
  expect(first.subject).toContain('هو رمزك');
  layla.fill('الرمز', codeIn(first));
  await layla.press('متابعة');
  layla.tick('أوافق على شروط الاستخدام');
  layla.fill('كلمة المرور', GOOD_PASSWORD);
  await layla.press('إنشاء حساب');

  const somebody = personAt(keyhold);
  await toRecoveryCredential(somebody, house, email);
  const code = await somebody.latestMail(email);
  expect(code.subject).toContain('is your Keyhold code');
  await postStep(somebody, '/recovery/password', { password: 'seven badgers rehearse muffled anthems' });
  const notice = await layla.latestMail(email, code);
  expect(load(notice.html)('html').attr('dir')).toBe('rtl');
  expect(notice.subject).toContain('كلمة مرورك');
  await layla.goto(objectionIn(notice));
  expect(layla.page.heading).toBe('هل كان هذا أنت؟');
});

test('the pages of an account speak its language, until another is chosen in the browser', async () => {
  const email = 'klara@example.test';
  await signUp(personAt(keyhold), house, email);
  await keyhold
    .db('accounts')
    .where({ id: await accountOf(keyhold.db, email) })
    .update({ language: 'de' });
  const klara = personAt(keyhold, { language: 'fr' });
  await klara.goto(`${keyhold.origin}/account`);
  expect(spoken(klara.page)).toBe('fr ltr');
  klara.fill('E-mail', email);
  await klara.press('Continuer');
  klara.fill('Mot de passe', GOOD_PASSWORD);
  await klara.press('Se connecter');
  expect([klara.page.heading, spoken(klara.page)]).toEqual(['Ihr Konto', 'de ltr']);
  await klara.follow('Español');
  await klara.goto(`${keyhold.origin}/account`);
  expect(spoken(klara.page)).toBe('es ltr');
});
