import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import type { Person } from '../../support/person.js';
import { declareAttributes } from '../../support/profile.js';
import { newMember } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';

let keyhold: TestKeyhold;
let app: RelyingParty;
let ada: Person;

const MISSING = 'Something in your profile is missing';
const seen = async () => (await ada.goto(new URL('/account', keyhold.origin))).text.includes(MISSING);

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold);
  ada = await newMember(keyhold, app, 'ada@example.test');
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

test('what the operator requires of everybody is asked for until it is there, with the way to it', async () => {
  expect(await seen()).toBe(false);
  const said = { type: 'text', purpose: 'naming', see: ['person', 'apps'], required: true };
  await declareAttributes(keyhold, [
    { ...said, name: 'title', label: { en: 'Title' }, change: ['person'] },
    { ...said, name: 'rank', label: { en: 'Rank' }, change: ['operator'] },
  ]);
  expect(await seen()).toBe(true);
  await ada.follow('Complete the profile');
  expect(ada.page.heading).toBe('Your profile');
  await ada.goto(new URL('/account/profile/change/title', keyhold.origin));
  ada.fill('Title', 'Countess');
  await ada.press('Save');
  expect(await seen()).toBe(false);
});
