import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { beginObjections } from '../../../src/domain/accounts/accounts.js';
import { addProvedContact, makePrimary, removeContact } from '../../../src/domain/contacts/contacts.js';
import { askFor } from '../../../src/journeys/privacy/deletion/ask.js';
import { FORGETTING } from '../../../src/journeys/privacy/rooms.js';
import { openWork } from '../../../src/platform/storage/work.js';
import { sagaOf } from '../../support/deletion.js';
import { jobsDone } from '../../support/jobs.js';
import { personAt, signIn, signUp } from '../../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf } from '../../support/ledger.js';
import { objectionIn } from '../../support/mailbox.js';
import { bringTogether, finishAll, toReview } from '../../support/merging.js';
import { browserOf } from '../../support/people.js';
import type { Person } from '../../support/person.js';
import { eventsOf } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';
import { csrfOf, postScript, signUpWithPasskey } from '../../support/steps.js';

let keyhold: TestKeyhold;
let house: RelyingParty;
let notes: RelyingParty;
let photos: RelyingParty;
let count = 0;
let here: string;
let there: string;
let person: Person;

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true, client_name: 'The house' });
  notes = await openRelyingParty(keyhold, { client_name: 'Notes' });
  photos = await openRelyingParty(keyhold, { client_name: 'Photos' });
});

afterAll(async () => {
  for (const app of [house, notes, photos]) await app?.close();
  await keyhold?.close();
});

beforeEach(async () => {
  count += 1;
  [here, there] = [`ada${count}@example.test`, `countess${count}@example.test`];
  await signUp(personAt(keyhold), house, there, 'Countess');
  person = personAt(keyhold);
  await signUp(person, house, here, 'Ada');
  await person.goto(new URL('/account', keyhold.origin));
});

const ids = async () => [await accountOf(keyhold.db, here), await accountOf(keyhold.db, there)] as const;

/* The link in the notice of the merge, whatever other mail came there. */
async function objectionTo(to: string): Promise<string> {
  await jobsDone(keyhold.db);
  const mail = await person.newestMail(to, /brought together/);
  return objectionIn(mail ?? { text: '' });
}

const stateOf = async (id: string) => (await keyhold.db('accounts').where({ id }).first('state'))?.state;

async function allows(email: string, app: RelyingParty, scope: string) {
  const browser = personAt(keyhold);
  await browser.goto(await app.authorizationUrl({ scope, prompt: 'login' }));
  await signIn(browser, email);
  if (browser.page.buttons.includes('Allow')) await browser.press('Allow');
  return app.exchange();
}

test('two accounts become one: addresses lead to it, and both histories are its own', async () => {
  const [stays, goes] = await ids();
  await toReview(keyhold, person, there);
  expect(person.page.heading).toBe('Look at what becomes of what');
  expect(person.page.text).toContain(there);
  await person.press('Bring them together');
  expect(person.page.text).toContain('The two accounts are one now.');
  expect(await accountOf(keyhold.db, there)).toBe(stays);
  expect([await stateOf(stays), await stateOf(goes)]).toEqual(['active', 'closed']);
  const again = personAt(keyhold);
  await again.goto(await house.authorizationUrl());
  await signIn(again, there);
  expect((await house.exchange()).claims()?.sub).toBe(stays);
  await person.goto(new URL('/account/history', keyhold.origin));
  expect(person.page.text).toContain('Another account became part of this one');
  expect(person.page.text).toContain('This account became part of another one');
  expect(person.page.text).toContain('in an account that became part of this one');
  for (const to of [here, there]) {
    expect(await objectionTo(to)).toContain('/objection/');
  }
});

test('what was signed in to the account that goes is over, and stays over when it comes back', async () => {
  const tokens = await allows(there, notes, 'openid offline_access email');
  const [, goes] = await ids();
  await bringTogether(keyhold, person, there);
  await expect(notes.refresh(tokens.refresh_token ?? '')).rejects.toThrow();
  await expect(notes.userInfo(tokens)).rejects.toThrow();
  expect(await keyhold.db('sessions').where({ account_id: goes }).whereNull('ended_at')).toEqual([]);
  await person.press('Take the two accounts apart');
  expect(person.page.text).toContain('Both accounts are as they were.');
  expect(await stateOf(goes)).toBe('active');
  await expect(notes.refresh(tokens.refresh_token ?? '')).rejects.toThrow();
});

test('an app that knows both keeps what both allowed; one that knew the other alone asks anew; undoing restores it', async () => {
  await allows(here, notes, 'openid profile email');
  await allows(there, notes, 'openid email');
  await allows(there, photos, 'openid email');
  const [stays, goes] = await ids();
  const scopesOf = async (id: string) =>
    (await keyhold.db('consents').where({ account_id: id, client_id: notes.clientId }).first('scopes'))
      ?.scopes;
  const before = await scopesOf(stays);
  await toReview(keyhold, person, there);
  expect(person.page.text).toContain('they get only what you allowed in both: Notes');
  expect(person.page.text).toContain('Photos');
  await person.press('Bring them together');
  expect(await scopesOf(stays)).toEqual(['email', 'openid']);
  expect(await keyhold.db('grants').where({ account_id: stays, client_id: notes.clientId })).toEqual([]);
  await person.goto(await photos.authorizationUrl({ scope: 'openid email' }));
  expect(person.page.buttons).toContain('Allow');
  await person.goto(new URL('/account/merge', keyhold.origin));
  await person.press('Take the two accounts apart');
  expect(await scopesOf(stays)).toEqual(before);
  expect(await scopesOf(goes)).toEqual(['email', 'openid']);
  expect(await accountOf(keyhold.db, there)).toBe(goes);
});

test('a value is taken over only where its person chose it, and goes back with the rest', async () => {
  const [stays] = await ids();
  const name = async () =>
    (await keyhold.db('profile_attributes').where({ account_id: stays, attribute: 'name' }).first('value'))
      ?.value;
  await toReview(keyhold, person, there);
  person.untick('Ada');
  person.tick('Countess');
  await person.press('Bring them together');
  expect(await name()).toBe('Countess');
  await person.press('Take the two accounts apart');
  expect(await name()).toBe('Ada');
});

test('the other one can stay instead, and its person goes on in it', async () => {
  const [mine, other] = await ids();
  await toReview(keyhold, person, there);
  await person.follow('Keep the other one instead');
  await person.press('Bring them together');
  expect(person.page.text).toContain('The two accounts are one now.');
  expect([await stateOf(mine), await stateOf(other)]).toEqual(['closed', 'active']);
  expect(await accountOf(keyhold.db, here)).toBe(other);
});

test('"this wasn\'t me" from the address that came over takes them apart and freezes both', async () => {
  const [stays, goes] = await ids();
  await bringTogether(keyhold, person, there);
  const link = await objectionTo(there);
  const owner = personAt(keyhold);
  await owner.goto(link);
  expect(owner.page.text).toContain('The two accounts are taken apart again.');
  await owner.press("This wasn't me");
  expect([await stateOf(stays), await stateOf(goes)]).toEqual(['frozen', 'frozen']);
  expect(await accountOf(keyhold.db, there)).toBe(goes);
  const undone = (await eventsOf(keyhold.db, 'merge.returned')).filter(each => each.account_id === goes);
  expect(undone.map(({ detail }) => detail['by'])).toEqual(['objection']);
});

test('an earlier notice of the account that went gives it back as well', async () => {
  const [stays, goes] = await ids();
  const link = { recipient: Buffer.from('recipient'), askedFrom: Buffer.from('sealed') };
  const [token] = await openWork(keyhold.db, { kind: 'system' }, work =>
    beginObjections(work, { accountId: goes, about: 'new_device' }, [link]),
  );
  await bringTogether(keyhold, person, there);
  const owner = personAt(keyhold);
  await owner.goto(new URL(`/objection/${token}`, keyhold.origin));
  await owner.press("This wasn't me");
  expect([await stateOf(stays), await stateOf(goes)]).toEqual(['active', 'frozen']);
  expect(await accountOf(keyhold.db, there)).toBe(goes);
});

test('C02: the page of one browser is good in no other, and another sign-in of both is asked for when either is old', async () => {
  await toReview(keyhold, person, there);
  const page = person.page.url;
  const [, goes] = await ids();
  const elsewhere = personAt(keyhold);
  await elsewhere.goto(await house.authorizationUrl());
  await signIn(elsewhere, here);
  await elsewhere.goto(page);
  expect(elsewhere.page.text).toContain('Please begin again');
  const old = Math.floor(Date.now() / 1000) - 3_600;
  await keyhold.db('sessions').where({ account_id: goes }).update({ login_ts: old });
  await person.press('Bring them together');
  expect(person.page.heading).toBe('Sign in');
  expect(await accountOf(keyhold.db, there)).toBe(goes);
});

test('C02: somebody else who is signed in beside them, a moment ago, is asked to sign in for this', async () => {
  const shared = personAt(keyhold);
  await browserOf(keyhold, house, [there, here], shared);
  const [, goes] = await ids();
  await keyhold
    .db('sessions')
    .where({ account_id: goes })
    .update({ login_ts: Math.floor(Date.now() / 1_000) - 5 });
  await shared.goto(new URL('/account', keyhold.origin));
  await shared.press(`Ada ${here}`);
  await shared.goto(new URL('/account/merge', keyhold.origin));
  await shared.press('Sign in to the other account');
  await shared.press(`Countess ${there}`);
  expect(shared.page.heading).toBe('Sign in');
  await signIn(shared, there);
  expect(shared.page.heading).toBe('Look at what becomes of what');
});

const PUT: Readonly<Record<string, (id: string) => Promise<unknown>>> = {
  'helps to run the service': id =>
    keyhold
      .db('accounts')
      .where({ id })
      .update({ roles: ['support'] }),
  'is about to be deleted': id => keyhold.db('accounts').where({ id }).update({ leaving_at: new Date() }),
  'the use of its data is restricted': id =>
    keyhold
      .db('accounts')
      .where({ id })
      .update({ restriction: JSON.stringify({ all: true, purposes: [], attributes: [] }) }),
};

test.each(Object.keys(PUT))('what comes up meanwhile stands in the way: %s', async words => {
  const [stays, goes] = await ids();
  await toReview(keyhold, person, there);
  await PUT[words]?.(goes);
  await person.press('Bring them together');
  expect(person.page.status).toBe(409);
  expect(person.page.text).toContain(words);
  expect(await accountOf(keyhold.db, there)).toBe(goes);
  expect(await keyhold.db('merges').where({ account_id: stays })).toEqual([]);
});

test('an account that asks for two steps never becomes part of one that does not', async () => {
  const [, goes] = await ids();
  await toReview(keyhold, person, there);
  await keyhold.db('accounts').where({ id: goes }).update({ second_step: true });
  await keyhold.db('sessions').where({ account_id: goes }).update({ acr: 'aal2' });
  await person.press('Bring them together');
  expect(person.page.text).toContain('it asks for a second step, and the other one does not');
  expect(await accountOf(keyhold.db, there)).toBe(goes);
  expect(await keyhold.db('merges').where({ gone_id: goes })).toEqual([]);
});

test('of two presses at once one counts, and a third account has to wait until that is final', async () => {
  const third = `third${count}@example.test`;
  await signUp(personAt(keyhold), house, third);
  const [stays] = await ids();
  await toReview(keyhold, person, there);
  const { url } = person.page;
  const fields = { csrf: csrfOf(person), for: stays, keep: 'mine' };
  const cookie = await person.jar.getCookieString(url.href);
  const press = () =>
    fetch(url, {
      method: 'POST',
      redirect: 'manual',
      headers: { cookie, origin: keyhold.origin, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(fields).toString(),
    });
  const answers = await Promise.all([press(), press()]);
  const led = answers.filter(each => each.headers.get('location')?.endsWith('done=merged'));
  expect(led).toHaveLength(1);
  expect(await keyhold.db('merges').where({ account_id: stays })).toHaveLength(1);
  await person.goto(new URL('/account/merge', keyhold.origin));
  expect(person.page.buttons).not.toContain('Sign in to the other account');
  await person.post('/account/merge', { csrf: csrfOf(person), for: stays });
  await person.follow('Use another account');
  await signIn(person, third);
  expect(person.page.text).toContain('it was brought together with another account lately');
});

test('a passkey comes over, signs in to the account that stays, and goes back even if it was removed since', async () => {
  const lovelace = `lovelace${count}@example.test`;
  const key = await signUpWithPasskey(personAt(keyhold), house, keyhold.origin, lovelace);
  const [stays] = await ids();
  const goes = await accountOf(keyhold.db, lovelace);
  await person.goto(new URL('/account/merge', keyhold.origin));
  await person.press('Sign in to the other account');
  await person.follow('Use another account');
  const options = await postScript(person, '/passkey/options');
  const signedIn = await postScript(person, '/passkey', { credential: key.get(options.body as never) });
  await person.goto(new URL(String(signedIn.body['location']), keyhold.origin));
  expect(person.page.text).toContain('These passkeys');
  await person.press('Bring them together');
  const again = personAt(keyhold);
  await again.goto(await house.authorizationUrl());
  const asked = await postScript(again, '/passkey/options');
  const answer = await postScript(again, '/passkey', { credential: key.get(asked.body as never) });
  await again.goto(new URL(String(answer.body['location']), keyhold.origin));
  expect((await house.exchange()).claims()?.sub).toBe(stays);
  await keyhold.db('passkeys').where({ account_id: stays }).delete();
  await person.press('Take the two accounts apart');
  const back = await keyhold.db('passkeys').where({ account_id: goes }).select('credential_id', 'made_for');
  expect(back).toEqual([{ credential_id: key.credentialId, made_for: null }]);
});

test('killed while it removes what is left, it goes on at the next look; nothing is undone from then on', async () => {
  const [stays, goes] = await ids();
  await bringTogether(keyhold, person, there);
  await finishAll(keyhold.db, 1);
  await person.goto(new URL('/account/merge', keyhold.origin));
  expect(person.page.buttons).not.toContain('Take the two accounts apart');
  await person.post('/account/merge/undo', { csrf: csrfOf(person), for: stays });
  expect(person.page.text).toContain('There is nothing to undo any more.');
  await finishAll(keyhold.db, 1, AbortSignal.abort());
  expect(await stateOf(goes)).toBe('closed');
  await finishAll(keyhold.db, 1);
  expect(await stateOf(goes)).toBeUndefined();
});

test('deleting the account that stays waits for these days, and takes the other one along', async () => {
  const [stays, goes] = await ids();
  await bringTogether(keyhold, person, there);
  const { undo_until: until } = await keyhold.db('merges').where({ account_id: stays }).first('undo_until');
  const { telling } = sagaOf(keyhold, 0);
  await openWork(keyhold.db, { kind: 'person', id: stays }, work =>
    askFor(work, telling, { accountId: stays, cause: 'person', days: 0, at: work.at }),
  );
  const { begins_at: begins } = await keyhold.db('deletions').orderBy('asked_at', 'desc').first('begins_at');
  expect(begins.getTime()).toBeGreaterThan(until.getTime());
  await keyhold.db('accounts').where({ id: stays }).update({ state: 'closed' });
  const whom = { accountId: stays, addresses: [] };
  for (let round = 0; round < 3; round += 1)
    for (const { forget } of FORGETTING)
      await openWork(keyhold.db, { kind: 'system' }, work => forget(work, whom, 500));
  expect(await stateOf(goes)).toBeUndefined();
  expect(await keyhold.db('merges').where({ account_id: stays })).toEqual([]);
});

test('undone after its own address was taken away, the account has that again, and is found by nothing of the other', async () => {
  const [stays, goes] = await ids();
  await bringTogether(keyhold, person, there);
  const page = person.page.url;
  await openWork(keyhold.db, { kind: 'person', id: stays }, async work => {
    const asked = { accountId: stays, kind: 'email', askedFrom: Buffer.from('x') } as const;
    await makePrimary(work, { ...asked, address: there });
    await removeContact(work, { ...asked, address: here });
  });
  await person.goto(page);
  await person.press('Take the two accounts apart');
  expect(await accountOf(keyhold.db, here)).toBe(stays);
  expect(await accountOf(keyhold.db, there)).toBe(goes);
  const primary = (id: string) =>
    keyhold.db('email_addresses').where({ account_id: id, is_primary: true }).pluck('address');
  expect([await primary(stays), await primary(goes)]).toEqual([[here], [there]]);
});

test('a thief who gave their own address to another account meanwhile keeps nothing by that', async () => {
  const [stays, goes] = await ids();
  await bringTogether(keyhold, person, there);
  const link = await objectionTo(there);
  await openWork(keyhold.db, { kind: 'person', id: stays }, async work => {
    const asked = { accountId: stays, kind: 'email', askedFrom: Buffer.from('x') } as const;
    await makePrimary(work, { ...asked, address: there });
    await removeContact(work, { ...asked, address: here });
  });
  const other = `thief${count}@example.test`;
  await signUp(personAt(keyhold), house, other);
  const accountId = await accountOf(keyhold.db, other);
  await openWork(keyhold.db, { kind: 'person', id: accountId }, work =>
    addProvedContact(work, { accountId, kind: 'email', address: here, askedFrom: Buffer.from('x') }),
  );
  const owner = personAt(keyhold);
  await owner.goto(link);
  await owner.press("This wasn't me");
  expect([await stateOf(stays), await stateOf(goes)]).toEqual(['closed', 'frozen']);
  expect(await accountOf(keyhold.db, there)).toBe(goes);
  expect(await accountOf(keyhold.db, here)).not.toBe(stays);
});

test('after seven days it is final: what it takes to undo is gone, the other account with it, and the history stays', async () => {
  const [stays, goes] = await ids();
  await allows(there, photos, 'openid email');
  await bringTogether(keyhold, person, there);
  await finishAll(keyhold.db, 1);
  const row = () => keyhold.db('merges').where({ account_id: stays }).first('state', 'sealed');
  expect(await row()).toEqual({ state: 'ending', sealed: null });
  await finishAll(keyhold.db, 2);
  expect(await row()).toEqual({ state: 'finished', sealed: null });
  expect(await stateOf(goes)).toBeUndefined();
  for (const table of ['sessions', 'consents', 'passwords', 'subject_keys', 'profile_attributes'])
    expect(await keyhold.db(table).where({ account_id: goes })).toEqual([]);
  expect(await accountOf(keyhold.db, there)).toBe(stays);
  await person.goto(new URL('/account/history', keyhold.origin));
  expect(person.page.text).toContain('This account became part of another one');
  await person.goto(new URL('/account/merge', keyhold.origin));
  expect(person.page.buttons).not.toContain('Take the two accounts apart');
});
