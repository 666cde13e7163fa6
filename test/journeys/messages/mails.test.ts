import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { listMessages } from '../../../src/domain/messages/messages.js';
import { openKeyring } from '../../../src/platform/crypto/keyring.js';
import { until } from '../../support/jobs.js';
import { personAt } from '../../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf } from '../../support/ledger.js';
import { codeIn } from '../../support/mailbox.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';
import { memberOf, postStep, toPassword, toRecoveryCredential, toSignUpCode } from '../../support/steps.js';

const ADA = 'ada@example.test';
let keyhold: TestKeyhold;
let app: RelyingParty;
let accountId: string;

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold);
  await memberOf(keyhold, app, ADA);
  accountId = await accountOf(keyhold.db, ADA);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

async function messages() {
  const keyring = openKeyring(keyhold.config.secret);
  return (await listMessages(keyhold.db, keyring, { accountId, limit: 100 })).messages;
}

test('a code by mail is on record without the code, in no more round trips than the code itself takes', async () => {
  const ada = personAt(keyhold);
  await toPassword(ada, app, ADA);
  const trips = await keyhold.trips.during(() => ada.press('Email me a code'));
  /* The request and whose address it is; the work with its code and all that it leaves; the step, and its page. */
  expect(trips).toHaveLength(2 + 4 + 2);
  expect(codeIn(await ada.latestMail(ADA))).toMatch(/^\d{8}$/);
  await until(async () => (await messages())[0]?.state === 'sent');
  const [message] = await messages();
  expect(message).toMatchObject({ kind: 'code', template: 'sign-in-code', language: 'en', to: ADA });
  expect(message?.subject).toBe('•••••••• is your Keyhold code');
  expect(message?.templateVersion).toMatch(/^[0-9a-f]{8}$/);
});

test('the code that proved the address is the first message on record, from when it was sent', async () => {
  const first = (await messages()).at(-1);
  const { opened_at: openedAt } = await keyhold.db('accounts').where({ id: accountId }).first();
  expect(first).toMatchObject({ template: 'sign-up-code', state: 'sent', to: ADA, kind: 'code' });
  expect(first?.subject).toBe('•••••••• is your Keyhold code');
  expect(first?.queuedAt.getTime()).toBeLessThan(openedAt.getTime());
  expect(openedAt.getTime() - (first?.queuedAt.getTime() ?? 0)).toBeLessThan(60_000);
});

test('a notice is on record as one, at the address it went to', async () => {
  const ada = personAt(keyhold);
  await toRecoveryCredential(ada, app, ADA);
  await postStep(ada, '/recovery/password', { password: 'another good one, longer' });
  await until(async () => (await messages()).every(({ state }) => state === 'sent'));
  const [notice, code] = await messages();
  expect(notice).toMatchObject({
    kind: 'security',
    template: 'notice/recovered_with_password',
    to: ADA,
    topic: undefined,
  });
  expect(code).toMatchObject({ kind: 'code', template: 'recovery-code' });
});

test("a code for an address that is nobody's is on no record", async () => {
  const before = await keyhold.db('messages').count();
  const stranger = personAt(keyhold);
  await toPassword(stranger, app, 'nobody@example.test');
  await stranger.press('Email me a code');
  await toSignUpCode(personAt(keyhold), app, 'new@example.test');
  expect(await keyhold.db('messages').count()).toEqual(before);
});
