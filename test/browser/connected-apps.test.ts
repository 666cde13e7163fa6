import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import {
  findConsent,
  foldConsent,
  giveConsent,
  listConsentEvents,
} from '../../src/domain/consents/consents.js';
import { listDisclosures } from '../../src/domain/disclosures/disclosures.js';
import { setAttributes, standardSchema } from '../../src/domain/profiles/profiles.js';
import { openWork } from '../../src/platform/storage/work.js';
import {
  type BrowserPerson,
  type BrowserPersonOptions,
  openBrowser,
  type TestBrowser,
} from '../support/browser.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { GOOD_PASSWORD } from '../support/walk.js';

// What each app may have, in a real browser.

/* Each page is looked at for barriers. */
jest.setTimeout(90_000);

const EMAIL = 'ada@example.test';
const LOOK = process.env['LOOK_AT_APPS'];
const CLAIMS = JSON.stringify({ userinfo: { nickname: null, gender: null, birthdate: null } });
const DAY = 86_400_000;

let keyhold: TestKeyhold;
let browser: TestBrowser;
let house: RelyingParty;
let shop: RelyingParty;
let album: RelyingParty;
let accountId: string;

beforeAll(async () => {
  [keyhold, browser] = await Promise.all([startKeyhold(), openBrowser()]);
  house = await openRelyingParty(keyhold, { client_name: 'Town Hall', first_party: true });
  shop = await openRelyingParty(keyhold, { client_name: 'Buchladen am Eck' });
  album = await openRelyingParty(keyhold, { client_name: 'Photo Album' });
  await newMember(keyhold, house, EMAIL);
  accountId = await accountOf(keyhold.db, EMAIL);
  const values = { nickname: 'Countess', gender: 'female', birthdate: '1985-12-10', name: 'Ada Lovelace' };
  await openWork(keyhold.db, { kind: 'operator' }, work =>
    setAttributes(work, standardSchema().schema, accountId, values, 'operator'),
  );
}, 60_000);

afterAll(async () => {
  await browser.close();
  await Promise.all([house, shop, album].map(app => app.close()));
  await keyhold.close();
});

/** Somebody who is led to sign in, in a browser of their own. */
async function signedIn(url: URL, options: BrowserPersonOptions = {}): Promise<BrowserPerson> {
  const person = await browser.newPerson({ passkeys: false, ...options });
  const { page } = person;
  await page.goto(url.href);
  await page.getByLabel('Email').fill(EMAIL);
  await page.getByRole('button', { name: 'Continue', exact: true }).click();
  await page.getByLabel('Password', { exact: true }).fill(GOOD_PASSWORD);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  return person;
}

const atApps = async (options: BrowserPersonOptions = {}) => {
  const person = await signedIn(new URL('/account/apps', keyhold.origin), options);
  await sees(person, 'Apps that know you');
  return person;
};

const sees = ({ page }: BrowserPerson, name: string) =>
  page.getByRole('heading', { level: 1, name, exact: true }).waitFor();

async function looked(person: BrowserPerson, name: string): Promise<void> {
  expect(await person.accessibilityProblems()).toEqual([]);
  const wider = await person.page.evaluate('document.documentElement.scrollWidth > innerWidth');
  expect([name, wider]).toEqual([name, false]);
  if (LOOK) await person.page.screenshot({ path: `${LOOK}/${name}.png`, fullPage: true });
}

/* Which person it is, and what every app must keep to: nobody is asked for these. */
const NOBODY_ASKED: readonly string[] = ['sub', 'sale_opt_out'];

/** What an app itself writes down: each claim about the person that it was ever told, and what it was told last. */
class Kept {
  readonly ever = new Set<string>();
  last: readonly string[] = [];

  write(told: object): void {
    this.last = Object.keys(told)
      .filter(claim => !NOBODY_ASKED.includes(claim))
      .sort();
    for (const claim of this.last) this.ever.add(claim);
  }
}

/** What we have written down that an app was told when it asked who somebody is. */
async function onRecord(app: RelyingParty): Promise<readonly string[]> {
  const left = await listDisclosures(keyhold.db, { accountId, clientId: app.clientId }, 500);
  const claims = left.filter(({ way }) => way === 'userinfo').map(({ claim }) => claim);
  return [...new Set(claims)].filter(claim => !NOBODY_ASKED.includes(claim)).sort();
}

async function expectOneTruth(app: RelyingParty, kept: Kept): Promise<void> {
  expect(await onRecord(app)).toEqual([...kept.ever].sort());
  const standing = await findConsent(keyhold.db, accountId, app.clientId);
  expect(kept.last).toEqual(standing?.claims);
  const events = await listConsentEvents(keyhold.db, accountId, { clientId: app.clientId });
  expect(foldConsent(events)).toEqual(standing);
}

async function letIn(person: BrowserPerson, app: RelyingParty, ticked: readonly string[]) {
  const { page } = person;
  for (const label of ticked) await page.getByLabel(label, { exact: true }).check();
  await page.getByRole('button', { name: 'Allow', exact: true }).click();
  await sees(person, 'Back in the app');
  return app.exchange();
}

const asking = { scope: 'openid offline_access', claims: CLAIMS };

test('two apps, one person: optional claims refused, one taken back, the next refresh and userinfo without it, and both ledgers agree', async () => {
  const person = await signedIn(await shop.authorizationUrl(asking));
  const { page } = person;
  const [shopKept, albumKept] = [new Kept(), new Kept()];
  await sees(person, 'Allow access?');
  const labels = await page
    .getByRole('checkbox')
    .evaluateAll(boxes =>
      boxes.map(
        box => (box as unknown as { labels: { textContent: string }[] }).labels[0]?.textContent ?? '',
      ),
    );
  expect(labels).toHaveLength(3);
  const shopTokens = await letIn(person, shop, labels.slice(0, 2));
  await page.goto((await album.authorizationUrl(asking)).href);
  const albumTokens = await letIn(person, album, labels);
  shopKept.write(await shop.userInfo(shopTokens));
  albumKept.write(await album.userInfo(albumTokens));
  expect([shopKept.last.length, albumKept.last]).toEqual([2, ['birthdate', 'gender', 'nickname']]);
  await Promise.all([expectOneTruth(shop, shopKept), expectOneTruth(album, albumKept)]);

  await page.goto(new URL('/account/apps', keyhold.origin).href);
  await sees(person, 'Apps that know you');
  await page.getByRole('link', { name: 'See and change what Photo Album may have' }).click();
  await sees(person, 'Photo Album');
  await page.getByLabel('Nickname', { exact: true }).uncheck();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('Your change is saved.').waitFor();
  expect(await page.getByLabel('Nickname', { exact: true }).isChecked()).toBe(false);
  albumKept.write(await album.userInfo(albumTokens));
  expect(albumKept.last).toEqual(['birthdate', 'gender']);
  const refreshed = await album.refresh(albumTokens.refresh_token ?? '');
  albumKept.write(await album.userInfo(refreshed));
  expect(albumKept.last).toEqual(['birthdate', 'gender']);
  shopKept.write(await shop.userInfo(await shop.refresh(shopTokens.refresh_token ?? '')));
  await Promise.all([expectOneTruth(shop, shopKept), expectOneTruth(album, albumKept)]);

  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download the receipt' }).first().click();
  expect((await download).suggestedFilename()).toMatch(/^receipt-.*\.jws$/);
  await page.getByRole('link', { name: 'Take back everything' }).click();
  await sees(person, 'Take back everything from Photo Album');
  await looked(person, 'remove');
  await page.getByRole('button', { name: 'Take back everything' }).click();
  await page.getByText('Everything is taken back.').waitFor();
  await looked(person, 'taken-back');
  await expect(album.refresh(refreshed.refresh_token ?? '')).rejects.toMatchObject({
    error: 'invalid_grant',
  });
  await expect(album.userInfo(refreshed)).rejects.toThrow();
  shopKept.write(await shop.userInfo(await shop.refresh((await again()).refresh_token ?? '')));
  await expectOneTruth(shop, shopKept);
  expect(person.complaints).toEqual([]);
  await person.close();

  /* The other app goes on, and is asked nothing. */
  async function again() {
    await page.goto((await shop.authorizationUrl(asking)).href);
    await sees(person, 'Back in the app');
    return shop.exchange();
  }
});

test('without scripts and by keyboard alone: an end is given, one thing is taken back, then everything', async () => {
  const answers = { refusedScopes: [], refusedClaims: [], claims: [], language: 'en' };
  await openWork(keyhold.db, { kind: 'person', id: accountId }, work =>
    giveConsent(work, { accountId, clientId: album.clientId, ...answers, scopes: ['openid', 'profile'] }),
  );
  const person = await atApps({ scripts: false, width: 390 });
  const { page } = person;
  await page.getByRole('link', { name: 'See and change what Photo Album may have' }).focus();
  await page.keyboard.press('Enter');
  await sees(person, 'Photo Album');
  await page.getByText('Choose single things').focus();
  await page.keyboard.press('Enter');
  await page.getByLabel('Nickname', { exact: true }).focus();
  await page.keyboard.press('Space');
  await page.getByLabel('How long').selectOption({ label: '30 days from now' });
  await page.getByRole('button', { name: 'Save', exact: true }).focus();
  await page.keyboard.press('Enter');
  await page.getByText('Your change is saved.').waitFor();
  const changed = await findConsent(keyhold.db, accountId, album.clientId);
  expect(changed?.refusedClaims).toEqual(['nickname']);
  expect(Math.round(((changed?.validUntil?.getTime() ?? 0) - Date.now()) / DAY)).toBe(30);
  await page.getByRole('link', { name: 'Take back everything' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Take back everything' }).focus();
  await page.keyboard.press('Enter');
  await page.getByText('Everything is taken back.').waitFor();
  expect(await findConsent(keyhold.db, accountId, album.clientId)).toBeUndefined();
  await person.close();
});

test('what was not used for half a year is proposed in one box, and its own page takes it back', async () => {
  const old = new Date(Date.now() - 200 * DAY);
  const client_id = 'app_long_ago';
  const named = { client_id, metadata: { client_name: 'Long ago' }, created_at: old, updated_at: old };
  await keyhold.db('clients').insert(named);
  const answers = { refusedScopes: [], refusedClaims: ['gender'], claims: ['nickname'], language: 'en' };
  await openWork(keyhold.db, { kind: 'person', id: accountId }, work =>
    giveConsent(
      { ...work, at: old },
      {
        accountId,
        clientId: client_id,
        ...answers,
        scopes: ['openid', 'profile', 'email', 'offline_access'],
      },
    ),
  );
  const person = await atApps({ width: 1280 });
  const { page } = person;
  await looked(person, 'list-1280');
  const box = page.getByRole('region', { name: 'Do you still use these?' });
  expect(await box.getByRole('link').count()).toBe(1);
  await box.getByRole('link', { name: 'Take back everything from Long ago' }).click();
  await sees(person, 'Take back everything from Long ago');
  await page.getByRole('link', { name: 'Leave it as it is' }).click();
  await sees(person, 'Long ago');
  await looked(person, 'one-1280');
  await person.close();
});

test.each(['en', 'de', 'fr', 'es', 'ar'])(
  '%s: the pages are whole, accessible, and fit a phone',
  async locale => {
    const person = await atApps({ width: 390, dark: locale === 'ar' || locale === 'de' });
    const { page } = person;
    for (const [name, path] of [
      ['list', '/account/apps'],
      ['one', '/account/apps/app_long_ago'],
      ['remove', '/account/apps/app_long_ago/remove'],
    ]) {
      await page.goto(new URL(`${path}?ui_locales=${locale}`, keyhold.origin).href);
      for (const summary of await page.locator('main details > summary').all()) await summary.click();
      await looked(person, `${name}-${locale}`);
    }
    await person.close();
  },
);
