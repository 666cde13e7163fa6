import { createHmac } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { createLocalJWKSet, type JWK, jwtVerify } from 'jose';
import { v7 as uuidv7 } from 'uuid';
import {
  answerLater,
  type Command,
  commandsOf,
  findCommand,
  giveUpCommand,
  retryCommand,
  rotateWebhookSecret,
  sendCommands,
  type Telling,
  type TellingParts,
  tellDue,
} from '../../../src/domain/commands/commands.js';
import { loadSigningKeys } from '../../../src/oidc/keys.js';
import { openTokenSigner } from '../../../src/oidc/token-signer.js';
import { openKeyring } from '../../../src/platform/crypto/keyring.js';
import { type Outbound, openOutbound } from '../../../src/platform/outbound.js';
import { openWork, type Work } from '../../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';
import { register } from '../../support/keyhold.js';
import {
  answering,
  type Behaviour,
  NO_GOOD,
  openReceiver,
  type Receiver,
  stating,
} from '../../support/receiver.js';

const keyring = openKeyring('a secret that is only good for tests');
const issuer = new URL('http://localhost:4000');
const MINUTE = 60_000;
const SUBJECT = 'the subject of one person here';

let database: TestDatabase;
let outbound: Outbound;
let receiver: Receiver;
let later = 0;
const behaviours: Record<string, Behaviour> = {};

beforeAll(async () => {
  database = await openTestDatabase();
  outbound = openOutbound({ allowPrivateNetwork: true });
  receiver = await openReceiver(behaviours);
});

afterEach(() => {
  later = 0;
});

afterAll(async () => {
  await outbound?.close();
  await receiver?.close();
  await database?.close();
});

const working = <T>(act: (work: Work) => Promise<T>) => openWork(database.db, { kind: 'system' }, act);
const clock = () => new Date(Date.now() + later);
const parts = (more: Partial<TellingParts> = {}): TellingParts => ({
  db: database.db,
  keyring,
  outbound: impatient,
  issuer,
  sign: openTokenSigner(database.db, keyring),
  clock,
  patience: 5_000,
  ...more,
});
/** Waits for apps that are slow a moment only, and for all others as long as a busy machine may take. */
const impatient: Outbound = {
  fetch: (url, init) => {
    const isSlow = behaviours[new URL(url).pathname] === NO_GOOD.slow;
    return outbound.fetch(url, isSlow ? { ...init, timeout: 100 } : init);
  },
  close: () => outbound.close(),
};
const tell = (more: Partial<TellingParts> = {}) => tellDue(parts(more), new AbortController().signal);

let nr = 0;
type Way = 'command' | 'risc' | 'webhook';

/** An app that is told by one way, and behaves as it is said. */
async function openApp(
  way: Way,
  behave: Behaviour,
  more: object = {},
): Promise<{ id: string; path: string }> {
  const path = `/app-${nr++}`;
  behaviours[path] = behave;
  const url = receiver.url(path);
  const ways = {
    command: { command_endpoint: url, commands_supported: ['delete', 'audit', 'suspend', 'maintain'] },
    risc: { risc_endpoint: url },
    webhook: { webhook_uri: url },
  };
  const config = { issuer, allowPrivateNetwork: true };
  const metadata = { redirect_uris: ['http://127.0.0.1:9/back'], ...ways[way], ...more };
  return { id: (await register(database.db, config, metadata)).client_id, path };
}

async function send(clientId: string, more: Partial<Telling> = {}): Promise<string> {
  const reason = { kind: 'deletion', id: uuidv7() };
  const telling: Telling = { clientId, command: 'delete', reason, subject: SUBJECT, ...more };
  const [id = ''] = await working(work => sendCommands(work, keyring, [telling]));
  return id;
}

const find = async (id: string): Promise<Command> => {
  const command = await findCommand(database.db, id);
  if (!command) throw new Error(`there is no ${id}`);
  return command;
};
const gotBy = (path: string) => receiver.received.filter(each => each.path === path);
const eventsOf = async (id: string) =>
  (await database.db('events').whereRaw(`detail ->> 'id' = ?`, [id]).orderBy('id')).map(({ type }) => type);

async function verified(token: string, alg: string, typ: string) {
  const keys = (await loadSigningKeys(database.db, keyring)).map(
    ({ d: _d, p: _p, q: _q, dp: _x, dq: _y, qi: _z, ...jwk }) => jwk as JWK,
  );
  const { payload } = await jwtVerify(token, createLocalJWKSet({ keys }), {
    issuer: issuer.origin,
    algorithms: [alg],
    typ,
  });
  return payload;
}

/** Lets time pass until nothing is open any more. */
async function untilEnded(ids: readonly string[], step = 15 * MINUTE): Promise<void> {
  for (let rounds = 0; rounds < 60; rounds++) {
    await tell();
    const open = (await Promise.all(ids.map(find))).filter(({ endedAt }) => !endedAt);
    if (open.length === 0) return;
    later += step;
  }
  throw new Error('some are still open');
}

test('C42: a command is signed as an ID token is, for this endpoint alone, and what the app says of it is on record', async () => {
  const app = await openApp('command', stating('unknown'), { id_token_signed_response_alg: 'ES256' });
  const id = await send(app.id, { claims: { iss: 'https://elsewhere.example', name: 'Ada' } });
  await tell();
  const [{ body = '', headers = {} } = {}, ...others] = gotBy(app.path);
  expect(others).toEqual([]);
  expect(headers['content-type']).toBe('application/x-www-form-urlencoded');
  const token = new URLSearchParams(body).get('command_token') ?? '';
  const { iat = 0, exp = 0, ...claims } = await verified(token, 'ES256', 'command+jwt');
  expect(exp - iat).toBeLessThanOrEqual(120);
  expect(claims).toEqual({
    name: 'Ada',
    iss: issuer.origin,
    aud: receiver.url(app.path),
    client_id: app.id,
    jti: id,
    command: 'delete',
    tenant: 'personal',
    sub: SUBJECT,
  });
  expect(await find(id)).toMatchObject({
    state: 'confirmed',
    channel: 'command',
    accountState: 'unknown',
    answer: 'done',
    attempts: 1,
    tellable: false,
  });
  expect(await eventsOf(id)).toEqual(['command.sent', 'command.answered']);
});

test('an account that was gone already, and one that a law makes the app keep, are told apart', async () => {
  const gone = await openApp('command', stating('unknown', { error: 'incompatible_state' }, 409));
  const reason = 'Invoices,\u202e until\n2033 '.padEnd(2_000, 'x');
  const keeping = await openApp('command', stating('archived', { retention_reason: reason }));
  const silent = await openApp('command', stating('archived'));
  const ids = await Promise.all([gone, keeping, silent].map(app => send(app.id)));
  await untilEnded(ids);
  const [first, second, third] = await Promise.all(ids.map(find));
  expect(first).toMatchObject({ state: 'confirmed', accountState: 'unknown' });
  expect(second).toMatchObject({ state: 'kept', accountState: 'archived' });
  expect(second?.note).toBe('Invoices, until 2033 '.padEnd(300, 'x'));
  expect(third).toMatchObject({ state: 'refused', answer: 'wrong_state', accountState: 'archived' });
});

test('C34: an app that takes its time answers by the token it got, once, in time, and about the right person', async () => {
  const app = await openApp('command', answering(202), { commands_supported: ['delete_async'] });
  const id = await send(app.id);
  await tell();
  expect(await find(id)).toMatchObject({ state: 'accepted', tellable: true });
  const [{ said = {} } = {}] = gotBy(app.path);
  expect(said).toMatchObject({
    command: 'delete_async',
    callback_endpoint: `${issuer.origin}/commands/callback`,
    callback_token: expect.stringMatching(/^[\w-]{43}$/),
  });
  const token = String(said['callback_token']);
  const say = (statement: unknown, given = token) =>
    working(work => answerLater(work, keyring, { token: given, statement }));
  const done = { sub: SUBJECT, account_state: 'unknown' };
  expect(
    await say(
      done,
      token.replace(/^./, first => (first === 'A' ? 'B' : 'A')),
    ),
  ).toBe('unknown');
  expect(await say({ ...done, sub: 'somebody else' })).toBe('wrong_subject');
  expect(await say({ gone: true })).toBe('unreadable');
  expect((await find(id)).state).toBe('accepted');
  const all = await Promise.all(Array.from({ length: 20 }, () => say(done)));
  expect(all.filter(fault => fault === undefined)).toHaveLength(1);
  expect(new Set(all)).toEqual(new Set([undefined, 'used']));
  expect(await find(id)).toMatchObject({ state: 'confirmed', accountState: 'unknown', tellable: false });
  const refused = await database.db('events').where({ type: 'command.refused_callback', client_id: app.id });
  expect(refused.map(({ detail }) => detail.why).sort()).toEqual([
    'unreadable',
    ...Array(19).fill('used'),
    'wrong_subject',
  ]);
});

test('an app that takes a command and never says that it is done could not be reached, and is too late afterwards', async () => {
  const app = await openApp('command', answering(202), { commands_supported: ['delete_async'] });
  const id = await send(app.id);
  await tell();
  const token = String(gotBy(app.path)[0]?.said['callback_token']);
  await database.db('commands').where({ id }).update({ callback_until: new Date() });
  const statement = { sub: SUBJECT, account_state: 'unknown' };
  expect(await working(work => answerLater(work, keyring, { token, statement }))).toBe('late');
  await tell();
  expect(await find(id)).toMatchObject({ state: 'unreachable', answer: 'no_callback' });
  expect(await working(work => answerLater(work, keyring, { token, statement }))).toBe('late');
  /* Told anew, it gets another name and another token; the first is nobody's. */
  await working(work => retryCommand(work, keyring, id));
  await tell();
  const again = gotBy(app.path)[1]?.said ?? {};
  expect([again.jti, again['callback_token'] === token]).toEqual([`${id}.2`, false]);
  expect(await working(work => answerLater(work, keyring, { token, statement }))).toBe('unknown');
  await working(work => giveUpCommand(work, id));
});

test('a security event is signed and pushed, and its receipt says no more than that it was taken', async () => {
  const app = await openApp('risc', answering(202));
  const id = await send(app.id);
  const change = { before: { email: 'old@example.test' }, claims: { email: 'new@example.test' } };
  const changed = await send(app.id, { command: 'maintain', ...change });
  await tell();
  const got = gotBy(app.path);
  expect(got.map(({ headers }) => headers['content-type'])).toEqual(
    Array(2).fill('application/secevent+jwt'),
  );
  const tokens = await Promise.all(got.map(({ body }) => verified(body, 'RS256', 'secevent+jwt')));
  const of = (jti: string) => tokens.find(each => each.jti === jti) ?? {};
  const type = 'https://schemas.openid.net/secevent/risc/event-type';
  expect(of(id)).toMatchObject({
    aud: app.id,
    sub_id: { format: 'iss_sub', iss: issuer.origin, sub: SUBJECT },
    events: { [`${type}/account-purged`]: {} },
  });
  expect(of(id).sub).toBeUndefined();
  expect(of(changed)).toMatchObject({
    sub_id: { format: 'email', email: 'old@example.test' },
    events: { [`${type}/identifier-changed`]: { 'new-value': 'new@example.test' } },
  });
  expect(await find(id)).toMatchObject({
    state: 'received',
    channel: 'risc',
    answer: 'receipt',
    tellable: false,
  });
});

test('a webhook is signed as Standard Webhooks has it; an app confirms by it, or takes it', async () => {
  const confirming = await openApp('webhook', stating('unknown'));
  const taking = await openApp('webhook', answering(200, {}, 'ok'));
  const ids = [await send(confirming.id), await send(taking.id, { because: 'consent_withdrawn' })];
  await tell();
  const [{ headers = {}, body = '' } = {}] = gotBy(confirming.path);
  const secret = keyring.mac('webhook', `${confirming.id}\n1`);
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  expect(headers['webhook-signature']).toBe(
    `v1,${createHmac('sha256', secret).update(signed).digest('base64')}`,
  );
  expect(headers['webhook-id']).toBe(ids[0]);
  expect(JSON.parse(body)).toMatchObject({
    type: 'account.delete',
    data: { sub: SUBJECT, client_id: confirming.id },
  });
  expect(await find(ids[0] ?? '')).toMatchObject({ state: 'confirmed', channel: 'webhook' });
  expect(await find(ids[1] ?? '')).toMatchObject({ state: 'received', answer: 'no_statement' });
});

test('while the secret of an app is replaced, its webhooks are signed with both', async () => {
  const app = await openApp('webhook', answering(204));
  await working(work => rotateWebhookSecret(work, app.id));
  await send(app.id);
  await tell();
  later += 25 * 60 * MINUTE;
  await send(app.id);
  await tell();
  const signedBy = gotBy(app.path).map(({ headers, body }) => {
    const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
    const by = (nth: number) =>
      `v1,${createHmac('sha256', keyring.mac('webhook', `${app.id}\n${nth}`))
        .update(signed)
        .digest('base64')}`;
    return String(headers['webhook-signature'])
      .split(' ')
      .map(signature => [1, 2, 3].find(nth => by(nth) === signature));
  });
  expect(signedBy).toEqual([[2, 1], [2]]);
});

test('an app that cannot be told is on record as that, and nothing about anybody stays', async () => {
  const deaf = await register(
    database.db,
    { issuer, allowPrivateNetwork: true },
    { redirect_uris: ['http://127.0.0.1:9/back'] },
  );
  const ids = [await send(deaf.client_id), await send('app_gone')];
  await tell();
  const found = await Promise.all(ids.map(find));
  expect(found.map(({ state, answer, tellable }) => [state, answer, tellable])).toEqual([
    ['unreachable', 'no_channel', false],
    ['unreachable', 'no_app', false],
  ]);
});

test('C47: no app that is dead, slow or lying confirms anything, and each is told a bounded number of times', async () => {
  const names = Object.keys(NO_GOOD) as (keyof typeof NO_GOOD)[];
  const apps = await Promise.all(names.map(name => openApp('command', NO_GOOD[name])));
  const ids = await working(work =>
    sendCommands(
      work,
      keyring,
      apps.map(({ id: clientId }) => ({
        clientId,
        command: 'delete',
        reason: { kind: 'deletion', id: uuidv7() },
        subject: SUBJECT,
      })),
      { days: 0.1 },
    ),
  );
  await untilEnded(ids);
  const outcomes = await Promise.all(
    apps.map(async ({ id, path }, at) => {
      const row = await database.db('commands').where({ client_id: id }).first();
      return [names[at], row.state, row.answer, gotBy(path).length <= 12];
    }),
  );
  expect(outcomes).toEqual([
    ['slow', 'unreachable', 'no_answer', true],
    ['broken', 'unreachable', 'http_500', true],
    ['redirecting', 'refused', 'redirect', true],
    ['confirming for somebody else', 'refused', 'wrong_subject', true],
    ['saying that it has not', 'refused', 'wrong_state', true],
    ['sending a huge body', 'unreachable', 'no_answer', true],
    ['dripping a huge body', 'refused', 'unreadable', true],
    ['lying about its content', 'refused', 'wrong_type', true],
    ['hanging up', 'unreachable', 'no_answer', true],
  ]);
});

test('a process that is stopped while it tells an app records nothing, and the next tells it under the same name', async () => {
  const stopping = new AbortController();
  let first = true;
  const app = await openApp('command', (received, response) => {
    if (!first) return stating('unknown')(received, response);
    first = false;
    stopping.abort();
    return undefined;
  });
  const id = await send(app.id);
  await tellDue(parts({ patience: 5_000 }), stopping.signal);
  expect(await find(id)).toMatchObject({ state: 'waiting', attempts: 1 });
  expect(await database.db('command_recipients').where({ client_id: app.id })).toEqual([]);
  await tell();
  expect(gotBy(app.path)).toHaveLength(1);
  later += 61_000;
  await tell();
  expect(gotBy(app.path).map(({ said }) => said.jti)).toEqual([id, id]);
  expect((await find(id)).state).toBe('confirmed');
});

test('of one app no more than two things are told at a time, and of apps that have not answered lately six', async () => {
  const at = { good: 0, doubtful: 0 };
  const most = { good: 0, doubtful: 0 };
  const counted =
    (kind: 'good' | 'doubtful', act: Behaviour): Behaviour =>
    async (received, response) => {
      at[kind]++;
      most[kind] = Math.max(most[kind], at[kind]);
      await new Promise(resolve => setTimeout(resolve, 20));
      at[kind]--;
      return act(received, response);
    };
  const good = await openApp('command', counted('good', stating('unknown')));
  const ids: string[] = [];
  for (let nth = 0; nth < 8; nth++) {
    const doubtful = await openApp('command', counted('doubtful', stating('unknown')));
    await database.db('command_recipients').insert({ client_id: doubtful.id, failures: 1 });
    ids.push(await send(doubtful.id), await send(good.id));
  }
  await tell();
  expect(most.good).toBeLessThanOrEqual(2);
  expect(most.doubtful).toBeLessThanOrEqual(6);
  expect(new Set((await Promise.all(ids.map(find))).map(({ state }) => state))).toEqual(
    new Set(['confirmed']),
  );
  /* Whoever answers is doubted no more. */
  expect(await database.db('command_recipients').where({ failures: 1, left_alone_until: null })).toEqual([]);
});

test('what fails on our side keeps nothing else from being told', async () => {
  const app = await openApp('command', stating('unknown'));
  const [bad, good] = [await send(app.id), await send(app.id)];
  const other = openKeyring('another secret that is only good for tests');
  await database
    .db('commands')
    .where({ id: bad })
    .update({ sealed: other.seal('command', '{}') });
  await expect(tell()).rejects.toThrow();
  expect((await find(good)).state).toBe('confirmed');
  expect(await find(bad)).toMatchObject({ state: 'waiting', answer: 'not_sent' });
  await working(work => giveUpCommand(work, bad));
});

test('twenty people, ten apps, a third of them no good: each statement is right, and nobody waits for them', async () => {
  const good: readonly (readonly [Way, Behaviour, string])[] = [
    ['command', stating('unknown'), 'confirmed'],
    ['command', stating('unknown'), 'confirmed'],
    ['command', stating('archived', { retention_reason: 'Invoices' }), 'kept'],
    ['risc', answering(202), 'received'],
    ['webhook', stating('unknown'), 'confirmed'],
    ['webhook', answering(204), 'received'],
  ];
  const bad: readonly (readonly [Way, Behaviour, string])[] = [
    ['command', NO_GOOD.slow, 'unreachable'],
    ['command', NO_GOOD['hanging up'], 'unreachable'],
    ['command', NO_GOOD['confirming for somebody else'], 'refused'],
    ['webhook', NO_GOOD.broken, 'unreachable'],
  ];
  const expected = new Map<string, string>();
  for (const [way, behave, state] of [...bad, ...good]) expected.set((await openApp(way, behave)).id, state);
  const reasons = Array.from({ length: 20 }, () => ({ kind: 'deletion', id: uuidv7() }));
  for (const reason of reasons) {
    const tellings = [...expected.keys()].map(
      (clientId): Telling => ({ clientId, command: 'delete', reason, subject: `${SUBJECT} ${reason.id}` }),
    );
    await working(work => sendCommands(work, keyring, tellings, { days: 0.25 }));
  }
  await tell();
  const open = async () =>
    (
      await database
        .db('commands')
        .whereIn('client_id', [...expected.keys()])
        .whereNull('ended_at')
    ).map(row => row.client_id);
  /* Without any time passing all that can be ended ends; a slow machine takes more than one run of the job for it. */
  const bads = [...expected.keys()].slice(0, bad.length);
  for (let runs = 0; (await open()).some(id => !bads.includes(id)) && runs < 10; runs++) await tell();
  expect(new Set(await open())).toEqual(new Set(bads));
  for (let rounds = 0; (await open()).length > 0 && rounds < 40; rounds++) {
    later += 45 * MINUTE;
    await tell();
  }
  for (const reason of reasons) {
    const { commands } = await commandsOf(database.db, reason);
    expect(new Map(commands.map(({ clientId, state }) => [clientId, state]))).toEqual(expected);
  }
  const slow = gotBy(`/app-${nr - 10}`).length;
  expect(slow).toBeLessThan(20);
});
