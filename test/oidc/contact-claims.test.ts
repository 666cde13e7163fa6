import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { newAccountId, openAccount } from '../../src/domain/accounts/accounts.js';
import {
  addProvedContact,
  listContacts,
  makePrimary,
  undoByLink,
} from '../../src/domain/contacts/contacts.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openWork, type Work } from '../../src/platform/storage/work.js';
import { personAt, signUp } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

const keyring = openKeyring('a secret that is only good for tests');

let keyhold: TestKeyhold;
let app: RelyingParty;

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, { first_party: true, scope: 'openid profile email phone' });
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

test('apps hear of another primary address and phone at the next userinfo, and of an undoing as well', async () => {
  const ada = personAt(keyhold);
  const scope = 'openid email phone';
  const asking = { ...app, authorizationUrl: (more = {}) => app.authorizationUrl({ scope, ...more }) };
  await signUp(ada, asking, 'ada@example.test');
  const tokens = await app.exchange();
  const told = async () => {
    const { email, email_verified, phone_number, phone_number_verified } = await app.userInfo(tokens);
    return [email, email_verified, phone_number, phone_number_verified];
  };
  const accountId = await accountOf(keyhold.db, 'ada@example.test');
  const doing = <T>(act: (work: Work) => Promise<T>) => openWork(keyhold.db, { kind: 'person' }, act);
  const asked = (kind: 'email' | 'phone', address: string) => ({
    accountId,
    kind,
    address,
    askedFrom: Buffer.from(''),
  });

  expect(await told()).toEqual(['ada@example.test', true, undefined, undefined]);
  await keyhold.db('phone_numbers').insert({
    account_id: accountId,
    number: '+447400123456',
    verified_at: null,
    is_primary: false,
    added_at: new Date(),
  });
  await keyhold.db('profile_attributes').insert({
    account_id: accountId,
    attribute: 'phone_number',
    value: JSON.stringify('somewhere in London'),
    source: 'import',
    recorded_at: new Date(),
  });
  expect(await told()).toEqual(['ada@example.test', true, undefined, undefined]);
  await doing(work => addProvedContact(work, asked('phone', '+4915123456789')));
  await doing(work => addProvedContact(work, asked('email', 'bea@example.test')));
  expect(await told()).toEqual(['ada@example.test', true, '+4915123456789', true]);
  const made = await doing(work => makePrimary(work, asked('email', 'bea@example.test')));
  expect(await told()).toEqual(['bea@example.test', true, '+4915123456789', true]);
  await doing(work => undoByLink(work, made === 'unchanged' ? '' : made.undoToken));
  expect(await told()).toEqual(['ada@example.test', true, '+4915123456789', true]);
});

test('a number that was written down as text is kept unproved, and one without its country stays as it was', async () => {
  const { movePhoneNumbers } = (await import(
    `${process.cwd()}/migrations/20260110000300_contacts_several.js`
  )) as { movePhoneNumbers(knex: unknown): Promise<void> };
  await keyhold.db('profile_attributes').where({ attribute: 'phone_number' }).delete();
  const written = ['+44 (7400) 123-456', '0151 2345678', 'ask my mother', '+49'];
  const ids = written.map(() => newAccountId());
  for (const [n, id] of ids.entries()) {
    const account = { id, email: `moved${n}@example.test`, language: 'en' };
    await openWork(keyhold.db, { kind: 'person' }, work => openAccount(work, keyring, account));
    await keyhold.db('profile_attributes').insert({
      account_id: id,
      attribute: 'phone_number',
      value: JSON.stringify(written[n]),
      source: 'import',
      recorded_at: new Date(),
    });
  }
  await movePhoneNumbers(keyhold.db);
  const contacts = await Promise.all(ids.map(id => listContacts(keyhold.db, id)));
  expect(contacts.map(found => found.map(({ address, verifiedAt }) => [address, verifiedAt]))).toEqual([
    [['+447400123456', undefined]],
    [],
    [],
    [],
  ]);
  const left = await keyhold
    .db('profile_attributes')
    .where({ attribute: 'phone_number' })
    .pluck('account_id');
  expect(left.sort()).toEqual(ids.slice(1).sort());
});
