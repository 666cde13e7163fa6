import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { peopleOnRecord, recordedDuring } from '../support/ledger.js';
import { codeIn, linkIn, type ReceivedMail } from '../support/mailbox.js';
import type { Person } from '../support/person.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { memberOf, postStep, toPassword, toSignUpCode } from '../support/steps.js';

// A code or link is good for one purpose, one request, one browser, one time and ten minutes (class C07, C18).

let keyhold: TestKeyhold;
let house: RelyingParty;
let before: string;
const ADA = 'ada@example.test';
const BEA = 'bea@example.test';

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true });
  await memberOf(keyhold, house, ADA);
  await memberOf(keyhold, house, BEA);
});

beforeEach(async () => {
  before = await peopleOnRecord(keyhold.db);
});

afterAll(async () => {
  await house?.close();
  await keyhold?.close();
});

async function signInCode(person: Person, email: string): Promise<string> {
  const earlier = await keyhold.mailbox.latest(email);
  await toPassword(person, house, email);
  await person.press('Email me a code');
  return codeIn(await person.latestMail(email, earlier));
}

async function signUpMail(person: Person, email: string): Promise<ReceivedMail> {
  await toSignUpCode(person, house, email);
  return person.latestMail(email);
}

async function isWrong(person: Person, code: string): Promise<void> {
  const events = await recordedDuring(keyhold.db, () => postStep(person, '/code', { code }));
  expect([person.page.status, person.page.heading]).toEqual([400, 'Check your email']);
  expect(events.map(event => event.type)).toEqual(['email_proof.failed']);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
}

const codeSpoiled = (code: string) => code.replace(/\d$/, digit => String((Number(digit) + 1) % 10));

test('C07, C18: a code of one request is wrong in another of the same browser and address', async () => {
  const ada = personAt(keyhold);
  const first = await signInCode(ada, ADA);
  await signInCode(ada, ADA);
  await isWrong(ada, first);
});

test('C07: a code is wrong in another browser', async () => {
  const [ada, thief] = [personAt(keyhold), personAt(keyhold)];
  const code = await signInCode(ada, ADA);
  await signInCode(thief, ADA);
  await isWrong(thief, code);
});

test("C07: one's own code does not sign in as somebody else", async () => {
  const bea = personAt(keyhold);
  const own = await signInCode(bea, BEA);
  await postStep(bea, '/identifier', { email: ADA });
  const earlier = await keyhold.mailbox.latest(ADA);
  await bea.press('Email me a code');
  await bea.latestMail(ADA, earlier);
  await isWrong(bea, own);
});

test('C07: a code to sign up is wrong for signing in, and the other way round, within one request', async () => {
  const ada = personAt(keyhold);
  const signUp = codeIn(await signUpMail(ada, 'fresh@example.test'));
  await postStep(ada, '/identifier', { email: ADA });
  const earlier = await keyhold.mailbox.latest(ADA);
  await ada.press('Email me a code');
  const signIn = codeIn(await ada.latestMail(ADA, earlier));
  await isWrong(ada, signUp);
  await postStep(ada, '/sign-up', { email: 'fresher@example.test' });
  await isWrong(ada, signIn);
});

test('C18: a code with one digit changed is wrong; a right one works once', async () => {
  const ada = personAt(keyhold);
  const code = await signInCode(ada, ADA);
  await isWrong(ada, codeSpoiled(code));
  const path = ada.page.url;
  await postStep(ada, '/code', { code });
  expect(ada.page.heading).toBe('Back in the app');
  const session = await peopleOnRecord(keyhold.db);
  await ada.goto(path.href.replace(/\/code$/, ''));
  expect(ada.page.heading).toBe('This step is already done');
  expect(await peopleOnRecord(keyhold.db)).toBe(session);
});

test('a code that was used is over, also before the request has gone on', async () => {
  const cleo = personAt(keyhold);
  const mail = await signUpMail(cleo, 'cleo@example.test');
  await postStep(cleo, '/code', { code: codeIn(mail) });
  expect(cleo.page.heading).toBe('Finish your account');
  await postStep(cleo, '/back');
  await postStep(cleo, '/code', { code: codeIn(mail) });
  expect(cleo.page.heading).toBe('Create your account');
  await cleo.goto(linkIn(mail));
  expect([cleo.page.status, cleo.page.heading]).toEqual([410, 'This link is already used']);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('C07: a link with one character changed, or of another request, opens nothing', async () => {
  const dan = personAt(keyhold);
  const link = linkIn(await signUpMail(dan, 'dan@example.test'));
  const token = link.split('/').at(-1) ?? '';
  const other = personAt(keyhold);
  const foreign =
    linkIn(await signUpMail(other, 'eve@example.test'))
      .split('/')
      .at(-1) ?? '';
  for (const wrong of [
    token.replace(/.$/, last => (last === 'A' ? 'B' : 'A')),
    foreign,
    token.slice(1),
    `${token}A`,
    '..',
  ]) {
    await toSignUpCode(dan, house, 'dan@example.test');
    await postStep(dan, `/link/${encodeURIComponent(wrong)}`);
    expect([wrong, dan.page.status === 410 || dan.page.status === 404]).toEqual([wrong, true]);
  }
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('C07: a change of address ends what was sent to the first', async () => {
  const eve = personAt(keyhold);
  const first = codeIn(await signUpMail(eve, 'one@example.test'));
  await eve.press('Use a different email');
  eve.fill('Email', 'two@example.test');
  await eve.press('Continue');
  await isWrong(eve, first);
  expect(eve.page.text).toContain('two@example.test');
});
