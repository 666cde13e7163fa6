import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { dropPasskey, dropPassword } from '../../../src/domain/credentials/credentials.js';
import { openWork } from '../../../src/platform/storage/work.js';
import { openAuthenticator } from '../../support/authenticator.js';
import { until } from '../../support/jobs.js';
import { personAt, signIn } from '../../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf } from '../../support/ledger.js';
import { signInBeside } from '../../support/people.js';
import type { Person } from '../../support/person.js';
import { eventsOf, newMember } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';
import { csrfOf, postAccountScript } from '../../support/steps.js';

let keyhold: TestKeyhold;
let app: RelyingParty;
let person: Person;
let email: string;
let accountId: string;
let count = 0;

const at = (path: string) => new URL(path, keyhold.origin);
const NEW_PASSWORD = 'quiet harbour seven lanterns';

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold);
});

beforeEach(async () => {
  email = `ada${++count}@example.test`;
  person = await newMember(keyhold, app, email);
  accountId = await accountOf(keyhold.db, email);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

const typesOf = async (type: string) =>
  (await eventsOf(keyhold.db, type)).filter(event => event.account_id === accountId).length;

async function told(subject: RegExp): Promise<void> {
  await until(async () => (await person.newestMail(email, subject)) !== undefined);
}

async function addPasskey(name?: string) {
  await person.goto(at('/account/sign-in/passkeys/new'));
  const authenticator = openAuthenticator(keyhold.origin);
  const options = await postAccountScript(person, '/account/sign-in/passkeys/new/options');
  expect(options.status).toBe(200);
  const credential = authenticator.create(options.body as never);
  const kept = await postAccountScript(person, '/account/sign-in/passkeys/new', { credential });
  expect([kept.status, kept.body['location']]).toEqual([200, '/account/sign-in?done=passkey_added']);
  const { id } = await keyhold
    .db('passkeys')
    .where({ credential_id: authenticator.credentialId })
    .first('id');
  if (name) await keyhold.db('passkeys').where({ id }).update({ name });
  return { authenticator, id: String(id), credential };
}

test('the page shows each way in, when it was added and from where', async () => {
  await person.goto(at('/account'));
  await person.follow('Sign-in');
  expect(person.page.heading).toBe('How you sign in');
  expect(person.page.text).toContain('You have no passkey yet.');
  await addPasskey();
  await person.goto(at('/account/sign-in'));
  expect(person.page.text).toContain('iCloud Keychain');
  expect(person.page.text).toContain('Firefox · Linux');
  expect(person.page.text).toContain('Not used yet');
  const { credential_id } = await keyhold.db('passkeys').where({ account_id: accountId }).first();
  expect(person.page.html).toContain(`data-known="${credential_id}"`);
});

test('a password is changed: the old one is over, every address is told, and all others can be signed out', async () => {
  const elsewhere = personAt(keyhold);
  await signInBeside(elsewhere, app, email);
  await person.goto(at('/account/sign-in/password'));
  person.fill('New password', 'password1');
  await person.press('Save the password');
  expect([person.page.status, person.page.heading]).toEqual([400, 'Change your password']);
  person.fill('New password', NEW_PASSWORD);
  await person.press('Save the password');
  expect(person.page.text).toContain('Your password is changed.');
  expect(await typesOf('password.changed')).toBe(1);
  await told(/password was changed/);
  await person.press('Sign out everywhere else');
  expect(person.page.text).toContain('Everywhere else you are signed out now.');
  const sessions = await keyhold.db('sessions').where({ account_id: accountId }).whereNull('ended_at');
  expect(sessions).toHaveLength(1);
  await elsewhere.goto(at('/account'));
  await signIn(elsewhere, email);
  expect(elsewhere.page.text).toContain('not right');
  await elsewhere.goto(at('/account'));
  await signIn(elsewhere, email, NEW_PASSWORD);
  expect(elsewhere.page.heading).toBe('Your account');
});

test('C19: a passkey is added for whoever is signed in, once, and nobody is told of a failure but they', async () => {
  const { authenticator, credential } = await addPasskey();
  expect(await typesOf('passkey.added')).toBe(1);
  await told(/passkey was added/);
  const again = await postAccountScript(person, '/account/sign-in/passkeys/new', { credential });
  expect([again.status, again.body['code']]).toEqual([400, 'passkey_refused']);
  expect(await keyhold.db('passkeys').where({ account_id: accountId })).toHaveLength(1);
  expect(await typesOf('replay.refused')).toBe(1);
  const other = personAt(keyhold);
  await signInBeside(other, app, email);
  await other.goto(at('/account/sign-in/passkeys/new'));
  const options = await postAccountScript(person, '/account/sign-in/passkeys/new/options');
  const moved = openAuthenticator(keyhold.origin).create(options.body as never);
  const refused = await postAccountScript(other, '/account/sign-in/passkeys/new', { credential: moved });
  expect(refused.body['code']).toBe('passkey_refused');
  expect(authenticator.credentialId).not.toBe('');
});

test('a passkey is renamed and removed; the record of what was bound stays', async () => {
  const { id } = await addPasskey();
  await person.goto(at(`/account/sign-in/passkeys/${id}`));
  person.fill('Name', ' ');
  await person.press('Save the name');
  expect(person.page.text).toContain('Give the passkey a name.');
  person.fill('Name', 'Blue\u202e phone');
  await person.press('Save the name');
  expect(person.page.text).toContain('The name is saved.');
  expect((await keyhold.db('passkeys').where({ id }).first('name')).name).toBe('Blue phone');
  await person.goto(at(`/account/sign-in/passkeys/${id}`));
  await person.press('Remove this passkey');
  expect(person.page.text).toContain('The passkey is removed.');
  expect(person.page.html).toContain('data-known=""');
  expect(await keyhold.db('passkeys').where({ id })).toHaveLength(0);
  const [bound] = (await eventsOf(keyhold.db, 'passkey.added')).filter(
    event => event.detail['passkeyId'] === id,
  );
  expect(bound?.account_id).toBe(accountId);
  expect(await typesOf('passkey.removed')).toBe(1);
  await told(/passkey was removed/);
});

test('the last way in stays, with the reason and the next step', async () => {
  await person.goto(at('/account/sign-in/password'));
  expect(person.page.text).toContain('the only way in at the moment');
  const path = '/account/sign-in/password/remove';
  await person.post(at(path), { csrf: csrfOf(person), for: accountId });
  expect([person.page.status, person.page.heading]).toEqual([400, 'Change your password']);
  expect(await typesOf('password.removed')).toBe(0);
  const { id } = await addPasskey();
  await person.goto(at('/account/sign-in/password'));
  await person.press('Remove the password');
  expect(person.page.text).toContain('Your password is removed.');
  await person.goto(at(`/account/sign-in/passkeys/${id}`));
  expect(person.page.text).toContain('This passkey is the only way in at the moment');
  await person.post(at(`/account/sign-in/passkeys/${id}/remove`), { csrf: csrfOf(person), for: accountId });
  expect(person.page.status).toBe(400);
  expect(await keyhold.db('passkeys').where({ account_id: accountId })).toHaveLength(1);
  await person.goto(at('/account/sign-in/password'));
  expect(person.page.heading).toBe('Set a password');
});

test('C34: of two who take away the last two ways in at once, one is refused', async () => {
  for (let round = 0; round < 5; round += 1) {
    await keyhold.db('passkeys').where({ account_id: accountId }).delete();
    const { id } = await addPasskey();
    const outcomes = await Promise.all([
      openWork(keyhold.db, { kind: 'person', id: accountId }, work => dropPassword(work, accountId)),
      openWork(keyhold.db, { kind: 'person', id: accountId }, work => dropPasskey(work, accountId, id)),
    ]);
    expect([...outcomes].sort()).toEqual(['dropped', 'last']);
    if (outcomes[0] !== 'dropped') continue;
    await person.goto(at('/account/sign-in/password'));
    person.fill('New password', NEW_PASSWORD);
    await person.press('Save the password');
  }
});

test('the list takes three round trips at most', async () => {
  await addPasskey();
  await person.goto(at('/account/sign-in'));
  const trips = await keyhold.trips.during(() => person.goto(at('/account/sign-in')));
  expect(trips.length).toBeLessThanOrEqual(1 + 3);
});
