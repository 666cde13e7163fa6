import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { sendCommand } from '../../src/domain/commands/commands.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openWork } from '../../src/platform/storage/work.js';
import { openRenderer } from '../../src/platform/web/render.js';
import { openWords } from '../../src/platform/web/words.js';
import { runRights } from '../../src/rights-commands.js';
import { accountToken } from '../support/account-api.js';
import { setProfile } from '../support/consented.js';
import { until } from '../support/jobs.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, recordedDuring } from '../support/ledger.js';
import { mailsNow } from '../support/mailbox.js';
import type { Person } from '../support/person.js';
import { profileCommand } from '../support/profile.js';
import { memberAgain, newMember } from '../support/protocol.js';
import { openReceiver, type Received, type Receiver } from '../support/receiver.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

// What people ask by law: with a clock, at once where that can be, told to whoever has it, and by agents with a mandate.

const ADA = 'ada@example.test';
const BEA = 'bea@example.test';

let keyhold: TestKeyhold;
let app: RelyingParty;
let receiver: Receiver;
let ada: Person;
let bea: Person;
let accountId: string;
const heard: Received[] = [];

beforeAll(async () => {
  receiver = await openReceiver({
    '/hook': (received, response) => {
      heard.push(received);
      response.writeHead(204).end();
    },
  });
  keyhold = await startKeyhold({ ALLOW_PRIVATE_NETWORK: 'on' });
  app = await openRelyingParty(keyhold, {
    webhook_uri: receiver.url('/hook'),
    scope: 'openid profile email account:profile:read account:rights:read account:rights:write',
  });
  bea = await newMember(keyhold, app, BEA);
  ada = await newMember(keyhold, app, ADA);
  accountId = await accountOf(keyhold.db, ADA);
  await setProfile(keyhold.db, accountId, {
    given_name: 'Ada',
    birthdate: '1990-12-10',
    address: { country: 'DE', locality: 'Bonn' },
  });
  await memberAgain(keyhold, app, ADA);
  await app.userInfo(await app.exchange());
});

beforeEach(async () => {
  heard.length = 0;
  await keyhold.db('rights_requests').delete();
  await keyhold.db('rights_mandates').delete();
  await keyhold.db('accounts').update({ restriction: null });
  await keyhold.db('corrections').delete();
  await keyhold.db('attempts').delete();
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
  await receiver?.close();
});

const at = (path: string) => new URL(path, keyhold.origin);
const REQUESTS = '/account/data/requests';
const only = async () => (await keyhold.db('rights_requests').orderBy('id'))[0];

async function rights(...words: string[]) {
  const said = { out: '', err: '' };
  const { issuer, secret } = keyhold.config;
  const renderer = openRenderer(openWords());
  const telling = { issuer, keyring: openKeyring(secret), renderer, rp: { name: 'Keyhold' } };
  const code = await runRights(words, {
    db: keyhold.db,
    telling,
    print: text => {
      said.out += text;
    },
    fail: text => {
      said.err += `${text}\n`;
    },
  });
  return { code, ...said, json: () => JSON.parse(said.out) };
}

async function askErasure(words = 'What you keep of my calls.') {
  await ada.goto(at(`${REQUESTS}/ask/erasure`));
  ada.fill('What do you ask for?', words);
  await ada.press('Send');
  return only();
}

const subjects = async (to = ADA) => (await mailsNow(keyhold, to)).map(({ subject }) => subject);

test('what somebody asks in writing has the clock of the law where they live, is told to them, and is answered by an operator who says why they look', async () => {
  const recorded = await recordedDuring(keyhold.db, () => askErasure());
  expect(recorded.map(({ type }) => type)).toEqual(expect.arrayContaining(['right.asked']));
  const request = await only();
  expect([request.kind, request.state, request.place, request.law]).toEqual([
    'erasure',
    'open',
    'DE',
    'gdpr',
  ]);
  expect(request.words.toString('utf8')).not.toContain('calls');
  expect(ada.page.text).toContain('Being looked at');
  expect(ada.page.text).toContain('The answer comes by');
  await until(async () => (await subjects()).includes('We received your request about your data'));

  const [listed] = (await rights('list')).json();
  expect(listed).toMatchObject({ id: request.id, right: 'erasure', urgency: 'later' });
  expect(JSON.stringify(listed)).not.toContain('calls');
  expect((await rights('show', request.id)).code).toBe(1);
  const looked = await recordedDuring(keyhold.db, async () => {
    expect((await rights('show', request.id, '--purpose', 'legal')).out).not.toContain('calls');
  });
  expect(looked.map(({ type, detail }) => [type, detail['purpose']])).toEqual([
    ['account.inspected', 'legal'],
  ]);
  const shown = await rights('show', request.id, '--purpose', 'legal', '--reveal');
  expect(shown.json().words).toBe('What you keep of my calls.');

  expect((await rights('decide', request.id, '--refuse')).code).toBe(1);
  expect((await rights('decide', request.id, '--refuse', '--answer', 'A law has us keep them.')).code).toBe(
    0,
  );
  expect((await rights('decide', request.id, '--done', '--answer', 'Gone.')).code).toBe(1);
  await ada.goto(at(`${REQUESTS}/${request.id}`));
  expect(ada.page.text).toContain('A law has us keep them.');
  await until(async () => (await subjects()).includes('There is an answer to your request about your data'));
});

test('an answer is put off once, with a reason, as far as the law allows, and not at all where nobody knows which', async () => {
  const { id, due_at: due } = await askErasure();
  expect((await rights('extend', id)).code).toBe(1);
  expect((await rights('extend', id, '--because', 'We ask three partners.')).code).toBe(0);
  const { extended_until: until_ } = await only();
  const months =
    (until_.getUTCFullYear() - due.getUTCFullYear()) * 12 + until_.getUTCMonth() - due.getUTCMonth();
  expect(months).toBe(2);
  expect((await rights('extend', id, '--because', 'Once more.')).err).toContain('put off already');
  await ada.goto(at(`${REQUESTS}/${id}`));
  expect(ada.page.text).toContain('We ask three partners.');
  await keyhold.db('rights_requests').update({ place: '', extended_until: null, extended_because: null });
  expect((await rights('extend', id, '--because', 'Unknown place.')).code).toBe(1);
  await keyhold.db('rights_requests').update({ due_at: new Date(Date.now() - 1000) });
  expect((await rights('extend', id, '--because', 'Too late.', '--place', 'DE')).err).toContain('too late');
});

test('it is taken back by whoever asked, and by nobody else', async () => {
  const { id } = await askErasure();
  await bea.goto(at(`${REQUESTS}/${id}`));
  expect(bea.page.status).toBe(404);
  await ada.goto(at(`${REQUESTS}/${id}`));
  await ada.press('Take it back');
  expect((await only()).state).toBe('withdrawn');
  expect((await rights('decide', id, '--done', '--answer', 'Gone.')).code).toBe(1);
  await ada.goto(at(`${REQUESTS}/ask/erasure`));
  await ada.press('Send');
  expect(ada.page.text).toContain('Please write what you ask for.');
});

async function restrictBirthdate() {
  await ada.goto(at(`${REQUESTS}/ask/restriction`));
  ada.tick('Date of birth');
  await ada.press('Stop using it');
  return only();
}

/** What the app heard in this test that says this; what others tests led to may come late. */
const heardOf = (text: string) => heard.filter(({ body }) => body.includes(text)).map(({ body }) => body);

test('a restriction holds at once, the app that has it is told and its receipt stands on the page; an operator lifts it after a week only', async () => {
  const { id } = await restrictBirthdate();
  expect(ada.page.text).toContain('Kept and not used');
  await until(async () => heardOf('"restricted_claims":["birthdate"]').length === 1);
  expect(heardOf('1990-12-10')).toEqual([]);
  await until(async () => {
    await ada.goto(at(`${REQUESTS}/${id}`));
    return ada.page.text.includes('Took it and says nothing more');
  });
  const lifted = (await rights('lift', id)).json();
  const days = (new Date(lifted.ends_at).getTime() - Date.now()) / 86_400_000;
  expect(days).toBeGreaterThan(6.9);
  expect((await keyhold.db('accounts').where({ id: accountId }).first()).restriction.attributes).toEqual([
    'birthdate',
  ]);
  await until(async () => (await subjects()).includes('Your data will be used again'));
  await ada.goto(at(REQUESTS));
  await ada.press('Let it be used again');
  expect((await keyhold.db('accounts').where({ id: accountId }).first()).restriction).toBeNull();
  await until(async () => heardOf('"restricted_claims":[]').length === 1);
});

test('a value that still waits to be told to an app does not leave once it is restricted', async () => {
  const keyring = openKeyring(keyhold.config.secret);
  const telling = {
    clientId: app.clientId,
    accountId,
    command: 'maintain',
    reason: { kind: 'correction', id: randomUUID() },
    subject: accountId,
    claims: { birthdate: '1990-12-11', given_name: 'Ada' },
    notBefore: new Date(Date.now() + 3_600_000),
  } as const;
  const id = await openWork(keyhold.db, { kind: 'system' }, work => sendCommand(work, keyring, telling));
  await restrictBirthdate();
  const told = async () =>
    JSON.parse(keyring.open('command', (await keyhold.db('commands').where({ id }).first('sealed')).sealed))
      .claims;
  await until(async () => (await told()).birthdate === undefined);
  expect(await told()).toEqual({ given_name: 'Ada', outdated_claims: ['birthdate'] });
});

test('an objection stops a use at once; an operator may refuse it with grounds after a week, and never one to direct marketing', async () => {
  await ada.goto(at(`${REQUESTS}/ask/objection`));
  ada.tick('Writing to you about what you chose');
  await ada.press('Object');
  const marketing = await only();
  expect([marketing.state, marketing.absolute, marketing.holds_from !== null]).toEqual(['done', true, true]);
  expect((await rights('decide', marketing.id, '--refuse', '--answer', 'No.')).code).toBe(1);
  expect((await rights('lift', marketing.id)).code).toBe(1);
  await keyhold.db('rights_requests').delete();
  await keyhold.db('accounts').update({ restriction: null });
  await ada.goto(at(`${REQUESTS}/ask/objection`));
  ada.tick('Keeping your account safe');
  await ada.press('Object');
  const { id } = await only();
  expect((await rights('decide', id, '--refuse', '--answer', 'Fraud harms others.')).code).toBe(0);
  const refused = await only();
  expect([refused.state, refused.lifted_at, refused.lifts_at > new Date()]).toEqual(['refused', null, true]);
});

test('a correction that an operator makes has its clock, and reaches the app that was told the old value, on record as told', async () => {
  await ada.goto(at('/account/profile/correction/given_name'));
  ada.fill('What is wrong, and what would be right?', 'It is Augusta.');
  await ada.press('Send');
  const request = await only();
  expect([request.kind, request.state, request.attributes]).toEqual([
    'rectification',
    'open',
    ['given_name'],
  ]);
  const accepted = await profileCommand(
    keyhold,
    'corrections',
    'accept',
    request.refers_to,
    '--value',
    'Augusta',
  );
  expect(accepted).toMatchObject({ code: 0 });
  expect(await only()).toMatchObject({ state: 'done', outcome: 'corrected' });
  await until(async () => heardOf('"given_name":"Augusta"').length === 1);
  const told = await keyhold.db('disclosures').where({ account_id: accountId, way: 'webhook' });
  expect(told.map(({ claim }) => claim)).toEqual(['given_name']);
  await until(async () => {
    await ada.goto(at(`${REQUESTS}/${request.id}`));
    return ada.page.text.includes('Test app');
  });
});

test('the API asks, lists and ends as the pages do', async () => {
  const scopes = 'account:profile:read account:rights:read account:rights:write';
  const token = await accountToken(keyhold, ada, app, scopes);
  const profile = async () =>
    (await fetch(at('/api/me/profile'), { headers: { authorization: `Bearer ${token}` } })).status;
  expect(await profile()).toBe(200);
  const api = async (method: string, path: string, body?: object) => {
    const response = await fetch(`${keyhold.origin}/api/me/rights${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const made = await api('POST', '', { right: 'restriction', purposes: ['age'] });
  expect(made).toMatchObject({ status: 201, body: { state: 'done', in_force: true, purposes: ['age'] } });
  expect((await api('POST', '', { right: 'restriction', purposes: ['age'] })).status).toBe(409);
  expect((await api('POST', '', { right: 'restriction', purposes: ['no-such'] })).status).toBe(400);
  const { id } = made.body as { id: string };
  expect(await profile()).toBe(403);
  expect((await api('GET', `/${id}`)).body).toMatchObject({ id, in_force: true });
  expect((await api('POST', `/${id}/end`, {})).body).toEqual({ done: true });
  expect(await profile()).toBe(200);
  expect((await api('GET', '')).body).toMatchObject({ requests: [{ id, in_force: false }] });
});

async function giveMandate(...names: string[]): Promise<string> {
  await ada.goto(at('/account/data/agents/give'));
  ada.fill('Who it is', 'Consumer Watch');
  for (const name of names) ada.tick(name);
  await ada.press('Make the mandate');
  await ada.press('Fetch the file');
  return ada.page.text.trim();
}

async function asAgent(mandate: string, body: object) {
  const response = await fetch(at('/rights/agent'), {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${mandate}` },
    body: JSON.stringify({ person: ADA, ...body }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

test('an agent asks with a signed mandate: its person is told, confirms what is sensitive, and stops what they like', async () => {
  const mandate = await giveMandate('Deleting', 'Keeping data without using it');
  const recorded = await recordedDuring(keyhold.db, async () => {
    expect(await asAgent(mandate, { right: 'erasure' })).toMatchObject({
      status: 201,
      body: { state: 'unconfirmed' },
    });
  });
  /* Apps may still be told of what was restricted before. */
  const asking = recorded.map(({ type }) => type).filter(type => !type.startsWith('command.'));
  expect(asking).toEqual(['mandate.used', 'right.asked', 'objection.begun']);
  await until(async () => (await subjects()).includes('Somebody made a request in your place'));
  const { id } = await only();
  expect((await rights('decide', id, '--done', '--answer', 'Gone.')).code).toBe(1);
  await ada.goto(at(`${REQUESTS}/${id}`));
  expect(ada.page.text).toContain('It happens only if you confirm it.');
  await ada.press('I want this');
  expect(ada.page.url.pathname).toBe('/account/data/delete');
  expect((await only()).state).toBe('open');
  await ada.goto(at(`${REQUESTS}/${id}`));
  await ada.press('Take it back');
  expect((await only()).state).toBe('withdrawn');
  const held = await asAgent(mandate, { right: 'restriction', purposes: ['age'] });
  expect(held).toMatchObject({ status: 201, body: { state: 'done' } });
});

test('a mandate that was altered, taken back, is over, of somebody else or for something else lets nobody ask, and that is on record', async () => {
  const mandate = await giveMandate('Deleting');
  const [header = '', payload = '', signature = ''] = mandate.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
  expect(JSON.stringify(claims)).not.toContain(accountId);
  const wider = Buffer.from(JSON.stringify({ ...claims, rights: ['access'] })).toString('base64url');
  await memberAgain(keyhold, app, ADA);
  const { id_token: idToken = '' } = await app.exchange();
  const tries: readonly [string, object, number, string][] = [
    [`${header}.${wider}.${signature}`, { right: 'access' }, 401, 'altered'],
    [idToken, { right: 'erasure' }, 401, 'unreadable'],
    [mandate, { right: 'access' }, 403, 'not_covered'],
    [mandate, { right: 'erasure', person: BEA }, 403, 'other_person'],
  ];
  const refusedAs = async (token: string, body: object) => {
    const before = await keyhold.db('rights_requests');
    let status = 0;
    const recorded = await recordedDuring(keyhold.db, async () => {
      ({ status } = await asAgent(token, body));
    });
    expect(await keyhold.db('rights_requests')).toEqual(before);
    const refused = recorded.filter(({ type }) => !type.startsWith('command.'));
    return [status, ...refused.map(({ type, detail }) => `${type} ${detail['why']}`)];
  };
  for (const [token, body, status, why] of tries)
    expect(await refusedAs(token, body)).toEqual([status, `mandate.refused ${why}`]);
  await keyhold.db('rights_mandates').update({ expires_at: new Date() });
  expect(await refusedAs(mandate, { right: 'erasure' })).toEqual([401, 'mandate.refused expired']);
  await keyhold.db('rights_mandates').update({ expires_at: new Date(Date.now() + 60_000) });
  await ada.goto(at('/account/data/agents'));
  await ada.press('Take it back');
  expect(await refusedAs(mandate, { right: 'erasure' })).toEqual([401, 'mandate.refused revoked']);
});
