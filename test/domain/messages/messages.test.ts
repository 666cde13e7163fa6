import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import {
  destroySubjectKey,
  newAccountId,
  openAccount,
  restrictAccount,
  setAccountState,
} from '../../../src/domain/accounts/accounts.js';
import {
  applyTopics,
  giveOptIn,
  keepMessage,
  listMessages,
  listTopics,
  type NewMessage,
  openLedger,
  withdrawOptIn,
} from '../../../src/domain/messages/messages.js';
import { openSchema } from '../../../src/domain/profiles/profiles.js';
import { mayAct } from '../../../src/oidc/acting.js';
import { openKeyring } from '../../../src/platform/crypto/keyring.js';
import { openJobs } from '../../../src/platform/jobs/jobs.js';
import { openTransport, sealMail, sendMailJob } from '../../../src/platform/mail/mail.js';
import { openDatabase } from '../../../src/platform/storage/db.js';
import { openWork } from '../../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';
import { hasten, jobsLeft, QUIET, until } from '../../support/jobs.js';
import { openSmtpSink, type SmtpBehaviour, type SmtpSink } from '../../support/smtp.js';
import { NEWS } from '../../support/topics.js';

const keyring = openKeyring('a secret of a test that is long enough');
const SYSTEM = { kind: 'system' } as const;
let database: TestDatabase;
let closing: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  database = await openTestDatabase();
  await openSchema(database.db);
  await openWork(database.db, { kind: 'operator' }, work => applyTopics(work, NEWS));
});

afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
  await database.db.raw('DELETE FROM graphile_worker._private_jobs');
});

afterAll(() => database.close());

async function newAccount(email = `${uuidv7()}@example.test`): Promise<string> {
  const id = newAccountId();
  await openWork(database.db, { kind: 'person', id }, work =>
    openAccount(work, keyring, { id, email, language: 'en' }),
  );
  return id;
}

const about = (accountId: string, more: Partial<NewMessage> = {}): NewMessage => ({
  id: uuidv7(),
  accountId,
  channel: 'email',
  kind: 'security',
  template: 'passkey-added',
  templateVersion: 'cafe0123',
  language: 'en',
  to: 'ada@example.com',
  subject: 'A passkey was added',
  ...more,
});

async function send(message: NewMessage): Promise<void> {
  const letter = { to: message.to, subject: message.subject, text: 'Hello', html: '<p>Hello</p>' };
  await openWork(database.db, SYSTEM, async work => {
    keepMessage(work, keyring, message);
    work.enqueue(sealMail(keyring, letter, message));
  });
}

/* As its owner, since the server's role may not. */
async function analyze(): Promise<void> {
  const owner = openDatabase(database.migrationUrl);
  await owner.raw('ANALYZE messages');
  await owner.destroy();
}

const list = async (accountId: string) =>
  (await listMessages(database.db, keyring, { accountId, limit: 50 })).messages;

async function startJobs(...behaviours: SmtpBehaviour[]): Promise<SmtpSink> {
  const sink = await openSmtpSink();
  sink.behave(...behaviours);
  const from = { smtpUrl: sink.url, mailFrom: 'Keyhold <no-reply@id.example>', production: false };
  const transport = openTransport({ ...from, patience: 400 }, database.db);
  const ledger = openLedger(database.db, account => mayAct({ account }));
  const jobs = [sendMailJob(database.db, keyring, transport, ledger)];
  const running = await openJobs({ url: database.url, jobs, log: QUIET });
  closing.push(sink.close, () => transport.close(), running.stop);
  return sink;
}

const lastTry = () => database.db.raw('UPDATE graphile_worker._private_jobs SET attempts = max_attempts - 1');

/** An account that wants news, and a message of it that waits. */
async function subscriber() {
  const accountId = await newAccount();
  const [topic] = await listTopics(database.db);
  if (!topic) throw new Error('there is no topic');
  await openWork(database.db, { kind: 'person', id: accountId }, work =>
    giveOptIn(work, accountId, topic, { channel: 'email', language: 'en', place: 'preferences' }),
  );
  const [optIn] = await database.db('opt_ins').where({ account_id: accountId });
  const message = about(accountId, { kind: 'topic', topic: { topic: 'news', optIn: optIn.id } });
  await send(message);
  return { accountId, message };
}

test('a message is on record as queued with the work that queues it, and as sent once it was handed over', async () => {
  const accountId = await newAccount();
  const message = about(accountId);
  await send(message);
  const { to, subject, id, templateVersion } = message;
  expect(await list(accountId)).toMatchObject([{ id, to, subject, templateVersion, state: 'queued' }]);
  const sink = await startJobs();
  await until(async () => (await list(accountId))[0]?.state === 'sent');
  expect(sink.received).toHaveLength(1);
  const [row] = await database.db('messages').where({ account_id: accountId });
  expect(row).toMatchObject({ state: 'sent', tries: 1, reason: null });
  expect(row.state_at.getTime()).toBeGreaterThanOrEqual(row.queued_at.getTime());
});

test('a work that fails leaves no message on record', async () => {
  const accountId = await newAccount();
  const failing = openWork(database.db, SYSTEM, async work => {
    keepMessage(work, keyring, about(accountId));
    throw new Error('stop');
  });
  await expect(failing).rejects.toThrow('stop');
  expect(await list(accountId)).toEqual([]);
});

test('neither address nor subject is in the table in clear, and both are gone with the key of the account', async () => {
  const accountId = await newAccount();
  await send(about(accountId));
  const { rows } = await database.db.raw('SELECT m::text AS m FROM messages m WHERE account_id = ?', [
    accountId,
  ]);
  expect(rows[0].m).not.toMatch(/ada|passkey was/);
  await openWork(database.db, SYSTEM, work => destroySubjectKey(work, accountId));
  expect(await list(accountId)).toMatchObject([
    { to: undefined, subject: undefined, template: 'passkey-added' },
  ]);
});

test('what is sealed opens at its own row only', async () => {
  const [ada, bea] = [await newAccount(), await newAccount()];
  for (const accountId of [ada, bea]) await send(about(accountId));
  const [row] = await database.db('messages').where({ account_id: ada });
  await database.db('messages').where({ account_id: bea }).update({ sealed: row.sealed });
  expect(await list(bea)).toMatchObject([{ to: undefined, subject: undefined }]);
});

test.each<[SmtpBehaviour, string, string]>([
  ['550', 'refused', 'EMESSAGE 550'],
  ['451', 'failed', 'EMESSAGE 451'],
])(
  'after the last try a mail that met %s is on record as %s, with the code for it',
  async (met, state, reason) => {
    const accountId = await newAccount();
    await send(about(accountId));
    await lastTry();
    await startJobs(met);
    await until(async () => (await jobsLeft(database.db)) === 0);
    expect(await list(accountId)).toMatchObject([{ state, reason }]);
    const { rows } = await database.db.raw(
      `SELECT account_id, detail FROM events WHERE type = 'mail.dropped' AND account_id = ?`,
      [accountId],
    );
    expect(rows).toEqual([{ account_id: accountId, detail: { mail: expect.any(String), tries: 12 } }]);
  },
);

test('before the last try it is still queued', async () => {
  const accountId = await newAccount();
  await send(about(accountId));
  const sink = await startJobs('451');
  await until(() => sink.received.length === 1);
  expect(await list(accountId)).toMatchObject([{ state: 'queued' }]);
  await until(async () => {
    await hasten(database.db);
    return (await list(accountId))[0]?.state === 'sent';
  });
});

test('what was sent is not sent again, however often its job runs', async () => {
  const accountId = await newAccount();
  const message = about(accountId);
  const sink = await startJobs();
  await send(message);
  await until(async () => (await list(accountId))[0]?.state === 'sent');
  const letter = { to: message.to, subject: message.subject, text: '', html: '' };
  await openWork(database.db, SYSTEM, async work => work.enqueue(sealMail(keyring, letter, message)));
  await until(async () => (await jobsLeft(database.db)) === 0);
  expect(sink.received).toHaveLength(1);
});

test('a message of a topic goes out while there is an opt-in', async () => {
  const { accountId } = await subscriber();
  const sink = await startJobs();
  await until(async () => (await list(accountId))[0]?.state === 'sent');
  expect(sink.received).toHaveLength(1);
});

test('one whose opt-in was withdrawn meanwhile is not sent, and that is on record', async () => {
  const { accountId, message } = await subscriber();
  await openWork(database.db, { kind: 'person', id: accountId }, work =>
    withdrawOptIn(work, { accountId, topic: 'news', channel: 'email' }, 'preferences'),
  );
  const sink = await startJobs();
  await until(async () => (await jobsLeft(database.db)) === 0);
  expect(sink.received).toHaveLength(0);
  expect(await list(accountId)).toMatchObject([{ state: 'withheld', reason: 'no_opt_in' }]);
  const { rows } = await database.db.raw(
    `SELECT detail FROM events WHERE type = 'message.withheld' AND account_id = ?`,
    [accountId],
  );
  expect(rows).toEqual([{ detail: { message: message.id, topic: 'news', reason: 'no_opt_in' } }]);
});

test('nor is one whose purpose was restricted or objected to meanwhile; mail about safety goes on', async () => {
  const { accountId } = await subscriber();
  const restriction = { all: false, purposes: ['messages'], attributes: [] };
  await openWork(database.db, SYSTEM, work => restrictAccount(work, accountId, restriction));
  await send(about(accountId));
  const sink = await startJobs();
  await until(async () => (await jobsLeft(database.db)) === 0);
  expect(sink.received).toHaveLength(1);
  expect((await list(accountId)).map(({ state, reason }) => [state, reason])).toEqual([
    ['sent', undefined],
    ['withheld', 'restricted'],
  ]);
});

test('nor is one to an account that may not act', async () => {
  const { accountId } = await subscriber();
  await openWork(database.db, SYSTEM, work => setAccountState(work, accountId, 'suspended'));
  const sink = await startJobs();
  await until(async () => (await jobsLeft(database.db)) === 0);
  expect(sink.received).toHaveLength(0);
  expect(await list(accountId)).toMatchObject([{ state: 'withheld', reason: 'account_inactive' }]);
});

test('nor one of a topic that is gone', async () => {
  const { accountId } = await subscriber();
  await openWork(database.db, { kind: 'operator' }, work => applyTopics(work, { topics: [] }));
  const sink = await startJobs();
  await until(async () => (await jobsLeft(database.db)) === 0);
  expect(sink.received).toHaveLength(0);
  expect(await list(accountId)).toMatchObject([{ state: 'withheld', reason: 'no_opt_in' }]);
  await openWork(database.db, { kind: 'operator' }, work => applyTopics(work, NEWS));
});

test('messages are listed newest first, in pages that neither repeat nor leave out', async () => {
  const accountId = await newAccount();
  const ids = [];
  for (const kind of ['security', 'code', 'security', 'account', 'security'] as const) {
    const message = about(accountId, { kind });
    await send(message);
    ids.unshift(message.id);
  }
  const seen: string[] = [];
  let before: string | undefined;
  do {
    const page = await listMessages(database.db, keyring, { accountId, limit: 2, ...(before && { before }) });
    seen.push(...page.messages.map(({ id }) => id));
    before = page.before;
  } while (before);
  expect(seen).toEqual(ids);
  const only = await listMessages(database.db, keyring, { accountId, limit: 2, only: 'security' });
  expect(only.messages.map(({ kind }) => kind)).toEqual(['security', 'security']);
  expect(only.before).toBeDefined();
  const undelivered = await listMessages(database.db, keyring, { accountId, limit: 2, only: 'undelivered' });
  expect(undelivered).toEqual({ messages: [], before: undefined });
});

test.each(['all', 'security', 'code', 'account', 'topic', 'undelivered'] as const)(
  'with 10,000 messages a page of %s reads by index, and as many rows as it shows',
  async only => {
    const accountId = await newAccount();
    await database.db.raw(
      `INSERT INTO messages (account_id, id, channel, kind, template, template_version, language, topic, opt_in, queued_at, state_at, state)
       SELECT '${accountId}', gen_random_uuid(), 'email', k, 't', '1', 'en', CASE k WHEN 'topic' THEN 'news' END,
         CASE k WHEN 'topic' THEN gen_random_uuid() END, now(), now(), CASE WHEN n % 97 = 0 THEN 'failed' ELSE 'sent' END
       FROM (SELECT n, (ARRAY['security', 'code', 'account', 'topic'])[1 + n % 4] AS k FROM generate_series(1, 10000) n) many`,
    );
    await analyze();
    const heard: { sql: string; bindings: readonly unknown[] }[] = [];
    const listening = (query: { sql: string; bindings: unknown[] }) => void heard.push(query);
    database.db.on('query', listening);
    const filter = only === 'all' ? {} : { only };
    const { messages } = await listMessages(database.db, keyring, { accountId, limit: 25, ...filter });
    database.db.off('query', listening);
    expect(messages).toHaveLength(25);
    expect(heard).toHaveLength(1);
    const [{ sql, bindings }] = heard as [(typeof heard)[0]];
    const explained = await database.db.raw(
      `EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) ${sql.replace(/\$\d+/g, '?')}`,
      bindings as string[],
    );
    const plan = JSON.stringify(explained.rows[0]['QUERY PLAN']);
    expect(plan).not.toMatch(/Seq Scan|"Sort"/);
    const read = [...plan.matchAll(/"Actual Rows": ?(\d+)/g)].map(([, rows]) => Number(rows));
    expect(Math.max(...read)).toBeLessThanOrEqual(26);
    expect(plan).not.toMatch(/"Rows Removed by Filter": ?[1-9]/);
  },
);
