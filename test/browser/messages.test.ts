import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { applyTopics, listOptIns } from '../../src/domain/messages/messages.js';
import { openWork } from '../../src/platform/storage/work.js';
import { type BrowserPerson, openBrowser, type TestBrowser } from '../support/browser.js';
import { until } from '../support/jobs.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { memberOf } from '../support/steps.js';
import { NEWS } from '../support/topics.js';
import { GOOD_PASSWORD } from '../support/walk.js';

const ADA = 'ada@example.test';
let keyhold: TestKeyhold;
let app: RelyingParty;
let browser: TestBrowser;
let adaId: string;

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold);
  await memberOf(keyhold, app, ADA);
  adaId = await accountOf(keyhold.db, ADA);
  await openWork(keyhold.db, { kind: 'operator' }, work => applyTopics(work, NEWS));
  browser = await openBrowser();
}, 60_000);

afterAll(async () => {
  await browser?.close();
  await app?.close();
  await keyhold?.close();
});

async function signedIn(person: BrowserPerson, path: string): Promise<void> {
  const { page } = person;
  await page.goto(`${keyhold.origin}${path}`);
  await page.getByLabel('Email').fill(ADA);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByLabel('Password', { exact: true }).fill(GOOD_PASSWORD);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.waitForURL(`${keyhold.origin}${path}`);
}

const live = async () =>
  (await listOptIns(keyhold.db, adaId))
    .filter(each => each.live)
    .map(each => `${each.topic} ${each.channel}`);

test('by keyboard alone somebody opts in, sees it, and opts out again; nothing stands in the way of anybody', async () => {
  const person = await browser.newPerson({ width: 390, passkeys: false });
  const { page } = person;
  await signedIn(person, '/account/preferences');
  expect(await person.accessibilityProblems()).toEqual([]);
  const box = page.getByRole('checkbox', { name: 'News by email' });
  await box.focus();
  await page.keyboard.press('Space');
  await Promise.all([page.waitForEvent('load'), page.keyboard.press('Enter')]);
  await page.getByRole('status').waitFor();
  expect([await live(), await box.isChecked()]).toEqual([['news email'], true]);
  expect(await person.accessibilityProblems()).toEqual([]);
  await box.focus();
  await page.keyboard.press('Space');
  await Promise.all([page.waitForEvent('load'), page.keyboard.press('Enter')]);
  await until(async () => (await live()).length === 0);
  await page.goto(`${keyhold.origin}/account/messages`);
  expect(await person.accessibilityProblems()).toEqual([]);
  expect(person.complaints).toEqual([]);
  await person.close();
}, 60_000);

test('two tabs, the back button and a second press change nothing that was not said', async () => {
  const person = await browser.newPerson({ passkeys: false });
  const { page } = person;
  await signedIn(person, '/account/preferences');
  const other = await person.context.newPage();
  await other.goto(`${keyhold.origin}/account/preferences`);
  await other.getByRole('checkbox', { name: 'News by email' }).check();
  await other.getByRole('button', { name: 'Save' }).first().click();
  await until(async () => (await live()).length === 1);
  await page.getByRole('checkbox', { name: 'News by email' }).check();
  await page.getByRole('button', { name: 'Save' }).first().dblclick();
  await page.getByRole('status').waitFor();
  expect(await live()).toEqual(['news email']);
  await page.goBack();
  await page.reload();
  expect(await page.getByRole('checkbox', { name: 'News by email' }).isChecked()).toBe(true);
  expect(await keyhold.db('opt_ins').where({ account_id: adaId }).whereNull('withdrawn_at')).toHaveLength(1);
  await person.close();
}, 60_000);
