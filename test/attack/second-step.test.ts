import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { setPassword } from '../../src/domain/credentials/credentials.js';
import { checkRecoveryCode, replaceCodes, useRecoveryCode } from '../../src/domain/factors/factors.js';
import { openWork } from '../../src/platform/storage/work.js';
import { openAuthenticator } from '../support/authenticator.js';
import { appCode, type SetUp, setUpApp } from '../support/authenticator-app.js';
import { heldAt } from '../support/held.js';
import { until } from '../support/jobs.js';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, peopleOnRecord } from '../support/ledger.js';
import { objectionIn } from '../support/mailbox.js';
import type { Person } from '../support/person.js';
import { eventsOf, newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { postScript, postStep, toPasskeyOffer, toPassword } from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

// What happens at the very moment of something else, and what waits too long, on the way through two steps.

let keyhold: TestKeyhold;
let app: RelyingParty;
let email: string;
let accountId: string;
let owner: Person;
let mine: SetUp;
let count = 0;

const STEP = 'One more step';

beforeAll(async () => {
  keyhold = await startKeyhold({ RATE_LIMITS: 'on' });
  app = await openRelyingParty(keyhold, { first_party: true });
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

beforeEach(async () => {
  await keyhold.db('attempts').delete();
  email = `ada${++count}@example.test`;
  owner = await newMember(keyhold, app, email);
  accountId = await accountOf(keyhold.db, email);
  mine = await setUpApp(keyhold, owner);
});

const asOwner = { kind: 'person', id: '' } as const;

/** The owner sets another password. */
const changePassword = () =>
  openWork(keyhold.db, { ...asOwner, id: accountId }, work =>
    setPassword(work, accountId, '$2b$04$C6UzMDM.H6dfI/f/IKcEeO7ZSVqkYzF5nXkXqWkJ0cO3Z3pM6Zbe2'),
  );

async function toSecond(person = personAt(keyhold)): Promise<Person> {
  await toPassword(person, app, email);
  await postStep(person, '/password', { password: GOOD_PASSWORD });
  expect(person.page.heading).toBe(STEP);
  return person;
}

const signedIn = () => keyhold.db('sessions').where({ account_id: accountId }).whereNull('ended_at');

test('C22: a second step that is under way while the password is changed signs nobody in', async () => {
  const person = await toSecond();
  const before = await signedIn();
  await heldAt(
    keyhold.db,
    'authenticator_apps',
    () => postStep(person, '/second-step', { by: 'app', code: appCode(mine.secret) }),
    changePassword,
  );
  expect(person.page.heading).toBe('Enter your password');
  expect(await signedIn()).toHaveLength(before.length);
});

test('C22: a password that was looked at while it was changed signs nobody in', async () => {
  const plain = `plain${count}@example.test`;
  await newMember(keyhold, app, plain);
  accountId = await accountOf(keyhold.db, plain);
  const person = personAt(keyhold);
  await toPassword(person, app, plain);
  const before = await signedIn();
  await heldAt(
    keyhold.db,
    'attempts',
    () => postStep(person, '/password', { password: GOOD_PASSWORD }),
    changePassword,
  );
  expect(person.page.heading).not.toBe('Back in the app');
  expect(await signedIn()).toHaveLength(before.length);
});

test('C18: a recovery code that is used while new ones are made leaves none of the old set behind', async () => {
  const hasher = {
    hash: async (code: string) => `plain ${code}`,
    verify: async (code: string, stored: string) => ({ ok: stored === `plain ${code}` }),
    verifyDecoy: async () => ({ ok: false }),
  };
  const code = 'AAAAAAAAAAAAAAAA';
  const asked = { kind: 'person', id: accountId } as const;
  await openWork(keyhold.db, asked, work =>
    replaceCodes(work, accountId, [{ selector: 'AA', hash: `plain ${code}` }]),
  );
  const checked = await checkRecoveryCode(keyhold.db, hasher, accountId, code);
  if (checked.outcome !== 'right') throw new Error('the code is right');
  let replacing: Promise<unknown> = Promise.resolve();
  await openWork(keyhold.db, asked, async work => {
    expect(await useRecoveryCode(work, accountId, checked)).toBe(true);
    replacing = openWork(keyhold.db, asked, other =>
      replaceCodes(other, accountId, [{ selector: 'BB', hash: 'plain another' }]),
    );
    await until(async () => {
      const { rows } = await keyhold.db.raw('SELECT FROM pg_locks WHERE NOT granted');
      return rows.length > 0;
    });
  });
  await replacing;
  const left = await keyhold.db('recovery_codes').where({ account_id: accountId }).pluck('selector');
  expect(left).toEqual(['BB']);
});

/** As if the person had waited at this step for so many minutes. */
async function wait(minutes: number, note: 'halfway' | 'signedIn'): Promise<void> {
  await keyhold.db.raw(
    `UPDATE interactions SET progress = jsonb_set(progress, ARRAY[?, 'at'],
       to_jsonb((progress #>> ARRAY[?, 'at'])::numeric - ?)) WHERE progress ->> ? IS NOT NULL`,
    [note, note, minutes * 60_000, note],
  );
}

test('C06: a first step that waited for longer than a code would is done again', async () => {
  await keyhold.db('accounts').where({ id: accountId }).update({ proofs_from: null });
  const person = await toSecond();
  await wait(9, 'halfway');
  await postStep(person, '/second-step', { by: 'app', code: '000000' });
  expect(person.page.heading).toBe(STEP);
  const before = await peopleOnRecord(keyhold.db);
  await wait(2, 'halfway');
  await postStep(person, '/second-step', { by: 'app', code: appCode(mine.secret) });
  expect(person.page.heading).toBe('Enter your password');
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('C23: no passkey is bound by a sign-in that waited at the offer for more than five minutes', async () => {
  const plain = `plain${count}@example.test`;
  await newMember(keyhold, app, plain);
  const person = personAt(keyhold);
  await toPasskeyOffer(person, app, plain);
  expect(person.page.heading).toBe('Sign in faster next time');
  const options = await postScript(person, '/passkey/new/options');
  const credential = openAuthenticator(keyhold.origin).create(options.body as never);
  const before = await peopleOnRecord(keyhold.db);
  await wait(6, 'signedIn');
  expect((await postScript(person, '/passkey/new/options')).status).toBe(400);
  expect((await postScript(person, '/passkey/new', { credential })).status).toBe(400);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
  await postStep(person, '/passkey/skip');
  expect(person.page.heading).toBe('Back in the app');
});

test.each([
  ['a code that was used', /recovery code of your .* was used/],
  ['codes that were made', /has new recovery codes/],
])('"this wasn\'t me" about %s ends what a thief would hold, and leaves the app', async (how, subject) => {
  if (how === 'a code that was used') {
    const thief = await toSecond();
    await postStep(thief, '/second-step', { by: 'recovery', code: mine.codes[0] ?? '' });
    expect(thief.page.heading).toBe('Keep your new recovery code');
  } else {
    await keyhold.db('sessions').where({ account_id: accountId }).update({ acr: 'aal2' });
    await owner.goto(new URL('/account/sign-in/recovery-codes', keyhold.origin));
    await owner.press('Make new codes');
  }
  const reader = personAt(keyhold);
  await until(async () => (await reader.newestMail(email, subject)) !== undefined);
  const notice = await reader.newestMail(email, subject);
  if (!notice) throw new Error('no notice came');
  await reader.goto(objectionIn(notice));
  expect(reader.page.text).toContain('The recovery codes are removed; the authenticator app stays.');
  await reader.press("This wasn't me");
  expect(await keyhold.db('recovery_codes').where({ account_id: accountId })).toEqual([]);
  expect(await keyhold.db('authenticator_apps').where({ account_id: accountId })).toHaveLength(1);
  const removed = (await eventsOf(keyhold.db, 'recovery_codes.removed')).find(
    event => event.account_id === accountId,
  );
  expect(removed?.detail).toEqual({ left: 10 });
});

test('C24: what a browser is remembered by for one account says nothing for another, under whichever name it comes', async () => {
  const victim = `victim${count}@example.test`;
  await setUpApp(keyhold, await newMember(keyhold, app, victim));
  const thief = await toSecond();
  await postStep(thief, '/second-step', { by: 'app', code: appCode(mine.secret), remember: 'yes' });
  expect(thief.page.heading).toBe('Back in the app');
  const own = [...(await thief.cookies(keyhold.origin))].find(([name]) => name.startsWith('keyhold_second_'));
  const whose = createHash('sha256')
    .update(await accountOf(keyhold.db, victim))
    .digest('hex');
  const another = personAt(keyhold);
  await another.jar.setCookie(`keyhold_second_${whose.slice(0, 16)}=${own?.[1]}; Path=/`, keyhold.origin);
  email = victim;
  await toSecond(another);
});
