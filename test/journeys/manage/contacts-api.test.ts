import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { accountToken } from '../../support/account-api.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { peopleOnRecord } from '../../support/ledger.js';
import { codeIn } from '../../support/mailbox.js';
import type { Person } from '../../support/person.js';
import { newMember } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';

// The same by an app: its token, its codes, and nobody else's.

let keyhold: TestKeyhold;
let app: RelyingParty;
let other: RelyingParty;
let ada: Person;
let token: string;
let email: string;
let second: string;
let count = 0;
const SCOPES = 'account:contacts:read account:contacts:write';

beforeAll(async () => {
  keyhold = await startKeyhold();
  const scope = `openid profile email ${SCOPES}`;
  app = await openRelyingParty(keyhold, { first_party: true, scope });
  other = await openRelyingParty(keyhold, { first_party: true, scope, client_name: 'Another app' });
});

beforeEach(async () => {
  email = `ada${++count}@example.test`;
  second = `second${count}@example.test`;
  ada = await newMember(keyhold, app, email);
  token = await accountToken(keyhold, ada, app, SCOPES);
});

afterAll(async () => {
  await app?.close();
  await other?.close();
  await keyhold?.close();
});

async function call(method: string, path: string, input?: object, bearer = token) {
  const answer = await fetch(new URL(`/api/me/contacts${path}`, keyhold.origin), {
    method,
    headers: { authorization: `Bearer ${bearer}`, ...(input && { 'content-type': 'application/json' }) },
    ...(input && { body: JSON.stringify(input) }),
  });
  const text = await answer.text();
  const challenge = answer.headers.get('www-authenticate') ?? '';
  return { status: answer.status, body: text === '' ? {} : JSON.parse(text), challenge };
}

async function begin(address: string, kind = 'email') {
  const earlier = await ada.newestMail(address);
  const { body } = await call('POST', '', { kind, address });
  const mail = await ada.latestMail(address, earlier);
  const code = kind === 'email' ? codeIn(mail) : (/\d{8}/.exec(mail.text)?.[0] ?? '');
  return { proof: String(body.proof), code };
}

async function add(address: string, kind = 'email'): Promise<void> {
  const { proof, code } = await begin(address, kind);
  const { status } = await call('POST', `/proofs/${proof}`, { code });
  expect(status).toBe(204);
}

const idOf = async (address: string): Promise<string> =>
  (await call('GET', '')).body.contacts.find((one: { address: string }) => one.address === address)?.id;

test('an app lists, adds, proves, makes primary, removes and undoes', async () => {
  await add(second);
  await add('+4915123456789', 'phone');
  const { body } = await call('GET', '');
  expect(
    body.contacts.map((one: Record<string, unknown>) => [
      one['kind'],
      one['address'],
      one['primary'],
      one['verified'],
    ]),
  ).toEqual([
    ['email', email, true, true],
    ['email', second, false, true],
    ['phone', '+4915123456789', true, true],
  ]);
  expect(body.changes.map(({ kind, what }: Record<string, string>) => `${kind} ${what}`)).toEqual([
    'phone added',
    'email added',
  ]);
  expect((await call('POST', `/${await idOf(second)}/primary`)).status).toBe(204);
  expect((await call('DELETE', `/${await idOf(email)}`)).status).toBe(204);
  const { changes } = (await call('GET', '')).body;
  const made = changes.find(({ what }: { what: string }) => what === 'primary');
  expect((await call('POST', `/changes/${made.id}/undo`)).status).toBe(204);
  const after = (await call('GET', '')).body;
  expect(
    after.contacts
      .filter((one: { primary: boolean }) => one.primary)
      .map((one: { address: string }) => one.address),
  ).toEqual([email, '+4915123456789']);
  const gone = await call('POST', `/changes/${made.id}/undo`);
  expect([gone.status, gone.body.code]).toEqual([404, 'no_such_change']);
});

test('the app that asked is named in the notice', async () => {
  await add(second);
  for (let n = 0; n < 400 && !(await ada.newestMail(email, /added/)); n++)
    await new Promise(go => setTimeout(go, 25));
  expect((await ada.newestMail(email, /added/))?.text).toContain('Test app');
});

test('a code that one app asked for is none for another, nor on the pages', async () => {
  const { proof, code } = await begin(second);
  const theirs = await accountToken(keyhold, ada, other, SCOPES);
  const before = await peopleOnRecord(keyhold.db);
  const refused = await call('POST', `/proofs/${proof}`, { code }, theirs);
  expect([refused.status, refused.body.code]).toEqual([409, 'code_ended']);
  await ada.goto(new URL(`/account/contacts/proofs/${proof}`, keyhold.origin));
  expect(ada.page.text).toContain('That page was out of date');
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
  expect((await call('POST', `/proofs/${proof}`, { code })).status).toBe(204);
});

test('refusals are problems with a code: wrong and used codes, the last address, what is no address, somebody else’s id', async () => {
  const { proof, code } = await begin(second);
  const wrong = await call('POST', `/proofs/${proof}`, {
    code: code.replace(/\d$/, d => String((Number(d) + 1) % 10)),
  });
  expect([wrong.status, wrong.body.code]).toEqual([400, 'wrong_code']);
  expect((await call('POST', `/proofs/${proof}`, { code })).status).toBe(204);
  const used = await call('POST', `/proofs/${proof}`, { code });
  expect([used.status, used.body.code]).toEqual([409, 'code_ended']);
  expect((await call('DELETE', `/${await idOf(second)}`)).status).toBe(204);
  const mine = await idOf(email);
  const bob = await newMember(keyhold, app, `bob${count}@example.test`);
  const bobs = await accountToken(keyhold, bob, app, SCOPES);
  const before = await peopleOnRecord(keyhold.db);
  for (const [answer, status, name] of [
    [await call('DELETE', `/${mine}`), 409, 'last_address'],
    [await call('DELETE', `/${mine}`, undefined, bobs), 404, 'no_such_address'],
    [await call('POST', `/${mine}/primary`, undefined, bobs), 404, 'no_such_address'],
    [await call('POST', '', { kind: 'email', address: 'nobody' }), 400, 'email_invalid'],
    [await call('POST', '', { kind: 'phone', address: '0151' }), 400, 'phone_invalid'],
    [await call('POST', '', { kind: 'email', address: email }), 409, 'contact_known'],
    [
      await call('POST', '', { kind: 'email', address: second, account_id: 'x', verified: true }),
      400,
      'invalid_input',
    ],
    [await call('POST', '/proofs/x', { code: '12345678' }), 404, 'no_such_code'],
    [await call('POST', `/proofs/${proof}`, { code: '12345678' }, bobs), 404, 'no_such_code'],
    [await call('POST', '/changes/x/undo'), 404, 'no_such_change'],
  ] as const) {
    expect([answer.status, answer.body.code]).toEqual([status, name]);
  }
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('reading needs the scope to read, changing the one to write and a fresh sign-in', async () => {
  const reads = await accountToken(keyhold, ada, app, 'account:contacts:read');
  expect((await call('GET', '', undefined, reads)).status).toBe(200);
  const refused = await call('POST', '', { kind: 'email', address: second }, reads);
  expect([refused.status, refused.body.code]).toEqual([403, 'insufficient_scope']);
  const writes = await accountToken(keyhold, ada, app, 'account:contacts:write');
  expect((await call('GET', '', undefined, writes)).status).toBe(403);

  await keyhold.db('sessions').update({ login_ts: keyhold.db.raw('login_ts - 400') });
  const old = await accountToken(keyhold, ada, app, SCOPES);
  const before = await peopleOnRecord(keyhold.db);
  for (const [method, path, input] of [
    ['POST', '', { kind: 'email', address: second }],
    ['DELETE', `/${await idOf(email)}`, undefined],
    ['POST', `/${await idOf(email)}/primary`, undefined],
  ] as const) {
    const stale = await call(method, path, input, old);
    expect([stale.status, stale.challenge]).toEqual([
      401,
      expect.stringContaining('insufficient_user_authentication'),
    ]);
  }
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});
