import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { freezeAccount } from '../../../../src/domain/accounts/accounts.js';
import { addProvedContact, makePrimary, removeContact } from '../../../../src/domain/contacts/contacts.js';
import { openWork } from '../../../../src/platform/storage/work.js';
import { accountToken } from '../../../support/account-api.js';
import { personAt } from '../../../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../../../support/keyhold.js';
import { accountOf, peopleOnRecord, recordedDuring } from '../../../support/ledger.js';
import { objectionIn, type ReceivedMail } from '../../../support/mailbox.js';
import { signInBeside } from '../../../support/people.js';
import type { Person } from '../../../support/person.js';
import { newMember } from '../../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../../support/relying-party.js';
import {
  csrfOf,
  memberOf,
  postStep,
  signUpWithPasskey,
  toPassword,
  toRecoveryCredential,
} from '../../../support/steps.js';

// "This wasn't me" out of one's own history: by whoever is signed in, with nothing in the way; undoing is the owner's alone.

let keyhold: TestKeyhold;
let app: RelyingParty;
let email: string;
let accountId: string;
let owner: Person;
let count = 0;
const NEW_PASSWORD = 'seven badgers rehearse muffled anthems';
const at = (path: string) => new URL(path, keyhold.origin);

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, { first_party: true });
});

beforeEach(async () => {
  email = `ada${++count}@example.test`;
  owner = await newMember(keyhold, app, email);
  accountId = await accountOf(keyhold.db, email);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

const sessionsOf = async () =>
  (await keyhold.db('sessions').where({ account_id: accountId }).whereNull('ended_at')).length;
const stateOf = async () => (await keyhold.db('accounts').where({ id: accountId }).first('state'))?.state;

async function latest(type: string): Promise<string> {
  const event = await keyhold
    .db('events')
    .where({ account_id: accountId, type })
    .orderBy('id', 'desc')
    .first('id');
  return String(event?.id);
}

/** The page that says what objecting to the latest of a type will do. */
async function toObjection(person: Person, type = 'session.authenticated'): Promise<void> {
  await person.goto(at(`/account/history/${await latest(type)}/object`));
}

const press = (person: Person) => person.press("This wasn't me");
const sealedOn = ({ page }: Person) => /name="objection" value="([^"]+)"/.exec(page.html)?.[1] ?? '';

/** The same browser once more, as somebody has it who took its cookies. */
async function stolenFrom(person: Person): Promise<Person> {
  const thief = personAt(keyhold);
  for (const cookie of await person.jar.getCookies(keyhold.origin))
    await thief.jar.setCookie(cookie.toString(), keyhold.origin);
  for (const [name, value] of await person.cookies(at('/authorize')))
    await thief.jar
      .setCookie(`${name}=${value}; Path=/authorize`, at('/authorize').href)
      .catch(() => undefined);
  return thief;
}

/** As if everybody had signed in so long ago. */
const longAgo = () =>
  keyhold
    .db('sessions')
    .where({ account_id: accountId })
    .update({ login_ts: keyhold.db.raw('login_ts - 7200') });

async function recovered(): Promise<Person> {
  const person = personAt(keyhold);
  await toRecoveryCredential(person, app, email);
  await postStep(person, '/recovery/password', { password: NEW_PASSWORD });
  return person;
}

test('looking changes nothing; the button freezes, signs everybody out, tells, and leads to getting back in', async () => {
  const elsewhere = personAt(keyhold);
  await signInBeside(elsewhere, app, email);
  await owner.goto(at('/account/history'));
  const before = await peopleOnRecord(keyhold.db);
  await toObjection(owner);
  expect(owner.page.heading).toBe('Something you did not do?');
  expect(owner.page.text).toContain('Your account is frozen at once');
  expect(await peopleOnRecord(keyhold.db)).toBe(before);

  const earlier = await keyhold.mailbox.latest(email);
  const events = await recordedDuring(keyhold.db, () => press(owner));
  expect([owner.page.status, owner.page.heading]).toEqual([200, 'Your account is frozen']);
  expect(events.map(({ type }) => type).sort()).toEqual([
    'account.frozen',
    'objection.begun',
    'session.ended',
    'session.ended',
  ]);
  expect(await stateOf()).toBe('frozen');
  expect(await keyhold.db('grants').where({ account_id: accountId })).toEqual([]);
  await elsewhere.goto(at('/account'));
  expect(elsewhere.page.heading).toBe('Sign in');
  const told = await keyhold.mailbox.latest(email, earlier);
  expect(told.subject).toBe('Your Keyhold account is frozen');

  await owner.follow('Recover the account');
  expect(owner.page.url.pathname).not.toContain('/account');
  await owner.goto(at('/account'));
  expect(owner.page.heading).toBe('Sign in');
  await recovered();
  expect(await stateOf()).toBe('active');
});

test('pressed twice, with the back button or at once, it freezes once, tells once, and says the same', async () => {
  await toObjection(owner);
  const fields = { csrf: csrfOf(owner), objection: sealedOn(owner) };
  const tabs = await Promise.all(Array.from({ length: 8 }, () => stolenFrom(owner)));
  for (const tab of tabs) await tab.goto(at('/account'));
  const events = await recordedDuring(keyhold.db, () =>
    Promise.all(tabs.map(tab => tab.post(at('/objection'), fields))),
  );
  expect(tabs.map(({ page }) => [page.status, page.heading])).toEqual(
    Array(8).fill([200, 'Your account is frozen']),
  );
  expect(events.filter(({ type }) => type === 'account.frozen')).toHaveLength(1);
  expect(events.filter(({ type }) => type === 'objection.begun')).toHaveLength(1);
  const again = await recordedDuring(keyhold.db, () => owner.post(at('/objection'), fields));
  expect([owner.page.status, owner.page.heading, again]).toEqual([200, 'Your account is frozen', []]);
});

test('C07: once the account is recovered, the same button freezes nothing any more', async () => {
  await toObjection(owner);
  const fields = { csrf: csrfOf(owner), objection: sealedOn(owner) };
  await press(owner);
  await recovered();
  const before = await peopleOnRecord(keyhold.db);
  const events = await recordedDuring(keyhold.db, () => owner.post(at('/objection'), fields));
  expect([owner.page.status, owner.page.heading]).toEqual([410, 'You have objected already']);
  expect(events.map(({ type, account_id }) => [type, account_id])).toEqual([['replay.refused', accountId]]);
  expect([await stateOf(), await peopleOnRecord(keyhold.db)]).toEqual(['active', before]);
});

test('C07: guessed, changed, from another browser, without a token, or of a session that was ended: nothing', async () => {
  await toObjection(owner);
  const sealed = sealedOn(owner);
  const other = await newMember(keyhold, app, `other-${email}`);
  await other.goto(at('/account'));
  const before = await peopleOnRecord(keyhold.db);
  const flipped = (sealed[40] === 'A' ? 'B' : 'A') + sealed.slice(41);
  const tries: [Person, Record<string, string>][] = [
    [owner, {}],
    [owner, { objection: '' }],
    [owner, { objection: 'x'.repeat(43) }],
    [owner, { objection: 'x'.repeat(5_000) }],
    [owner, { objection: sealed.slice(0, 40) + flipped }],
    [other, { objection: sealed }],
    [personAt(keyhold), { objection: sealed }],
  ];
  for (const [person, fields] of tries) {
    if (csrfOf(person) === '') await person.goto(at('/terms'));
    if (csrfOf(person) === '') await person.goto(at('/account'));
    await person.post(at('/objection'), { csrf: csrfOf(person), ...fields });
    expect([person.page.status, person.page.heading]).toEqual([410, 'This link has expired']);
    await person.goto(at('/account'));
  }
  await owner.post(at('/objection'), { csrf: 'x'.repeat(43), objection: sealed });
  expect(owner.page.status).toBe(403);
  expect([await stateOf(), await peopleOnRecord(keyhold.db)]).toEqual(['active', before]);
  await keyhold
    .db('sessions')
    .where({ account_id: accountId })
    .update({ ended_at: new Date(), ended_reason: 'operator' });
  await owner.goto(at('/account'));
  await owner.post(at('/objection'), { csrf: csrfOf(owner), objection: sealed });
  expect([owner.page.status, await stateOf()]).toEqual([410, 'active']);
});

test("C48: somebody else's action is nothing, and so is one that never was", async () => {
  const other = await newMember(keyhold, app, `other-${email}`);
  const id = await latest('session.authenticated');
  for (const path of [id, '019ac1d2-6f3c-7c1e-9d8a-2f6b8d7c1e55', 'x', '..%2f..']) {
    await other.goto(at(`/account/history/${path}/object`));
    expect([path, other.page.status]).toEqual([path, 404]);
  }
});

test('a session of hours ago freezes as well: no proof stands in the way', async () => {
  await longAgo();
  await toObjection(owner);
  expect(owner.page.heading).toBe('Something you did not do?');
  await press(owner);
  expect([owner.page.heading, await stateOf()]).toEqual(['Your account is frozen', 'frozen']);
});

test('an app that its person lets freezes as well, and its own token ends with it; from something harmless it does not', async () => {
  const scope = 'account:history:object';
  const helper = await openRelyingParty(keyhold, { first_party: true, scope: `openid ${scope}` });
  await longAgo();
  const token = await accountToken(keyhold, owner, helper, scope);
  const object = async (id: string) => {
    const headers = { authorization: `Bearer ${token}` };
    const answer = await fetch(at(`/api/me/history/${id}/object`), { method: 'POST', headers });
    return [answer.status, ((await answer.json()) as { code?: string; frozen?: boolean }).code ?? 'frozen'];
  };
  expect(await object(await latest('terms.accepted'))).toEqual([409, 'nothing_to_freeze']);
  expect(await stateOf()).toBe('active');
  expect(await object(await latest('session.authenticated'))).toEqual([200, 'frozen']);
  expect(await stateOf()).toBe('frozen');
  expect(await object(await latest('session.authenticated'))).toEqual([401, 'invalid_token']);
  const [frozen] = await keyhold.db('events').where({ account_id: accountId, type: 'account.frozen' });
  expect([frozen.actor_kind, frozen.actor_id]).toEqual(['client', helper.client.client_id]);
  await helper.close();
});

async function withPasskey(): Promise<Person> {
  const person = personAt(keyhold);
  email = `passkey-${email}`;
  await signUpWithPasskey(person, app, keyhold.origin, email);
  accountId = await accountOf(keyhold.db, email);
  return person;
}

const passkeys = () => keyhold.db('passkeys').where({ account_id: accountId });

test('a passkey goes at once with whoever has just signed in, and by the mailed link otherwise', async () => {
  const fresh = await withPasskey();
  await toObjection(fresh, 'passkey.added');
  expect(fresh.page.text).toContain('This passkey is removed.');
  await press(fresh);
  expect(await passkeys()).toHaveLength(0);

  const stale = await withPasskey();
  await longAgo();
  await toObjection(stale, 'passkey.added');
  expect(stale.page.text).toContain('It takes this passkey away too.');
  const earlier = await keyhold.mailbox.latest(email);
  await press(stale);
  expect([await stateOf(), (await passkeys()).length]).toEqual(['frozen', 1]);
  await byLink(await keyhold.mailbox.latest(email, earlier));
  expect(await passkeys()).toHaveLength(0);
});

async function byLink(mail: ReceivedMail): Promise<Person> {
  const person = personAt(keyhold);
  await person.goto(objectionIn(mail));
  await press(person);
  expect(person.page.heading).toBe('Your account is frozen');
  return person;
}

/** Changes of addresses, as the account's pages make them. */
async function changed(
  ...changes: readonly (readonly ['add' | 'primary' | 'remove', string])[]
): Promise<void> {
  const verbs = { add: addProvedContact, primary: makePrimary, remove: removeContact };
  for (const [verb, address] of changes) {
    await openWork(keyhold.db, { kind: 'person', id: accountId }, work =>
      verbs[verb](work, { accountId, kind: 'email', address, askedFrom: Buffer.from('x') }),
    );
  }
}

const addresses = async () =>
  (await keyhold.db('email_addresses').where({ account_id: accountId }).orderBy('is_primary', 'desc')).map(
    ({ address }) => address,
  );

test('C12, C14: whoever stole a session can freeze, and neither undo what the owner did nor keep the owner out', async () => {
  await changed(['add', `second-${email}`]);
  const thief = await stolenFrom(owner);
  await longAgo();
  await toObjection(thief, 'email_address.added');
  await press(thief);
  expect([thief.page.heading, await stateOf()]).toEqual(['Your account is frozen', 'frozen']);
  expect(await addresses()).toEqual([email, `second-${email}`]);
  await thief.goto(at('/account'));
  expect(thief.page.heading).toBe('Sign in');
  const back = await recovered();
  expect([back.page.heading, await stateOf()]).toEqual(['Back in the app', 'active']);
  await thief.goto(at('/account'));
  expect(thief.page.heading).toBe('Sign in');
});

test('C22: a thief who took the addresses over loses them by one press in the first mailbox, and gets in no more', async () => {
  const thief = `thief-${email}`;
  await changed(['add', thief], ['primary', thief], ['remove', email]);
  const password = personAt(keyhold);
  await toRecoveryCredential(password, app, thief);
  const [before, code] = [await keyhold.mailbox.latest(email), await keyhold.mailbox.latest(thief)];
  await postStep(password, '/recovery/password', { password: NEW_PASSWORD });
  const atOwners = await keyhold.mailbox.latest(email, before);
  const atThiefs = await keyhold.mailbox.latest(thief, code);
  expect([atOwners.subject, atThiefs.subject]).toEqual(Array(2).fill('Your Keyhold password was changed'));

  await byLink(atThiefs);
  expect(await addresses()).toEqual([thief]);
  const once = personAt(keyhold);
  await toRecoveryCredential(once, app, thief);
  expect([once.page.status, once.page.html.includes('address_too_new')]).toEqual([403, true]);
  await postStep(once, '/recovery/password', { password: NEW_PASSWORD }).catch(() => undefined);
  expect([await stateOf(), await sessionsOf()]).toEqual(['frozen', 0]);
  await byLink(atOwners);
  expect(await addresses()).toEqual([email]);
  const again = personAt(keyhold);
  await toPassword(again, app, thief);
  await again.press('Forgot password?');
  const proofs = keyhold.db('email_proofs').where({ address: thief, purpose: 'recovery' });
  expect((await proofs.orderBy('created_at')).map(({ decoy }) => decoy)).toEqual([false, false, true]);
  const back = await recovered();
  expect([back.page.heading, await stateOf()]).toEqual(['Back in the app', 'active']);
});

test('C22: an address that came lately brings a frozen account back once nobody can take it away any more', async () => {
  const second = `second-${email}`;
  await changed(['add', second]);
  await openWork(keyhold.db, { kind: 'system' }, work => freezeAccount(work, accountId));
  const early = personAt(keyhold);
  const events = await recordedDuring(keyhold.db, () => toRecoveryCredential(early, app, second));
  expect(early.page.text).toContain('this address came to it only a few days ago');
  expect(events.map(({ type }) => type)).toContain('sign_in.failed');
  await keyhold
    .db('contact_changes')
    .where({ account_id: accountId })
    .update({ undo_until: keyhold.db.raw(`now() - interval '1 second'`) });
  const late = personAt(keyhold);
  await toRecoveryCredential(late, app, second);
  await postStep(late, '/recovery/password', { password: NEW_PASSWORD });
  expect(await stateOf()).toBe('active');
});

test('an address that is somebody else’s by now does not keep the account from being frozen', async () => {
  const second = `second-${email}`;
  await changed(['add', second], ['primary', second], ['remove', email]);
  const person = personAt(keyhold);
  await toRecoveryCredential(person, app, second);
  const earlier = await keyhold.mailbox.latest(email);
  await postStep(person, '/recovery/password', { password: NEW_PASSWORD });
  const notice = await keyhold.mailbox.latest(email, earlier);
  await memberOf(keyhold, app, `other-${email}`);
  const other = await accountOf(keyhold.db, `other-${email}`);
  await keyhold
    .db('identifiers')
    .insert({ kind: 'email', value: email, account_id: other, added_at: new Date() });
  await byLink(notice);
  expect([await stateOf(), await addresses()]).toEqual(['frozen', [second]]);
});
