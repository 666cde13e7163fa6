import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf, recordedDuring } from '../../support/ledger.js';
import type { Person } from '../../support/person.js';
import { newMember } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';

// Nobody makes us fill a mailbox, guess codes at will or pay for messages, and what was typed is still there.

let keyhold: TestKeyhold;
let app: RelyingParty;
let ada: Person;
const EMAIL = 'ada@example.test';

beforeAll(async () => {
  keyhold = await startKeyhold({ RATE_LIMITS: 'on', SMS_PER_DAY: '1000' });
  app = await openRelyingParty(keyhold, { first_party: true });
  ada = await newMember(keyhold, app, EMAIL);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

const at = (path: string) => new URL(path, keyhold.origin);

async function ask(kind: 'email' | 'phone', address: string): Promise<number> {
  await ada.goto(at(`/account/contacts/add-${kind}`));
  ada.fill(kind === 'email' ? 'New email address' : 'New phone number', address);
  await ada.press('Send a code');
  return ada.page.status;
}

async function until429(kind: 'email' | 'phone', address: string): Promise<number> {
  for (let n = 0; n < 20; n++) if ((await ask(kind, address)) === 429) return n;
  return 20;
}

test('one address gets six mails in an hour, whoever asks; then the page says how long to wait', async () => {
  let sent = 0;
  const events = await recordedDuring(keyhold.db, async () => {
    sent = await until429('email', 'much-mail@example.test');
  });
  expect(sent).toBe(6);
  expect(ada.page.text).toContain('Too many tries. Wait');
  expect(ada.page.html).toContain('value="much-mail@example.test"');
  expect(events.filter(({ type }) => type === 'limit.reached').map(({ detail }) => detail)).toEqual([
    { limit: 'mail', per: 'identifier' },
  ]);
});

test('one number gets five messages in a day, and its budget is seen by country', async () => {
  expect(await until429('phone', '+4915123456789')).toBe(5);
  expect(ada.page.html).toContain('value="+4915123456789"');
  const country = await keyhold.db('attempts').where({ subject: 'sms:country:=DE' }).first('count');
  expect(country?.count).toBe(5);
});

test('C11: codes are guessed twenty times in an hour at most, over all addresses together', async () => {
  await keyhold.db('attempts').delete();
  const accountId = await accountOf(keyhold.db, EMAIL);
  await ada.goto(at('/account/contacts'));
  let tries = 0;
  for (let proof = 0; proof < 6 && ada.page.status !== 429; proof++) {
    await ask('email', `guess${proof}@example.test`);
    for (let n = 0; n < 5 && ada.page.buttons.includes('Continue'); n++) {
      ada.fill('Code', '00000000');
      await ada.press('Continue');
      if (ada.page.status === 429) break;
      tries += 1;
    }
  }
  expect([tries, ada.page.status]).toEqual([20, 429]);
  const failed = await keyhold.db('events').where({ account_id: accountId, type: 'email_proof.failed' });
  expect(failed).toHaveLength(20);
});
