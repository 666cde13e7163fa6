import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Dispatcher, getGlobalDispatcher } from 'undici';
import { until } from '../support/jobs.js';
import { signUp } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { codeIn } from '../support/mailbox.js';
import { browserOf, personVia, silently } from '../support/people.js';
import { newMember } from '../support/protocol.js';
import { openRawClient } from '../support/raw-client.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { postStep, toRecoveryCredential } from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

// The keys of cookies and of all that is sealed come from one secret: what a browser holds when that is another one.

const [ADA, BOB] = ['ada@example.test', 'bob@example.test'] as const;
let before: TestKeyhold;
let after: TestKeyhold;
let house: RelyingParty;

beforeAll(async () => {
  before = await startKeyhold({ LOG_LEVEL: 'error' });
  house = await openRelyingParty(before, { first_party: true });
  for (const email of [ADA, BOB]) await newMember(before, house, email);
});

afterAll(async () => {
  await house?.close();
  await after?.close();
  await before?.close();
});

async function anotherSecret(): Promise<void> {
  const SECRET = randomBytes(32).toString('base64');
  before.retire();
  /* What `keyhold keys reset` does; the process of the old secret is not told, since it would make keys of its own. */
  await before.db('signing_keys').update({ state: 'retired', sealed: Buffer.alloc(0) });
  after = await startKeyhold({ SECRET }, { beside: before });
}

test('with another secret everybody signs in again, in browsers with all their cookies, and nothing fails', async () => {
  let server: TestKeyhold = before;
  const way = new (class extends Dispatcher {
    override dispatch(...sent: Parameters<Dispatcher['dispatch']>): boolean {
      const ours = String(sent[0].origin) === before.origin;
      return (ours ? server.dispatcher : getGlobalDispatcher()).dispatch(...sent);
    }
  })();
  const people = await browserOf(before, house, [ADA, BOB], personVia(before, way));
  const { id_token = '', refresh_token = '' } = await house.exchange();
  const typing = personVia(before, way);
  await typing.goto(await house.authorizationUrl());
  typing.fill('Email', ADA);
  await typing.press('Continue');
  const leaving = await browserOf(before, house, [BOB], personVia(before, way));
  await leaving.goto(house.endSessionUrl());
  expect(leaving.page.buttons).toContain('Sign out');

  const bob = personVia(before, way);
  await toRecoveryCredential(bob, house, BOB);
  await postStep(bob, '/recovery/password', { password: GOOD_PASSWORD });
  let notice = '';
  await until(async () => {
    const mail = await bob.newestMail(BOB, /^(?!\d)/);
    notice = /\/objection\/[\w-]+/.exec(mail?.text ?? '')?.[0] ?? '';
    return notice !== '';
  });

  await anotherSecret();
  server = after;
  for (const prompt of [{}, { id_token_hint: id_token }]) {
    const answer = await silently(people, house, prompt, way);
    expect(['login_required', 'invalid_request']).toContain(answer['error']);
  }
  await leaving.press('Sign out');
  typing.fill('Password', GOOD_PASSWORD);
  await typing.press('Sign in');
  for (const { page } of [leaving, typing]) {
    expect(page.status).toBeGreaterThanOrEqual(400);
    expect(page.status).toBeLessThan(500);
  }
  await leaving.goto(before.origin + notice);
  expect([leaving.page.status, leaving.page.heading]).toEqual([200, 'Was this you?']);
  const raw = await openRawClient(before, house.client, after.dispatcher);
  expect((await raw.refresh(refresh_token)).status).toBeLessThan(500);

  for (const person of [people, typing, leaving]) {
    await person.goto(before.origin);
    expect(person.page.status).toBe(200);
    expect(person.page.text).not.toContain(ADA);
    await person.goto(await house.authorizationUrl());
    expect([person.page.status, person.page.heading]).toEqual([200, 'Sign in']);
  }
  const { page } = people;
  expect(page.heading).toBe('Sign in');
  people.fill('Email', ADA);
  await people.press('Continue');
  people.fill('Password', GOOD_PASSWORD);
  await people.press('Sign in');
  expect(people.page.status).toBe(400);
  const earlier = await people.newestMail(ADA);
  await people.press('Email me a code');
  people.fill('Code', codeIn(await people.latestMail(ADA, earlier)));
  await people.press('Continue');
  expect(people.page.url.searchParams.has('code')).toBe(true);
  const newcomer = personVia(before, way);
  await signUp(newcomer, house, 'new@example.test');
  expect(newcomer.page.url.searchParams.has('code')).toBe(true);
});
