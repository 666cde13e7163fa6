import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { type Command, commandsOf, sendCommand } from '../../src/domain/commands/commands.js';
import { withholdClaims } from '../../src/journeys/consent/tell-of-end.js';
import { withdrawFromApp } from '../../src/journeys/consent/withdraw.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openWork } from '../../src/platform/storage/work.js';
import { until } from '../support/jobs.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { newMember } from '../support/protocol.js';
import { answering, openReceiver, type Receiver, stating } from '../support/receiver.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

const ADA = 'ada@example.test';
let keyhold: TestKeyhold;
let receiver: Receiver;
let app: RelyingParty;
let accountId: string;
let subject: string;

beforeAll(async () => {
  keyhold = await startKeyhold({ RATE_LIMITS: 'on' });
  receiver = await openReceiver({ '/commands': answering(202), '/sync': stating('active') });
  app = await openRelyingParty(keyhold, {
    client_name: 'Shop',
    subject_type: 'pairwise',
    command_endpoint: receiver.url('/commands'),
    commands_supported: ['delete_async', 'invalidate'],
  });
  await newMember(keyhold, app, ADA);
  accountId = await accountOf(keyhold.db, ADA);
  subject = (await app.exchange()).claims()?.sub ?? '';
});

afterAll(async () => {
  await app?.close();
  await receiver?.close();
  await keyhold?.close();
});

const gotOf = (command: string) => receiver.received.filter(({ said }) => said['command'] === command);

const callBack = (token: string | undefined, body: unknown, type = 'application/json') =>
  fetch(`${keyhold.origin}/commands/callback`, {
    method: 'POST',
    headers: { 'content-type': type, ...(token !== undefined && { authorization: `Bearer ${token}` }) },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

async function sendDelete(): Promise<{ readonly find: () => Promise<Command>; readonly token: string }> {
  const reason = { kind: 'deletion', id: uuidv7() };
  const before = gotOf('delete_async').length;
  await openWork(keyhold.db, { kind: 'system' }, work =>
    sendCommand(work, openKeyring(keyhold.config.secret), {
      clientId: app.clientId,
      command: 'delete',
      reason,
      subject,
    }),
  );
  const find = async () => {
    const [command] = (await commandsOf(keyhold.db, reason)).commands;
    if (!command) throw new Error('there is no such command');
    return command;
  };
  await until(async () => (await find()).state === 'accepted');
  return { find, token: String(gotOf('delete_async')[before]?.said['callback_token']) };
}

const refusedEvents = async () =>
  (await keyhold.db('events').where({ type: 'command.refused_callback' }).orderBy('id')).map(
    ({ detail, client_id }) => [detail.why, client_id],
  );

test('what waits to be told leaves at once, and the app answers later by the address and token that came with it', async () => {
  const { find, token } = await sendDelete();
  expect(gotOf('delete_async').at(-1)?.said).toMatchObject({
    sub: subject,
    callback_endpoint: `${keyhold.origin}/commands/callback`,
  });
  const answer = await callBack(token, { sub: subject, account_state: 'unknown' });
  expect([answer.status, answer.headers.get('cache-control')]).toEqual([204, 'no-store']);
  expect(await find()).toMatchObject({ state: 'confirmed', accountState: 'unknown' });
});

test('C07: a callback that is forged, replayed, misdirected, late or unreadable is refused, recorded, and changes nothing', async () => {
  const { find, token } = await sendDelete();
  const { find: findOther, token: other } = await sendDelete();
  const done = { sub: subject, account_state: 'unknown' };
  const before = (await refusedEvents()).length;
  const refused = async (given: string | undefined, body: unknown, type?: string) => {
    const answer = await callBack(given, body, type);
    const problem = await answer.json();
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    return [answer.status, problem.code, answer.headers.get('www-authenticate')?.split(',')[0] ?? null];
  };
  expect(await refused(undefined, done)).toEqual([401, 'token_missing', 'Bearer']);
  expect(await refused('x'.repeat(43), done)).toEqual([401, 'invalid_token', 'Bearer error="invalid_token"']);
  expect(await refused(token, { ...done, sub: accountId })).toEqual([400, 'wrong_subject', null]);
  expect(await refused(token, { state: 'gone' })).toEqual([400, 'invalid_request', null]);
  expect(await refused(token, 'gone', 'text/plain')).toEqual([400, 'unsupported_media_type', null]);
  expect(await refused(token, `{"sub":"${'x'.repeat(70_000)}"}`)).toEqual([400, 'too_large', null]);
  expect([(await find()).state, (await findOther()).state]).toEqual(['accepted', 'accepted']);
  expect((await callBack(token, done)).status).toBe(204);
  expect(await refused(token, done)).toEqual([401, 'invalid_token', 'Bearer error="invalid_token"']);
  await keyhold
    .db('commands')
    .where({ id: (await findOther()).id })
    .update({ callback_until: new Date(0) });
  expect(await refused(other, done)).toEqual([401, 'invalid_token', 'Bearer error="invalid_token"']);
  expect((await refusedEvents()).slice(before)).toEqual([
    ['unknown', null],
    ['wrong_subject', app.clientId],
    ['unreadable', app.clientId],
    ['used', app.clientId],
    ['late', app.clientId],
  ]);
  expect((await find()).state).toBe('confirmed');
});

test('answers that are good are not counted, so an app may give many', async () => {
  await keyhold.db('attempts').delete();
  const { token } = await sendDelete();
  await callBack(token, { sub: subject, account_state: 'unknown' });
  const rows = await keyhold.db('attempts').where('subject', 'like', 'callback:%');
  expect(rows.map(({ count }) => count)).toEqual([0]);
});

/** What is to be told later of what was corrected, and what of it is told by now. */
async function sendCorrection(claims: Readonly<Record<string, unknown>>) {
  const keyring = openKeyring(keyhold.config.secret);
  const reason = { kind: 'correction', id: uuidv7() };
  const telling = {
    clientId: app.clientId,
    accountId,
    command: 'maintain',
    reason,
    subject,
    claims,
  } as const;
  const id = await openWork(keyhold.db, { kind: 'system' }, work =>
    sendCommand(work, keyring, { ...telling, notBefore: new Date(Date.now() + 3_600_000) }),
  );
  return async () => {
    const { sealed } = await keyhold.db('commands').where({ id }).first('sealed');
    return JSON.parse(keyring.open('command', sealed)).claims;
  };
}

test('what was taken back does not leave by what still waits to be told: of that an app hears no more than that it is not true', async () => {
  const told = await sendCorrection({ email: 'new@example.test', gender: 'female' });
  const about = { accountId, clientId: app.clientId };
  await openWork(keyhold.db, { kind: 'system' }, async work => withholdClaims(work, about, ['email']));
  await until(async () => (await told())['email'] === undefined);
  expect(await told()).toEqual({ gender: 'female', outdated_claims: ['email'] });
});

test('an app whose consent is taken back hears of it by a command too, under the name it knows the person by', async () => {
  const told = await sendCorrection({ gender: 'female', outdated_claims: ['nickname'] });
  await openWork(keyhold.db, { kind: 'person', id: accountId }, work =>
    withdrawFromApp(work, { accountId, clientId: app.clientId, method: 'account' }),
  );
  await until(() => gotOf('invalidate').length > 0);
  expect(await told()).toEqual({ outdated_claims: ['nickname', 'gender'] });
  expect(gotOf('invalidate').map(({ said }) => [said.sub, said['reason']])).toEqual([
    [subject, 'consent_withdrawn'],
  ]);
  await until(async () => {
    const [event] = await keyhold.db('events').where({ type: 'command.answered', account_id: accountId });
    return event?.detail.command === 'invalidate';
  });
});
