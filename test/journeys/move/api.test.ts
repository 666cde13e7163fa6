import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { fetch } from 'undici';
import { accountToken } from '../../support/account-api.js';
import { personAt } from '../../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf } from '../../support/ledger.js';
import { bindPasskey, numberOn, PHONE, scan, signInWith } from '../../support/move.js';
import { signInBeside } from '../../support/people.js';
import type { Person } from '../../support/person.js';
import { eventsOf, newMember } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';

// The old phone's part of a move by an app that its person lets.

const READ = 'account:security:read';
const WRITE = 'account:security:write';

let keyhold: TestKeyhold;
let app: RelyingParty;
let old: Person;
let phone: Person;
let token: string;
let accountId: string;
let count = 0;

const at = (path: string) => new URL(path, keyhold.origin);

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, {
    first_party: true,
    scope: `openid profile email ${READ} ${WRITE}`,
  });
});

beforeEach(async () => {
  const email = `cleo${++count}@example.test`;
  old = await newMember(keyhold, app, email);
  phone = personAt(keyhold, { userAgent: PHONE });
  accountId = await accountOf(keyhold.db, email);
  token = await accountToken(keyhold, old, app, `${READ} ${WRITE}`);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

async function ask(method: string, path = '', body?: object, bearer = token) {
  const answer = await fetch(at(`/api/me/move${path}`), {
    method,
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, body: (text && JSON.parse(text)) as Record<string, unknown> };
}

test('an app begins a move, learns who scanned it, and names the number; the address is told once', async () => {
  expect((await ask('GET')).status).toBe(404);
  const begun = await ask('POST', '', {});
  expect(begun.status).toBe(201);
  const link = new URL(String(begun.body['url']));
  expect(link.pathname).toMatch(/^\/move\/[\w-]{43}$/);
  await scan(phone, link);
  const claimed = await ask('GET');
  expect(claimed.body).toMatchObject({
    id: begun.body['id'],
    state: 'claimed',
    ended_because: null,
    new_phone: { device: 'Chrome · Android', country: null },
    added: null,
  });
  expect(JSON.stringify(claimed.body)).not.toContain(link.pathname.slice(6));
  const number = Number(numberOn(phone));
  expect(claimed.body['numbers']).toContain(number);
  expect((await ask('POST', '/confirm', { number })).body['state']).toBe('confirmed');
  expect((await ask('POST', '/confirm', { number })).status).toBe(409);
  await phone.goto(at('/move'));
  const { authenticator } = await bindPasskey(keyhold, phone);
  await phone.goto(at('/move'));
  await phone.press('Try it now');
  await signInWith(phone, authenticator);
  expect((await ask('GET')).body).toMatchObject({ state: 'tested', added: 'passkey' });
  const events = await eventsOf(keyhold.db, 'move.confirmed');
  expect(events.filter(({ account_id }) => account_id === accountId)).toHaveLength(1);
});

test('a wrong number ends it; an app may end one, and not twice; another session answers nothing', async () => {
  const { body } = await ask('POST', '', {});
  await scan(phone, new URL(String(body['url'])));
  const { numbers } = (await ask('GET')).body as { readonly numbers: readonly number[] };
  const shown = Number(numberOn(phone));
  const wrong = await ask('POST', '/confirm', { number: numbers.find(number => number !== shown) });
  expect([wrong.status, wrong.body['code']]).toEqual([409, 'wrong_number']);
  expect((await ask('GET')).body['state']).toBe('refused');
  const again = await ask('POST', '', {});
  await scan(phone, new URL(String(again.body['url'])));
  const laptop = personAt(keyhold);
  const elsewhere = await accountToken(keyhold, await memberOn(laptop), app, `${READ} ${WRITE}`);
  expect((await ask('GET', '', undefined, elsewhere)).body).toMatchObject({ state: 'claimed', numbers: [] });
  const number = Number(numberOn(phone));
  expect((await ask('POST', '/confirm', { number }, elsewhere)).status).toBe(409);
  expect((await ask('DELETE')).status).toBe(204);
  expect((await ask('DELETE')).status).toBe(409);
  expect((await ask('GET')).body['state']).toBe('cancelled');
});

async function memberOn(person: Person): Promise<Person> {
  await signInBeside(person, app, `cleo${count}@example.test`);
  return person;
}

test("an app of somebody else's begins nothing and confirms nothing: it could add a way in of its own", async () => {
  const theirs = await openRelyingParty(keyhold, { scope: `openid profile email ${READ} ${WRITE}` });
  const foreign = await accountToken(keyhold, old, theirs, `${READ} ${WRITE}`);
  await theirs.close();
  const refused = await ask('POST', '', {}, foreign);
  expect([refused.status, refused.body['code']]).toEqual([403, 'first_party_only']);
  const { body } = await ask('POST', '', {});
  await scan(phone, new URL(String(body['url'])));
  expect((await ask('POST', '/confirm', { number: Number(numberOn(phone)) }, foreign)).status).toBe(403);
  expect((await ask('GET')).body['state']).toBe('claimed');
});

test('beginning one needs the scope to write, and takes nothing unknown', async () => {
  const reading = await accountToken(keyhold, old, app, READ);
  expect((await ask('POST', '', {}, reading)).status).toBe(403);
  expect((await ask('GET', '', undefined, reading)).status).toBe(404);
  expect((await ask('POST', '', { account: accountId })).status).toBe(400);
  expect(await keyhold.db('moves').where({ account_id: accountId })).toEqual([]);
});
