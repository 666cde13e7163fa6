import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { until } from '../../support/jobs.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf } from '../../support/ledger.js';
import type { Person } from '../../support/person.js';
import { newMember } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';

// From the page to the provider and back: what it is sent, and what people and operators see when it refuses.

let provider: Server;
let keyhold: TestKeyhold;
let app: RelyingParty;
let ada: Person;
let count = 0;
let bodies: URLSearchParams[] = [];
let status = 201;

beforeAll(async () => {
  provider = createServer(async (request, response) => {
    bodies.push(new URLSearchParams((await request.toArray()).join('')));
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(status === 201 ? { sid: 'SM1', status: 'queued' } : { status, code: 21614 }));
  });
  await new Promise<void>(done => void provider.listen(0, 'localhost', done));
  keyhold = await startKeyhold({
    SMS_PROVIDER: 'twilio',
    SMS_ACCOUNT: `AC${'0'.repeat(32)}`,
    SMS_SECRET: 'a token',
    SMS_FROM: 'Keyhold',
    SMS_COUNTRIES: '*',
    SMS_API: `http://localhost:${(provider.address() as AddressInfo).port}`,
  });
  app = await openRelyingParty(keyhold, { first_party: true });
});

beforeEach(async () => {
  bodies = [];
  status = 201;
  ada = await newMember(keyhold, app, `ada${++count}@example.test`);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
  provider?.close();
});

async function ask(language = 'en'): Promise<void> {
  await ada.goto(new URL(`/account/contacts/add-phone?ui_locales=${language}`, keyhold.origin));
  ada.fill(language === 'ar' ? 'رقم الهاتف الجديد' : 'New phone number', '+49 1512 3456789');
  await ada.press(language === 'ar' ? 'إرسال رمز' : 'Send a code');
  await until(() => bodies.length > 0);
}

test('the provider gets the number, the sender and a short text whose last line is bound to our origin', async () => {
  await ask();
  const [body] = bodies;
  expect([body?.get('To'), body?.get('From')]).toEqual(['+4915123456789', 'Keyhold']);
  const text = body?.get('Body') ?? '';
  expect(text).toMatch(/^\d{8} is your Keyhold code\. Tell it to nobody\.\n\n@localhost #\d{8}$/);
  expect(text.length).toBeLessThanOrEqual(160);
  ada.fill('Code', /#(\d{8})/.exec(text)?.[1] ?? '');
  await ada.press('Continue');
  expect(ada.page.text).toContain('It is confirmed and on your list.');
});

test('in Arabic the text says the same, and the last line is as any phone reads it', async () => {
  await ask('ar');
  const text = bodies[0]?.get('Body') ?? '';
  expect(text).toContain('هو رمزك');
  expect(text.split('\n').at(-1)).toMatch(/^@localhost #\d{8}$/);
});

test('a number that the provider refuses is told on the page, in the messages and in the events', async () => {
  status = 400;
  await ask();
  const accountId = await accountOf(keyhold.db, `ada${count}@example.test`);
  const dropped = () => keyhold.db('events').where({ type: 'sms.dropped', account_id: accountId });
  await until(async () => (await dropped()).length > 0);
  expect((await dropped())[0]?.detail).toMatchObject({ reason: 'twilio 21614', tries: 1 });
  expect(
    await keyhold.db('messages').where({ account_id: accountId, channel: 'sms' }).first('state', 'reason'),
  ).toEqual({
    state: 'refused',
    reason: 'twilio 21614',
  });
  await ada.goto(ada.page.url);
  expect(ada.page.text).toContain('could not be delivered. Check the number');
  expect(bodies).toHaveLength(1);
  await ada.follow('Use another number');
  expect(ada.page.heading).toBe('Add a phone number');
});
