import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { buildAuthorizationUrlWithPAR } from 'openid-client';
import { setAccountState, signOutEverywhere } from '../../src/domain/accounts/accounts.js';
import { digest } from '../../src/platform/crypto/tokens.js';
import { openWork, type Work } from '../../src/platform/storage/work.js';
import { openLog } from '../../src/platform/telemetry/log.js';
import { logOnly } from '../../src/platform/telemetry/telemetry.js';
import { heldAt } from '../support/held.js';
import { until } from '../support/jobs.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { asks, browserOf, silently } from '../support/people.js';
import type { Person } from '../support/person.js';
import { eventsOf, newMember, rowCounts } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { ENDS_IN_A_PAGE, sendStep, toPassword } from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

const ADA = 'ada@example.test';
const BOB = 'bob@example.test';
const CODE = { code: expect.stringMatching(/^kh_ac_/) };
const GONE = { error: 'login_required' };
const RESUMPTION = /^\/authorize\/[\w-]+$/;

let keyhold: TestKeyhold;
let house: RelyingParty;
let shop: RelyingParty;
let accountId: string;
let ada: Person;
const logged: { readonly route?: string; readonly method?: string; readonly client?: string }[] = [];

beforeAll(async () => {
  const log = openLog('info', { write: line => void logged.push(JSON.parse(line)) });
  keyhold = await startKeyhold({ RATE_LIMITS: 'on' }, { telemetry: logOnly(log) });
  house = await openRelyingParty(keyhold, { first_party: true });
  shop = await openRelyingParty(keyhold);
  for (const email of [ADA, BOB]) await newMember(keyhold, house, email);
  accountId = await accountOf(keyhold.db, ADA);
});

afterAll(async () => {
  await Promise.all([house?.close(), shop?.close()]);
  await keyhold?.close();
});

beforeEach(async () => {
  ada = personAt(keyhold);
});

/** Sends the password as the open page would; gives where the answer leads. */
async function answerTo(person: Person, password = GOOD_PASSWORD): Promise<URL> {
  const { headers } = await sendStep(person, '/password', { password });
  return new URL(headers.get('location') ?? '', keyhold.origin);
}

const isResumption = ({ origin, pathname }: URL) => origin === keyhold.origin && RESUMPTION.test(pathname);

/** The answer leads to the resumption, and afterwards both people are in the browser. */
async function resumesBesideBob(person: Person, to: URL): Promise<void> {
  expect(isResumption(to)).toBe(true);
  await person.goto(to);
  expect(person.page.heading).toBe('Back in the app');
  await person.goto(keyhold.origin);
  for (const email of [ADA, BOB]) expect(person.page.text).toContain(email);
}

/** Ends every session of these people without a word to their browsers. */
const endSessionsOf = (...emails: readonly string[]) =>
  Promise.all(
    emails.map(async email =>
      keyhold
        .db('sessions')
        .where({ account_id: await accountOf(keyhold.db, email), ended_at: null })
        .update({ ended_at: new Date(), ended_reason: 'signed-out' }),
    ),
  );

const authenticated = async () => (await eventsOf(keyhold.db, 'session.authenticated')).length;

test('the right password leads to the app at once: one read, one count, one write, and everything is there', async () => {
  await toPassword(ada, house, ADA);
  const before = await rowCounts(keyhold.db);
  let to = new URL(keyhold.origin);
  const statements = await keyhold.trips.during(async () => {
    to = await answerTo(ada);
  });
  expect(statements).toHaveLength(3);
  expect(to.href).toMatch(new RegExp(`^${house.redirectUri}\\?code=kh_ac_`));
  const after = await rowCounts(keyhold.db);
  const more = (table: string) => (after[table] ?? 0) - (before[table] ?? 0);
  expect(['sessions', 'grants', 'authorization_codes', 'interactions', 'events'].map(more)).toEqual([
    1, 1, 1, -1, 1,
  ]);
  expect(await silently(ada, house)).toMatchObject(CODE);
  /* Seen from outside it was the password's form. */
  await until(async () => logged.some(({ method }) => method === 'POST'));
  expect(logged.findLast(({ method }) => method === 'POST')).toMatchObject({
    route: '/interaction/:uid/password',
    client: house.clientId,
    status: 303,
  });
});

test('what the app is told is what it would be told after the resumption', async () => {
  await ada.goto(await house.authorizationUrl({ max_age: '3600' }));
  await signIn(ada, ADA);
  expect(ada.page.heading).toBe('Back in the app');
  const claims = (await house.exchange()).claims();
  expect(claims).toMatchObject({ acr: 'aal1', amr: ['pwd'], sub: expect.any(String) });
  expect(Math.abs(Date.now() / 1000 - Number(claims?.auth_time))).toBeLessThan(60);
});

test('an app that was not allowed yet is asked about at once, on a page of its own', async () => {
  await toPassword(ada, shop, ADA);
  const to = await answerTo(ada);
  expect(to.pathname).toMatch(/^\/interaction\/[\w-]+$/);
  await ada.goto(to);
  expect(ada.page.buttons).toContain('Allow');
  await ada.press('Allow');
  expect(ada.page.heading).toBe('Back in the app');
  await keyhold.db('consents').where({ account_id: accountId }).delete();
});

test('a wrong password leads nowhere and makes nothing but its event', async () => {
  await toPassword(ada, house, ADA);
  const before = await rowCounts(keyhold.db);
  const { headers, status } = await sendStep(ada, '/password', { password: 'not the one that it is' });
  expect([status, headers.get('location')]).toEqual([400, null]);
  expect(await rowCounts(keyhold.db)).toEqual({ ...before, events: (before['events'] ?? 0) + 1 });
});

test('the browser stays the device that it was, and is told of once', async () => {
  const live = () => keyhold.db('sessions').where({ account_id: accountId, ended_at: null });
  await endSessionsOf(ADA);
  await toPassword(ada, house, ADA);
  await answerTo(ada);
  const [first, ...others] = await live();
  expect(others).toEqual([]);
  expect(first.device).toEqual(expect.any(String));
  await endSessionsOf(ADA);
  await toPassword(ada, house, ADA);
  expect((await answerTo(ada)).href).toContain('code=');
  const [second] = await live();
  expect([second.device, second.first_seen_at]).toEqual([first.device, first.first_seen_at]);
  const known = await keyhold.db('known_browsers').where({ account_id: accountId, device: first.device });
  expect(known).toHaveLength(1);
});

test('where somebody is signed in already, the resumption decides, and both are there', async () => {
  const both = await browserOf(keyhold, house, [BOB]);
  await both.goto(await house.authorizationUrl({ prompt: 'login' }));
  both.fill('Email', ADA);
  await both.press('Continue');
  const to = await answerTo(both);
  await resumesBesideBob(both, to);
});

test('an answer that is a page of its own has its own address', async () => {
  await toPassword(ada, house, ADA, ENDS_IN_A_PAGE);
  expect(isResumption(await answerTo(ada))).toBe(true);
});

test('what a browser signals is heeded before anything is decided', async () => {
  await toPassword(ada, house, ADA);
  await keyhold
    .db('accounts')
    .where({ id: accountId })
    .update({ sale_choice: null, sale_chosen_by: null, sale_chosen_at: null });
  const { headers } = await sendStep(ada, '/password', { password: GOOD_PASSWORD }, { 'sec-gpc': '1' });
  expect(isResumption(new URL(headers.get('location') ?? '', keyhold.origin))).toBe(true);
  const [account] = await keyhold.db('accounts').where({ id: accountId });
  expect(account.sale_choice).toBe('opted_out');
});

/** Lets passwords be sent, and something happen before they are counted; gives where the answers lead. */
const meanwhile = <T>(send: () => Promise<T>, change: () => Promise<unknown>, count = 1) =>
  heldAt(keyhold.db, 'attempts', send, change, count);

const asOperator = (change: (work: Work) => Promise<unknown>) => () =>
  openWork(keyhold.db, { kind: 'operator' }, change);
const changeAccount = (values: object) => () =>
  keyhold.db('accounts').where({ id: accountId }).update(values);

const MADE = ['sessions', 'grants', 'authorization_codes'];
const made = async () => {
  const counts = await rowCounts(keyhold.db);
  return MADE.map(table => counts[table]);
};

test.each([
  ['turned off', asOperator(work => setAccountState(work, accountId, 'suspended'))],
  ['signed out everywhere', asOperator(work => signOutEverywhere(work, accountId))],
  ['given another password', () => changeAccount({ proofs_from: new Date(Date.now() + 60_000) })()],
])(
  'C22: whoever is %s while the password is checked does not come to live in the browser',
  async (_what, change) => {
    await toPassword(ada, house, ADA);
    const before = [await made(), await authenticated()];
    const to = await meanwhile(() => answerTo(ada), change);
    expect(isResumption(to)).toBe(true);
    /* That the password was right is on record, and nothing else came of it. */
    expect([await made(), await authenticated()]).toEqual([before[0], Number(before[1]) + 1]);
    await ada.goto(to);
    expect(ada.page.heading).toBe('Sign in');
    expect(await silently(ada, house)).toMatchObject(GONE);
    await changeAccount({ state: 'active', proofs_from: null, signed_out_before: null })();
  },
);

test('C22: whoever is given a role meanwhile shows what the role demands', async () => {
  await toPassword(ada, house, ADA);
  const before = await made();
  const to = await meanwhile(() => answerTo(ada), changeAccount({ roles: ['operator'] }));
  expect(isResumption(to)).toBe(true);
  expect(await made()).toEqual(before);
  await changeAccount({ roles: [] })();
});

test('C06: a request that is given up while the password is checked is over', async () => {
  await toPassword(ada, house, ADA);
  const before = [await made(), await authenticated()];
  const page = ada.page;
  const { status, text } = await meanwhile(
    () => sendStep(ada, '/password', { password: GOOD_PASSWORD }),
    async () => {
      const other = await sendStep(ada, '/deny', {});
      const denied = await asks(ada, new URL(other.headers.get('location') ?? '', page.url));
      expect(denied['error']).toBe('access_denied');
    },
  );
  expect([status, text]).toEqual([409, expect.stringContaining('finished')]);
  expect([await made(), await authenticated()]).toEqual(before);
  expect(await silently(ada, house)).toMatchObject(GONE);
});

test('C48: of two right passwords for one request one is answered, and makes one session', async () => {
  await toPassword(ada, house, ADA);
  const before = await rowCounts(keyhold.db);
  const send = () => sendStep(ada, '/password', { password: GOOD_PASSWORD });
  const answers = await meanwhile(
    () => Promise.all([send(), send()]),
    async () => undefined,
    2,
  );
  expect(answers.map(({ status }) => status).sort()).toEqual([303, 409]);
  const after = await rowCounts(keyhold.db);
  const more = [...MADE, 'interactions', 'events'].map(table => (after[table] ?? 0) - (before[table] ?? 0));
  expect(more).toEqual([1, 1, 1, -1, 1]);
});

test.each([
  ['that had people before', 'keyhold_none'],
  ['that is only known', 'keyhold_people'],
])('in a browser %s, who signs in in another tab meanwhile is here as well', async (_which, forgotten) => {
  const both = await browserOf(keyhold, house, [BOB, ADA]);
  await endSessionsOf(ADA, BOB);
  await both.jar.setCookie(`${forgotten}=; Path=/; Max-Age=0`, keyhold.origin);
  await toPassword(both, house, ADA);
  /* A wrong one leaves the counts that the right one waits for, and nobody else. */
  await sendStep(both, '/password', { password: 'not the one that it is' });
  const held = await keyhold.db.transaction();
  await held('attempts').where('subject', 'like', 'password:known-%').forUpdate();
  const answering = answerTo(both);
  await until(async () => {
    const { rows } = await keyhold.db.raw(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return rows.length > 0;
  });
  await toPassword(both, house, BOB);
  expect((await answerTo(both)).href).toContain('code=');
  await held.commit();
  const to = await answering;
  await resumesBesideBob(both, to);
});

test('a request that was begun before somebody came is about whom they choose', async () => {
  await toPassword(ada, house, ADA);
  const begun = ada.page.url;
  await toPassword(ada, house, BOB);
  await answerTo(ada);
  await ada.goto(begun);
  const to = await answerTo(ada);
  await resumesBesideBob(ada, to);
});

test('a pushed request that is kept no more gives no code', async () => {
  const { searchParams } = await house.authorizationUrl();
  await ada.goto(await buildAuthorizationUrlWithPAR(house.configuration, searchParams));
  ada.fill('Email', ADA);
  await ada.press('Continue');
  await keyhold.db('pushed_authorization_requests').delete();
  const before = await made();
  const to = await answerTo(ada);
  expect(isResumption(to)).toBe(true);
  await ada.goto(to);
  expect([ada.page.status, ada.page.heading]).toEqual([404, 'Request error']);
  expect(await made()).toEqual(before);
});

test('what could not be done at once leaves what was proved, and the resumption signs in', async () => {
  const here = async (name: string) => (await ada.cookies(keyhold.origin)).get(name) ?? '';
  await toPassword(ada, house, ADA);
  await answerTo(ada);
  await endSessionsOf(ADA);
  const [people, known] = [await here('keyhold_people'), await here('keyhold_known')];
  expect(people).not.toBe('');

  await toPassword(ada, house, ADA);
  const before = await authenticated();
  const to = await meanwhile(() => answerTo(ada), changeAccount({ signed_out_before: new Date(0) }));
  expect(isResumption(to)).toBe(true);
  expect(await authenticated()).toBe(before + 1);
  /* The browser has its new name, under which it is known, and its people the former one. */
  expect(await here('keyhold_people')).toBe(people);
  expect(await here('keyhold_known')).not.toBe(known);
  const names = await keyhold.db('known_browsers').where({ browser: digest(await here('keyhold_known')) });
  expect(names.map(row => row.account_id)).toEqual([accountId]);

  await ada.goto(to);
  expect(ada.page.heading).toBe('Back in the app');
  expect(await authenticated()).toBe(before + 1);
  expect(await silently(ada, house)).toMatchObject(CODE);
});
