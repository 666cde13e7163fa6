import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { accountToken } from '../../support/account-api.js';
import { appCode, forgetPeriods, setUpApp } from '../../support/authenticator-app.js';
import { personAt, signIn } from '../../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf } from '../../support/ledger.js';
import { EVERY_SCOPE } from '../../support/owner.js';
import type { Person } from '../../support/person.js';
import { eventsOf, newMember } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';

const ADA = 'ada@example.test';
const PHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1';

let keyhold: TestKeyhold;
let app: RelyingParty;
let accountId: string;
let here: Person;
let secret: string;

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, { first_party: true, scope: `openid profile email ${EVERY_SCOPE}` });
  here = await newMember(keyhold, app, ADA);
  accountId = await accountOf(keyhold.db, ADA);
  ({ secret } = await setUpApp(keyhold, here));
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

beforeEach(async () => {
  await keyhold.db('remembered_browsers').delete();
});

const at = (path: string) => new URL(path, keyhold.origin);

async function begin(person: Person): Promise<void> {
  await person.goto(await app.authorizationUrl({ prompt: 'login' }));
  await signIn(person, ADA);
}

/** Somebody at a browser that is not asked for the second step any more. */
async function remembered(userAgent: string): Promise<Person> {
  const person = personAt(keyhold, { userAgent });
  await begin(person);
  person.tick('Do not ask in this browser for 30 days');
  person.fill('Code', appCode(secret));
  await person.press('Continue');
  await forgetPeriods(keyhold);
  await begin(person);
  expect(person.page.heading).toBe('Back in the app');
  return person;
}

const asked = async (person: Person) => {
  await begin(person);
  return person.page.heading !== 'Back in the app';
};

test('C24: a remembered browser is listed with its name and its days, and asked again once it is forgotten', async () => {
  const phone = await remembered(PHONE);
  const [row] = await keyhold.db('remembered_browsers').where({ account_id: accountId });
  expect(row.sealed.toString('latin1')).not.toContain('Safari');
  await here.goto(at('/account/devices'));
  expect(here.page.text).toContain('Where no second step is asked for');
  expect(here.page.html).toContain(row.expires_at.toISOString());
  await here.press('Ask again');
  expect(here.page.text).toContain('There you are asked for the second step again.');
  expect(here.page.text).not.toContain('Where no second step is asked for');
  expect(await asked(phone)).toBe(true);
  const [event] = await eventsOf(keyhold.db, 'browser.forgotten');
  expect([event?.account_id, event?.detail]).toEqual([accountId, { count: 1 }]);
});

test('all are forgotten at once', async () => {
  const [one, two] = [await remembered(PHONE), await remembered(PHONE)];
  await here.goto(at('/account/devices'));
  await here.press('Ask again everywhere');
  expect(here.page.text).toContain('You are asked for the second step again everywhere.');
  expect([await asked(one), await asked(two)]).toEqual([true, true]);
  expect((await eventsOf(keyhold.db, 'browser.forgotten')).at(-1)?.detail).toEqual({ count: 2 });
});

test('what does not count any more is not listed', async () => {
  await remembered(PHONE);
  await keyhold.db('accounts').where({ id: accountId }).update({ proofs_from: new Date() });
  await here.goto(at('/account/devices'));
  expect(here.page.text).not.toContain('Where no second step is asked for');
  await keyhold.db('accounts').where({ id: accountId }).update({ proofs_from: null });
  await here.goto(at('/account/devices'));
  expect(here.page.text).toContain('Where no second step is asked for');
  await keyhold.db('remembered_browsers').update({ expires_at: new Date() });
  await here.goto(at('/account/devices'));
  expect(here.page.text).not.toContain('Where no second step is asked for');
});

test('apps list and forget them, page by page', async () => {
  await remembered(PHONE);
  await remembered(PHONE);
  await begin(here);
  here.fill('Code', appCode(secret));
  await here.press('Continue');
  await forgetPeriods(keyhold);
  const token = await accountToken(keyhold, here, app, EVERY_SCOPE);
  const ask = async (method: string, path: string) => {
    const answer = await fetch(at(`/api/me/devices/remembered${path}`), {
      method,
      headers: { authorization: `Bearer ${token}` },
    });
    const text = await answer.text();
    const body = (text ? JSON.parse(text) : {}) as {
      browsers: { id: string; name: string }[];
      next?: string;
    };
    return { status: answer.status, body };
  };
  const first = (await ask('GET', '?limit=1')).body;
  expect(first.browsers.map(({ name }) => name)).toEqual(['Safari · iOS']);
  const second = (await ask('GET', `?limit=1&before=${first.next}`)).body;
  expect(second.browsers).toHaveLength(1);
  expect(second.next).toBeUndefined();
  expect((await ask('DELETE', `/${first.browsers[0]?.id}`)).status).toBe(204);
  expect((await ask('DELETE', `/${first.browsers[0]?.id}`)).status).toBe(404);
  expect((await ask('DELETE', '/no-id')).status).toBe(404);
  expect((await ask('DELETE', '')).status).toBe(204);
  expect((await ask('GET', '')).body.browsers).toEqual([]);
});
