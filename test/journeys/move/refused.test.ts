import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { freezeAccount } from '../../../src/domain/accounts/accounts.js';
import { setPassword } from '../../../src/domain/credentials/credentials.js';
import { endSessionsOf } from '../../../src/oidc/session.js';
import { openWork } from '../../../src/platform/storage/work.js';
import { until } from '../../support/jobs.js';
import { personAt } from '../../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf, peopleOnRecord } from '../../support/ledger.js';
import { objectionIn } from '../../support/mailbox.js';
import {
  addPasskeyTo,
  beginMove,
  bindPasskey,
  confirm,
  numberOn,
  PHONE,
  postMove,
  scan,
  signInWith,
} from '../../support/move.js';
import { signInBeside } from '../../support/people.js';
import type { Person } from '../../support/person.js';
import { eventsOf, newMember } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';
import { csrfOf } from '../../support/steps.js';

// What a move refuses, and what it tells whoever is refused.

let keyhold: TestKeyhold;
let app: RelyingParty;
let old: Person;
let phone: Person;
let email: string;
let accountId: string;
let count = 0;

const at = (path: string) => new URL(path, keyhold.origin);

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, { first_party: true });
});

beforeEach(async () => {
  email = `bea${++count}@example.test`;
  old = await newMember(keyhold, app, email);
  phone = newPhone();
  accountId = await accountOf(keyhold.db, email);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

const newPhone = () => personAt(keyhold, { userAgent: PHONE });
const own = async (type: string) =>
  (await eventsOf(keyhold.db, type)).filter(event => event.account_id === accountId);
const move = () => keyhold.db('moves').where({ account_id: accountId }).orderBy('id', 'desc').first();
const working = <T>(act: Parameters<typeof openWork<T>>[2]) => openWork(keyhold.db, { kind: 'system' }, act);
const passkeys = () => keyhold.db('passkeys').where({ account_id: accountId });

/** A POST of the account's pages that no page offered. */
const post = (person: Person, path: string, fields: Readonly<Record<string, string>> = {}) =>
  person.post(at(path), { csrf: csrfOf(person), for: accountId, ...fields });

test('looking at a link, however often, uses nothing up', async () => {
  const link = await beginMove(keyhold, old);
  for (const scanner of [newPhone(), newPhone(), phone]) {
    await scanner.goto(link);
    expect([scanner.page.status, scanner.page.heading]).toEqual([200, 'Set up this phone?']);
  }
  expect((await move()).state).toBe('waiting');
  expect(await own('move.claimed')).toEqual([]);
  await phone.press('Go on with this phone');
  expect(phone.page.heading).toBe('Look at the old phone');
});

test('C18: a picture is used once: the second phone is told so, that is on record, and the first goes on', async () => {
  const link = await beginMove(keyhold, old);
  const second = newPhone();
  await second.goto(link);
  await scan(phone, link);
  const before = await peopleOnRecord(keyhold.db);
  await second.press('Go on with this phone');
  expect([second.page.status, second.page.heading]).toEqual([410, 'This picture was used already']);
  expect((await own('replay.refused')).map(({ detail }) => detail['kind'])).toEqual(['move_link']);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
  await second.goto(at('/move'));
  expect([second.page.status, second.page.heading]).toEqual([404, 'There is nothing to go on with']);
  await phone.goto(link);
  expect(phone.page.heading).toBe('Look at the old phone');
});

test('a link that is none leads nowhere, and says how a move begins', async () => {
  for (const wrong of ['x'.repeat(43), 'short', `${'x'.repeat(42)}%20`]) {
    await phone.goto(at(`/move/${wrong}`));
    expect([phone.page.status, phone.page.heading]).toEqual([404, 'There is nothing to go on with']);
  }
});

test('a picture is over after ten minutes, for who scans it and for who confirms', async () => {
  const link = await beginMove(keyhold, old);
  await phone.goto(link);
  await keyhold.db('moves').where({ account_id: accountId }).update({ until: new Date() });
  await phone.press('Go on with this phone');
  expect([phone.page.status, phone.page.heading]).toEqual([410, 'The time is over']);
  await old.goto(at('/account/move/now'));
  expect(old.page.heading).toBe('The time is over');
  await scan(phone, await beginMove(keyhold, old));
  await old.goto(at('/account/move/now'));
  await keyhold
    .db('moves')
    .where({ account_id: accountId })
    .whereNull('ended_at')
    .update({ until: new Date() });
  await old.press(numberOn(phone));
  expect(await own('move.confirmed')).toEqual([]);
  await phone.goto(at('/move'));
  expect(phone.page.heading).toBe('The time is over');
});

test('a number that the new phone does not show ends the move', async () => {
  await scan(phone, await beginMove(keyhold, old));
  await old.goto(at('/account/move/now'));
  const shown = numberOn(phone);
  const wrong = (await move()).numbers.find((number: number) => String(number) !== shown);
  await old.press(String(wrong));
  expect(old.page.heading).toBe('The move was stopped');
  expect((await own('move.refused')).map(({ detail }) => detail['reason'])).toEqual(['wrong_number']);
  await phone.goto(at('/move'));
  expect([phone.page.status, phone.page.heading]).toEqual([410, 'The old phone said no']);
  expect((await postMove(phone, '/move/passkey/options', {}, csrfOf(old))).status).toBe(403);
  await post(old, '/account/move/now/confirm', { number: shown });
  expect([old.page.status, await own('move.confirmed')]).toEqual([409, []]);
});

test('"this is not my new phone" ends it, and so does the new phone that was led astray', async () => {
  await scan(phone, await beginMove(keyhold, old));
  await old.goto(at('/account/move/now'));
  await old.press('This is not my new phone');
  expect(old.page.heading).toBe('The move was stopped');
  await scan(phone, await beginMove(keyhold, old));
  await phone.press('This is not my account: stop');
  expect(phone.page.heading).toBe('The old phone said no');
  expect((await own('move.refused')).map(({ detail }) => detail['reason'])).toEqual([
    'not_mine',
    'new_phone',
  ]);
});

test('a later step before an earlier one is refused, and nothing is bound', async () => {
  const link = await beginMove(keyhold, old);
  await post(old, '/account/move/now/confirm', { number: '47' });
  expect([old.page.status, old.page.heading]).toEqual([409, 'Scan this with the new phone']);
  await scan(phone, link);
  for (const path of ['/move/passkey/options', '/move/passkey'])
    expect([path, (await postMove(phone, path)).status]).toEqual([path, 409]);
  await phone.post(at('/move/app'), { csrf: csrfOf(phone), code: '000000' });
  expect(phone.page.status).toBe(409);
  await phone.goto(at('/move'));
  await phone.post(at('/move/try'), { csrf: csrfOf(phone) });
  expect(phone.page.heading).toBe('Look at the old phone');
  await phone.goto(at('/move/tried'));
  expect(phone.page.heading).toBe('Look at the old phone');
  await old.goto(at('/account/move/now'));
  await post(old, '/account/move/old', { thing: 'session' });
  expect(old.page.heading).toBe('Is this your new phone?');
  expect((await move()).state).toBe('claimed');
  expect(await passkeys()).toEqual([]);
});

test('an answer comes once: the second is refused, and on record', async () => {
  await scan(phone, await beginMove(keyhold, old));
  const number = numberOn(phone);
  await confirm(keyhold, old, phone);
  await post(old, '/account/move/now/confirm', { number });
  expect(old.page.status).toBe(409);
  expect((await own('replay.refused')).map(({ detail }) => detail['kind'])).toEqual(['move_answer']);
  expect(await own('move.confirmed')).toHaveLength(1);
});

test('what is bound is bound once, and the challenge of another browser is none', async () => {
  await scan(phone, await beginMove(keyhold, old));
  await confirm(keyhold, old, phone);
  const { credential, kept } = await bindPasskey(keyhold, phone);
  expect(kept.status).toBe(200);
  expect((await postMove(phone, '/move/passkey', { credential })).status).toBe(409);
  const thief = newPhone();
  await thief.goto(at('/move'));
  expect((await postMove(thief, '/move/passkey/options', {}, csrfOf(phone))).status).toBe(403);
  expect(await passkeys()).toHaveLength(1);
});

test('a move begun anew ends the one before, wherever that one stands', async () => {
  const first = await beginMove(keyhold, old);
  await scan(phone, first);
  await old.goto(at('/account/move/now'));
  await post(old, '/account/move');
  expect(old.page.heading).toBe('Scan this with the new phone');
  await phone.goto(at('/move'));
  expect(phone.page.heading).toBe('The move was stopped');
  const late = newPhone();
  await late.goto(first);
  expect(late.page.heading).toBe('The move was stopped');
});

const AFTERWARDS: readonly (readonly [what: string, act: () => Promise<unknown>, heading: string])[] = [
  ['the account was frozen', () => working(work => freezeAccount(work, accountId)), 'The move has ended'],
  [
    'the password was changed',
    () => working(work => setPassword(work, accountId, '$keyhold1$x')),
    'The move has ended',
  ],
  [
    'the old phone was signed out',
    () => working(work => endSessionsOf(work, accountId, 'ended-elsewhere')),
    'The move has ended',
  ],
];

test.each(AFTERWARDS)(
  'once %s nothing comes of a move that was not confirmed',
  async (_what, act, heading) => {
    const link = await beginMove(keyhold, old);
    await phone.goto(link);
    await act();
    await phone.press('Go on with this phone');
    expect([phone.page.status, phone.page.heading]).toEqual([410, heading]);
    expect(await own('move.claimed')).toEqual([]);
  },
);

test('once the account was frozen or given another password the new phone that was let in binds nothing', async () => {
  await scan(phone, await beginMove(keyhold, old));
  await confirm(keyhold, old, phone);
  await working(work => setPassword(work, accountId, '$keyhold1$x'));
  expect((await postMove(phone, '/move/passkey/options')).status).toBe(409);
  await phone.goto(at('/move'));
  expect(phone.page.heading).toBe('The move has ended');
  expect(await passkeys()).toEqual([]);
});

test('C48: neither another session of the same person nor anybody else may answer', async () => {
  const link = await beginMove(keyhold, old);
  await scan(phone, link);
  const number = numberOn(phone);
  const laptop = personAt(keyhold);
  await signInBeside(laptop, app, email);
  await laptop.goto(at('/account/move/now'));
  expect(laptop.page.heading).toBe('A move is under way');
  expect(() => laptop.press(number)).toThrow(`no button is called "${number}"`);
  await post(laptop, '/account/move/now/confirm', { number });
  expect(laptop.page.status).toBe(409);
  const stranger = await newMember(keyhold, app, `stranger${count}@example.test`);
  await stranger.goto(at('/account/move/now'));
  expect(stranger.page.heading).toBe('Move to a new phone');
  expect((await move()).state).toBe('claimed');
  expect(await own('move.confirmed')).toEqual([]);
  await laptop.goto(at('/account/move/now'));
  await laptop.press('Stop the move');
  expect((await move()).state).toBe('cancelled');
});

test('whoever else is signed in on the new phone stays so, untouched', async () => {
  const guest = await newMember(keyhold, app, `guest${count}@example.test`);
  const guestId = await accountOf(keyhold.db, `guest${count}@example.test`);
  const before = await keyhold
    .db('sessions')
    .where({ account_id: guestId })
    .select('uid', 'version', 'ended_at');
  await scan(guest, await beginMove(keyhold, old));
  await confirm(keyhold, old, guest);
  const { authenticator } = await bindPasskey(keyhold, guest);
  await guest.goto(at('/move'));
  await guest.press('Try it now');
  await signInWith(guest, authenticator);
  expect(guest.page.heading).toBe('It works');
  expect(
    await keyhold.db('sessions').where({ account_id: guestId }).select('uid', 'version', 'ended_at'),
  ).toEqual(before);
  const mine = await keyhold.db('sessions').where({ account_id: accountId }).whereNull('ended_at');
  expect(mine).toHaveLength(2);
});

test('whoever signs in otherwise has not tried what was added', async () => {
  await scan(phone, await beginMove(keyhold, old));
  await confirm(keyhold, old, phone);
  const elsewhere = await addPasskeyTo(keyhold, old, true);
  await bindPasskey(keyhold, phone);
  await phone.goto(at('/move'));
  await phone.press('Try it now');
  await signInWith(phone, elsewhere, 0x1d);
  expect(phone.page.heading).toBe('Now try it');
  expect(phone.page.text).toContain('not with the new passkey');
  expect((await move()).state).toBe('bound');
});

test('stopping a move takes back what was added on its way', async () => {
  await scan(phone, await beginMove(keyhold, old));
  await confirm(keyhold, old, phone);
  await bindPasskey(keyhold, phone);
  expect(await passkeys()).toHaveLength(1);
  await old.goto(at('/account/move/now'));
  await old.press('Stop the move');
  expect(old.page.heading).toBe('The move was stopped');
  expect(await passkeys()).toEqual([]);
  await phone.goto(at('/move'));
  expect(phone.page.heading).toBe('The move was stopped');
});

test('"this wasn\'t me" about a phone that was let in removes what it added, and nobody is signed in', async () => {
  await scan(phone, await beginMove(keyhold, old));
  await confirm(keyhold, old, phone);
  await bindPasskey(keyhold, phone);
  let link = '';
  await until(async () => {
    const mail = await old.newestMail(email, /new phone is being set up/);
    if (mail) {
      link = objectionIn(mail);
      expect(mail.text).toContain('Chrome · Android');
    }
    return mail !== undefined;
  });
  const owner = personAt(keyhold);
  await owner.goto(link);
  expect(owner.page.text).toContain('What was added on the new phone is removed');
  await owner.press("This wasn't me");
  expect(await passkeys()).toEqual([]);
  expect((await move()).state).toBe('cancelled');
  expect(await keyhold.db('sessions').where({ account_id: accountId }).whereNull('ended_at')).toEqual([]);
  await phone.goto(at('/move'));
  expect(phone.page.status).toBe(410);
});

test('what the old phone holds is dealt with once, also when both phones do it at the same moment', async () => {
  await addPasskeyTo(keyhold, old, false);
  await scan(phone, await beginMove(keyhold, old));
  await confirm(keyhold, old, phone);
  const { authenticator } = await bindPasskey(keyhold, phone);
  await phone.goto(at('/move'));
  await phone.press('Try it now');
  await signInWith(phone, authenticator);
  await phone.goto(at('/account/move/old'));
  await old.goto(at('/account/move/old'));
  const thing = `passkey ${(await passkeys()).find(({ credential_id }) => credential_id !== authenticator.credentialId).id}`;
  await Promise.all([
    post(old, '/account/move/old', { keep: 'yes' }),
    post(phone, '/account/move/old', { thing }),
  ]);
  expect([old.page.heading, phone.page.heading]).toEqual(['You have moved', 'You have moved']);
  const [done, ...more] = await own('move.retired');
  expect(more).toEqual([]);
  expect(await passkeys()).toHaveLength(2 - Number(done?.detail['passkeys']));
});

test('the last way in and the last app stay, whatever is ticked, and the page says why', async () => {
  const synced = await addPasskeyTo(keyhold, old, true);
  await scan(phone, await beginMove(keyhold, old));
  await confirm(keyhold, old, phone);
  await phone.press('Try the one that came along');
  await signInWith(phone, synced, 0x1d);
  const [only] = await passkeys();
  await keyhold.db('passkeys').where({ account_id: accountId }).update({ backed_up: false });
  await keyhold.db('passwords').where({ account_id: accountId }).delete();
  await keyhold.db('moves').where({ account_id: accountId }).update({ bound: null });
  await phone.goto(at('/account/move/old'));
  expect(phone.page.text).toContain('It is the only way in at the moment.');
  await post(phone, '/account/move/old', { thing: `passkey ${only.id}` });
  expect(phone.page.status).toBe(400);
  expect(await passkeys()).toHaveLength(1);
});
