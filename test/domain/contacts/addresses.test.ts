import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import {
  findAccount,
  findByIdentifier,
  freezeAccount,
  newAccountId,
  openAccount,
} from '../../../src/domain/accounts/accounts.js';
import {
  addProvedContact,
  addVerifiedEmail,
  beginProof,
  type Changed,
  type ContactRequest,
  findChangeByLink,
  listContacts,
  listNoticeEmails,
  listOpenChanges,
  MOST_CONTACTS,
  makePrimary,
  readPhone,
  removeContact,
  spendProof,
  sweepContactChanges,
  tryCode,
  undoByLink,
  undoChange,
  undoChangesSince,
} from '../../../src/domain/contacts/contacts.js';
import { openKeyring } from '../../../src/platform/crypto/keyring.js';
import { openWork, type Work } from '../../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';
import { peopleOnRecord, recordedDuring } from '../../support/ledger.js';

const keyring = openKeyring('a secret of a test that is long enough');
const FROM = Buffer.from('sealed');
const DAY = 86_400_000;

let database: TestDatabase;
let accountId: string;
let count = 0;
const at = (name: string) => `${name}${count}@example.test`;

beforeAll(async () => {
  database = await openTestDatabase();
});

beforeEach(async () => {
  count += 1;
  accountId = await open(at('ada'));
});

afterAll(() => database?.close());

const doing = <T>(act: (work: Work) => Promise<T>): Promise<T> =>
  openWork(database.db, { kind: 'person', id: accountId }, act);

/** The same work, some days later. */
const later = <T>(days: number, act: (work: Work) => Promise<T>): Promise<T> =>
  doing(work => act({ ...work, at: new Date(work.at.getTime() + days * DAY) }));

async function open(email: string): Promise<string> {
  const id = newAccountId();
  await openWork(database.db, { kind: 'person' }, async work => {
    await openAccount(work, keyring, { id, email, language: 'en' });
    await addVerifiedEmail(work, id, email);
  });
  return id;
}

const asked = (address: string, kind: 'email' | 'phone' = 'email'): ContactRequest => ({
  accountId,
  kind,
  address,
  askedFrom: FROM,
});
const add = (address: string, kind?: 'phone') => doing(work => addProvedContact(work, asked(address, kind)));
const primary = (address: string) => doing(work => makePrimary(work, asked(address)));
const remove = (address: string, kind?: 'phone') => doing(work => removeContact(work, asked(address, kind)));
const tokenOf = (changed: Changed | string): string => {
  if (typeof changed === 'string') throw new Error(changed);
  return changed.undoToken;
};
const held = async (id = accountId) =>
  (await listContacts(database.db, id)).map(({ address, isPrimary }) =>
    isPrimary ? `${address} *` : address,
  );
const ownerOf = async (address: string) => (await findByIdentifier(database.db, 'email', address))?.id;

test('a proved address is one more to sign in with, and its owner is told by the room what can be undone', async () => {
  const events = await recordedDuring(database.db, () => add(at('bea')));
  expect(events.map(({ type, detail }) => [type, detail])).toEqual([['email_address.added', {}]]);
  expect(await held()).toEqual([`${at('ada')} *`, at('bea')]);
  expect(await ownerOf(at('bea'))).toBe(accountId);
  expect(await add(at('bea'))).toBe('unchanged');
  const [change, ...others] = await listOpenChanges(database.db, accountId, new Date());
  expect([change?.what, change?.address, others]).toEqual(['added', at('bea'), []]);
});

test('an address that became somebody else’s meanwhile is theirs, and nothing changes', async () => {
  const other = await open(at('eve'));
  const before = await peopleOnRecord(database.db);
  expect(await recordedDuring(database.db, () => add(at('eve')))).toEqual([]);
  expect(await add(at('eve'))).toBe('taken');
  expect(await peopleOnRecord(database.db)).toBe(before);
  expect(await ownerOf(at('eve'))).toBe(other);
});

test('of two accounts that prove one address at once, one gets it', async () => {
  const mine = accountId;
  const theirs = await open(at('eve'));
  const results = await Promise.all(
    [mine, theirs].map(id =>
      openWork(database.db, { kind: 'person', id }, work =>
        addProvedContact(work, { ...asked(at('both')), accountId: id }),
      ),
    ),
  );
  expect(results.filter(result => result === 'taken')).toHaveLength(1);
  const owners = [mine, theirs].filter((_, n) => results[n] !== 'taken');
  expect([await ownerOf(at('both'))]).toEqual(owners);
});

test('a phone number is no identifier and may be several people’s; the first proved one is the primary', async () => {
  await add('+14155552671', 'phone');
  await add('+4915123456789', 'phone');
  expect(await held()).toEqual([`${at('ada')} *`, '+14155552671 *', '+4915123456789']);
  accountId = await open(at('eve'));
  expect(await add('+14155552671', 'phone')).toMatchObject({ change: { what: 'added' } });
  await remove('+14155552671', 'phone');
  expect(await held()).toEqual([`${at('eve')} *`]);
});

test('where the primary phone number goes, the next proved one takes its place', async () => {
  await add('+14155552671', 'phone');
  await add('+4915123456789', 'phone');
  await remove('+14155552671', 'phone');
  expect(await held()).toEqual([`${at('ada')} *`, '+4915123456789 *']);
});

test('an account has room for so many and no more', async () => {
  for (let n = 1; n < MOST_CONTACTS.email; n++) await add(at(`more${n}.`));
  const before = await peopleOnRecord(database.db);
  await expect(add(at('toomany'))).rejects.toMatchObject({ code: 'too_many_addresses' });
  expect(await peopleOnRecord(database.db)).toBe(before);
});

test('only a proved address of one’s own becomes primary', async () => {
  await doing(async work => {
    await work.tx('phone_numbers').insert({
      account_id: accountId,
      number: '+14155552671',
      verified_at: null,
      is_primary: false,
      added_at: work.at,
    });
  });
  await expect(doing(work => makePrimary(work, asked('+14155552671', 'phone')))).rejects.toMatchObject({
    code: 'not_confirmed',
  });
  const other = await open(at('eve'));
  await expect(primary(at('eve'))).rejects.toMatchObject({ code: 'no_such_address' });
  await expect(remove(at('eve'))).rejects.toMatchObject({ code: 'no_such_address' });
  expect(await ownerOf(at('eve'))).toBe(other);
  await expect(
    database.db('phone_numbers').where({ account_id: accountId }).update({ is_primary: true }),
  ).rejects.toMatchObject({ constraint: 'phone_numbers__primary_is_proved' });
});

test('the last proved address stays, and says why; another one first, and it may go', async () => {
  const before = await peopleOnRecord(database.db);
  await expect(remove(at('ada'))).rejects.toMatchObject({ code: 'last_address', kind: 'conflict' });
  expect(await peopleOnRecord(database.db)).toBe(before);
  await add('+14155552671', 'phone');
  await expect(remove(at('ada'))).rejects.toMatchObject({ code: 'last_address' });
  await add(at('bea'));
  await remove(at('ada'));
  expect(await held()).toEqual([`${at('bea')} *`, '+14155552671 *']);
  expect(await ownerOf(at('ada'))).toBeUndefined();
});

test('of the last two addresses taken away at once, one stays, twenty times over', async () => {
  for (let round = 0; round < 20; round++) {
    count += 1;
    accountId = await open(at('ada'));
    await add(at('bea'));
    const results = await Promise.allSettled([remove(at('ada')), remove(at('bea'))]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(results.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'last_address' },
    });
    expect(await held()).toHaveLength(1);
    expect((await held())[0]).toContain(' *');
  }
});

test('the database itself refuses to be left without a proved primary address, whoever asks and however at once', async () => {
  await add(at('bea'));
  const row = (tx: Work['tx'], email: string) =>
    tx('email_addresses').where({ account_id: accountId, address: at(email) });
  let second: Promise<unknown> = Promise.resolve();
  await database.db.transaction(async one => {
    await row(one, 'ada').delete();
    await row(one, 'bea').update({ is_primary: true });
    second = database.db.transaction(async two => void (await row(two, 'bea').delete()));
    second.catch(() => undefined);
  });
  await expect(second).rejects.toMatchObject({ constraint: 'email_addresses__reachable' });
  expect(await held()).toEqual([`${at('bea')} *`]);
});

test('whoever was primary before can undo, once, and every later change goes with it', async () => {
  const added = tokenOf(await add(at('thief')));
  const made = tokenOf(await primary(at('thief')));
  const removed = await remove(at('ada'));
  expect(await ownerOf(at('ada'))).toBeUndefined();
  const events = await recordedDuring(database.db, async () => {
    const undone = await doing(work => undoByLink(work, added));
    expect(undone).toMatchObject({ outcome: 'undone', lost: [{ address: at('thief') }] });
  });
  expect(events.map(({ type }) => type)).toEqual([
    'email_address.added',
    'email_address.removed',
    'email_address.made_primary',
    'contact_change.undone',
  ]);
  expect(await held()).toEqual([`${at('ada')} *`]);
  expect([await ownerOf(at('ada')), await ownerOf(at('thief'))]).toEqual([accountId, undefined]);
  for (const token of [added, made, removed.undoToken]) {
    expect(await doing(work => undoByLink(work, token))).toEqual({ outcome: 'ended', reason: 'used' });
  }
  expect(await listOpenChanges(database.db, accountId, new Date())).toEqual([]);
});

test('only the address that was primary before all that can be undone has the undoing, whatever came since', async () => {
  const undoers = [];
  for (const act of [
    () => add(at('thief')),
    () => primary(at('thief')),
    () => remove(at('ada')),
    () => add(at('accomplice')),
    () => add(at('ada')),
    () => primary(at('ada')),
    () => remove(at('thief')),
  ]) {
    const changed = await act();
    if (typeof changed === 'string') throw new Error(changed);
    undoers.push(changed.undoer);
  }
  expect(new Set(undoers)).toEqual(new Set([at('ada')]));
  const theirs = { since: new Date(0), by: at('thief') };
  expect(await doing(work => undoChangesSince(work, accountId, theirs))).toMatchObject({ outcome: 'ended' });
  expect(await held()).toEqual([`${at('ada')} *`, at('accomplice')]);
});

test('nobody buries what their victim can undo under changes of their own', async () => {
  const first = tokenOf(await add(at('thief')));
  let turn = 0;
  const turns = async () => {
    for (; ; turn++) await primary(at(turn % 2 === 0 ? 'thief' : 'ada'));
  };
  await expect(turns()).rejects.toMatchObject({ kind: 'limited', code: 'too_many_changes' });
  expect(turn).toBe(49);
  await expect(remove(at('thief'))).rejects.toMatchObject({ code: 'too_many_changes' });
  const theirs = { since: new Date(0), by: at('thief') };
  expect(await doing(work => undoChangesSince(work, accountId, theirs))).toMatchObject({ outcome: 'ended' });
  expect(await doing(work => undoByLink(work, first))).toMatchObject({ outcome: 'undone' });
  expect(await held()).toEqual([`${at('ada')} *`]);
  await add(at('bea'));
});

test('an address that was there before the undone change stays', async () => {
  await add(at('bea'));
  const made = tokenOf(await primary(at('bea')));
  await doing(work => undoByLink(work, made));
  expect(await held()).toEqual([`${at('ada')} *`, at('bea')]);
});

test('twenty presses at once undo once', async () => {
  const token = tokenOf(await add(at('thief')));
  const outcomes = await Promise.all(
    Array.from({ length: 20 }, () => doing(work => undoByLink(work, token))),
  );
  expect(outcomes.filter(({ outcome }) => outcome === 'undone')).toHaveLength(1);
});

test('after seven days nothing is undone; a moment before it is', async () => {
  const token = tokenOf(await add(at('bea')));
  const before = await peopleOnRecord(database.db);
  expect(await later(7, work => undoByLink(work, token))).toEqual({ outcome: 'ended', reason: 'expired' });
  expect(await findChangeByLink(database.db, token, new Date(Date.now() + 7 * DAY))).toMatchObject({
    state: 'expired',
  });
  expect(await peopleOnRecord(database.db)).toBe(before);
  expect(await later(6.99, work => undoByLink(work, token))).toMatchObject({ outcome: 'undone' });
});

test('a token nobody was given, and another account’s change, undo nothing', async () => {
  const changed = await add(at('bea'));
  if (typeof changed === 'string') throw new Error(changed);
  const other = await open(at('eve'));
  expect(await doing(work => undoByLink(work, 'x'.repeat(43)))).toEqual({ outcome: 'ended', reason: 'none' });
  expect(await doing(work => undoChange(work, other, changed.change.id))).toEqual({
    outcome: 'ended',
    reason: 'none',
  });
  expect(await held()).toHaveLength(2);
});

test('undoing is refused as a whole where the address that would come back is another account’s now', async () => {
  await add(at('bea'));
  await primary(at('bea'));
  const token = tokenOf(await remove(at('ada')));
  const made = (await listOpenChanges(database.db, accountId, new Date())).find(
    ({ what }) => what === 'primary',
  );
  const other = await open(at('ada'));
  await expect(doing(work => undoChange(work, accountId, made?.id ?? ''))).rejects.toMatchObject({
    code: 'address_taken',
  });
  expect([await held(), await ownerOf(at('ada'))]).toEqual([[`${at('bea')} *`], other]);
  expect((await findChangeByLink(database.db, token, new Date()))?.state).toBe('open');
});

test('"this wasn’t me" undoes what was changed since, and leaves what was changed before', async () => {
  await add(at('bea'));
  const since = new Date();
  await add(at('thief'));
  await primary(at('thief'));
  await doing(work => freezeAccount(work, accountId));
  expect(await doing(work => undoChangesSince(work, accountId, { since, by: at('ada') }))).toMatchObject({
    outcome: 'undone',
  });
  expect(await held()).toEqual([`${at('ada')} *`, at('bea')]);
  expect(await doing(work => undoChangesSince(work, accountId, { since, by: at('ada') }))).toEqual({
    outcome: 'ended',
    reason: 'none',
  });
});

test('notices go to proved addresses, and for seven days to those that were taken away; not to those that an undoing took', async () => {
  const token = tokenOf(await add(at('thief')));
  await add(at('bea'));
  await remove(at('bea'));
  expect(await listNoticeEmails(database.db, accountId)).toEqual([at('ada'), at('bea'), at('thief')]);
  await doing(work => undoByLink(work, token));
  expect(await listNoticeEmails(database.db, accountId)).toEqual([at('ada')]);
  await add(at('cleo'));
  await remove(at('cleo'));
  await database
    .db('contact_changes')
    .where({ account_id: accountId })
    .update({ undo_until: new Date(Date.now() - 1_000) });
  expect(await listNoticeEmails(database.db, accountId)).toEqual([at('ada')]);
});

test('a proof of an address that was taken away recovers nothing any more', async () => {
  const thief = at('thief');
  const token = tokenOf(await add(thief));
  const request = {
    purpose: 'recovery',
    address: thief,
    accountId,
    binding: 'a request',
    askedFrom: '{}',
    locale: 'en',
    decoy: false,
  } as const;
  const { code, id } = await doing(work => beginProof(work, keyring, request));
  await doing(work => tryCode(work, keyring, { binding: 'a request', purpose: 'recovery', code }));
  await doing(work => undoByLink(work, token));
  expect(await doing(work => spendProof(work, { id, purpose: 'recovery', accountId }))).toBe(false);

  await add(at('bea'));
  const open = await doing(work => beginProof(work, keyring, { ...request, address: at('bea') }));
  await remove(at('bea'));
  const tried = { binding: 'a request', purpose: 'recovery', code: open.code } as const;
  expect(await doing(work => tryCode(work, keyring, tried))).toEqual({
    outcome: 'ended',
    reason: 'account-changed',
  });
});

test('a frozen account cannot be changed, but what was changed can be undone', async () => {
  const token = tokenOf(await add(at('thief')));
  await doing(work => freezeAccount(work, accountId));
  expect((await findAccount(database.db, accountId))?.state).toBe('frozen');
  await expect(add(at('bea'))).rejects.toMatchObject({ code: 'account_unavailable' });
  await expect(primary(at('thief'))).rejects.toMatchObject({ code: 'account_unavailable' });
  await expect(remove(at('thief'))).rejects.toMatchObject({ code: 'account_unavailable' });
  expect(await doing(work => undoByLink(work, token))).toMatchObject({ outcome: 'undone' });
});

test('what cannot be undone any more is swept, a week later', async () => {
  await add(at('bea'));
  await add(at('cleo'));
  const old = { undo_until: new Date(Date.now() - 8 * DAY) };
  await database
    .db('contact_changes')
    .where({ account_id: accountId, address: at('bea') })
    .update(old);
  await sweepContactChanges(database.db).run({}, { signal: new AbortController().signal } as never);
  const left = await database.db('contact_changes').where({ account_id: accountId }).pluck('address');
  expect(left).toEqual([at('cleo')]);
});

test.each([
  ['+1 (415) 555-2671', { number: '+14155552671', country: 'US', callingCode: '1' }],
  ['0049 1512 3456789', { number: '+4915123456789', country: 'DE', callingCode: '49' }],
  ['\u202a+44 7400 123456\u202c', { number: '+447400123456', country: 'GB', callingCode: '44' }],
  ['+٤٩١٥١٢٣٤٥٦٧٨٩', { number: '+4915123456789', country: 'DE', callingCode: '49' }],
])('%s is a phone number', (typed, read) => {
  expect(readPhone(typed)).toEqual(read);
});

test.each([
  '',
  '+',
  '0151 23456789',
  '415 555 2671',
  'call +4915123456789',
  '+49151234567890123',
  '+1 415 555 2671 x3',
  '+999123456789',
  '+4915123456789\n+14155552671',
  `+49${' '.repeat(50)}15123456789`,
])('%j is none', typed => {
  expect(readPhone(typed)).toBeUndefined();
});
