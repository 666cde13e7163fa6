import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { openLedger } from '../../src/domain/messages/messages.js';
import { mayAct } from '../../src/oidc/acting.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { type Jobs, openJobs } from '../../src/platform/jobs/jobs.js';
import {
  clearMailbox,
  getMailboxMail,
  listMailbox,
  type Mail,
  openTransport,
  sealMail,
  sendMailJob,
  type Transport,
} from '../../src/platform/mail/mail.js';
import { openWork } from '../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../support/database.js';
import { hasten, jobsLeft, QUIET, until } from '../support/jobs.js';
import { openSmtpSink, type SmtpBehaviour, type SmtpSink } from '../support/smtp.js';

const keyring = openKeyring('a secret of a test that is long enough');
const mail: Mail = {
  to: 'ada@example.com',
  subject: 'Your code is 12345678',
  text: 'Type 12345678',
  html: '<p>Type 12345678</p>',
};
const SYSTEM = { kind: 'system' } as const;

let database: TestDatabase;
let closing: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  database = await openTestDatabase();
});

afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
  await database.db.raw('DELETE FROM graphile_worker._private_jobs');
});

afterAll(() => database.close());

async function enqueue(letter: Mail): Promise<void> {
  await openWork(database.db, SYSTEM, async work => work.enqueue(sealMail(keyring, letter)));
}

async function startJobs(transport: Transport): Promise<Jobs> {
  const jobs = await openJobs({
    url: database.url,
    jobs: [
      sendMailJob(
        database.db,
        keyring,
        transport,
        openLedger(database.db, account => mayAct({ account })),
      ),
    ],
    log: QUIET,
  });
  closing.push(() => transport.close(), jobs.stop);
  return jobs;
}

function smtp(url: string): Transport {
  return openTransport(
    { smtpUrl: url, mailFrom: 'Keyhold <no-reply@id.example>', production: false, patience: 400 },
    database.db,
  );
}

async function openSink(...behaviours: SmtpBehaviour[]): Promise<SmtpSink> {
  const sink = await openSmtpSink();
  closing.push(sink.close);
  sink.behave(...behaviours);
  return sink;
}

function messageIdsOf(sink: SmtpSink): readonly (string | undefined)[] {
  return sink.received.map(({ raw }) => /^Message-ID: (.*)$/im.exec(raw)?.[1]);
}

test('a mail reaches the server whole, marked as sent by a machine', async () => {
  const sink = await openSink();
  await startJobs(smtp(sink.url));
  await enqueue({ ...mail, headers: { 'X-Reason': 'sign-in' } });
  await until(() => sink.received.length === 1);
  const [got] = sink.received;
  expect(got).toMatchObject({ from: 'no-reply@id.example', to: ['ada@example.com'], accepted: true });
  expect(got?.raw).toMatch(/^Auto-Submitted: auto-generated\r?$/m);
  expect(got?.raw).toMatch(/^From: Keyhold <no-reply@id\.example>\r?$/m);
  expect(got?.raw).toMatch(/^Subject: Your code is 12345678\r?$/m);
  expect(got?.raw).toMatch(/^X-Reason: sign-in\r?$/m);
  expect(got?.raw).toMatch(/^Message-ID: <[0-9a-f-]{36}@id\.example>\r?$/m);
  expect(got?.raw).toContain('multipart/alternative');
  await until(async () => (await jobsLeft(database.db)) === 0);
});

test('neither the address nor the code lies in the queue in clear', async () => {
  await enqueue(mail);
  const { rows } = await database.db.raw(
    'SELECT payload::text AS payload FROM graphile_worker._private_jobs',
  );
  expect(rows).toHaveLength(1);
  expect(rows[0].payload).not.toMatch(/ada|example|12345678/);
});

test.each<[string, SmtpBehaviour[]]>([
  ['puts it off', ['451']],
  ['refuses it', ['550']],
  ['hangs', ['hang']],
  ['drops the line after taking it', ['drop-after-data']],
  ['does all of that in turn', ['drop-after-data', '451', 'hang', '550']],
])('a server that %s gets the mail again under the same Message-ID', async (_what, behaviours) => {
  const sink = await openSink(...behaviours);
  await startJobs(smtp(sink.url));
  await enqueue(mail);
  await until(async () => {
    await hasten(database.db);
    return sink.received.some(({ accepted }) => accepted);
  });
  expect(sink.received).toHaveLength(behaviours.length + 1);
  expect(new Set(messageIdsOf(sink)).size).toBe(1);
  await until(async () => (await jobsLeft(database.db)) === 0);
});

test('a server that is down gets the mail when it is up', async () => {
  const gone = await openSmtpSink();
  await gone.close();
  await startJobs(smtp(gone.url));
  await enqueue(mail);
  await until(async () => (await failures()) > 0);
  const sink = await openSmtpSink(gone.port);
  closing.push(sink.close);
  await until(async () => {
    await hasten(database.db);
    return sink.received.length > 0;
  });
  expect(sink.received.map(({ to }) => to)).toEqual([['ada@example.com']]);
});

test('what a server says of an address is kept out of the queue', async () => {
  const sink = await openSink('550');
  await startJobs(smtp(sink.url));
  await enqueue(mail);
  await until(async () => (await failures()) > 0);
  const { rows } = await database.db.raw('SELECT last_error FROM graphile_worker.jobs');
  expect(rows[0].last_error).toMatch(/^mail [0-9a-f-]{36} was not taken over: EMESSAGE 550$/);
});

test('after the last try the mail is dropped with a fact and nothing is left', async () => {
  const sink = await openSink('550');
  await enqueue(mail);
  await database.db.raw('UPDATE graphile_worker._private_jobs SET attempts = max_attempts - 1');
  await startJobs(smtp(sink.url));
  await until(async () => (await jobsLeft(database.db)) === 0);
  const { rows } = await database.db.raw(`SELECT detail FROM events WHERE type = 'mail.dropped'`);
  expect(rows).toEqual([{ detail: { mail: messageIdsOf(sink)[0]?.slice(1, 37), tries: 12 } }]);
});

test.each<[string, Partial<Mail>]>([
  ['address', { to: 'ada@example.com\r\nBcc: eve@example.com' }],
  ['list of addresses', { to: 'ada@example.com,eve@example.com' }],
  ['address with a name', { to: 'Eve <eve@example.com>' }],
  ['subject', { subject: 'Hello\nBcc: eve@example.com' }],
  ['header', { headers: { 'X-Reason': 'a\r\nBcc: eve@example.com' } }],
  ['header name', { headers: { 'X-Reason: a\r\nBcc': 'eve@example.com' } }],
])('a line or a second person cannot be smuggled in by the %s', (_what, smuggled) => {
  expect(() => sealMail(keyring, { ...mail, ...smuggled })).toThrow();
});

test('in production a server elsewhere must speak TLS', async () => {
  // 0.0.0.0 reaches this machine without being one of its loopback names.
  const sink = await openSink();
  const transport = openTransport(
    { smtpUrl: sink.url.replace('127.0.0.1', '0.0.0.0'), mailFrom: 'a@id.example', production: true },
    database.db,
  );
  closing.push(() => transport.close());
  await expect(transport.send({ id: 'x', ...mail })).rejects.toThrow('was not taken over: ETLS');
  expect(sink.received).toHaveLength(0);
});

test('without a server mail lands in the mailbox, once for each mail, and soon', async () => {
  await startJobs(openTransport({ mailFrom: 'a@id.example', production: false }, database.db));
  await enqueue(mail);
  await until(async () => (await listMailbox(database.db)).length === 1);
  const [got] = await listMailbox(database.db);
  expect(got).toMatchObject({ to: mail.to, subject: mail.subject, text: mail.text, html: mail.html });
  expect(await getMailboxMail(database.db, got?.id ?? '')).toEqual(got);
  expect(await getMailboxMail(database.db, 'nonsense')).toBeUndefined();
  await openWork(database.db, SYSTEM, work => clearMailbox(work.tx));
  expect(await listMailbox(database.db)).toEqual([]);
});

test('the mailbox keeps the 200 newest', async () => {
  await database.db.raw(
    `INSERT INTO mailbox (id, to_address, subject, text, html)
     SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'a@example.com', 'n' || n, '', ''
     FROM generate_series(1, 200) n`,
  );
  const transport = openTransport({ mailFrom: 'a@id.example', production: false }, database.db);
  const id = '00000000-0000-7000-8000-000000000201';
  await transport.send({ id, ...mail });
  await transport.send({ id, ...mail });
  const kept = await listMailbox(database.db);
  expect(kept).toHaveLength(200);
  expect([kept[0]?.id, kept[199]?.subject]).toEqual([id, 'n2']);
});

test('production without a server does not start', () => {
  expect(() => openTransport({ mailFrom: 'a@id.example', production: true }, database.db)).toThrow('SMTP');
});

async function failures(): Promise<number> {
  const { rows } = await database.db.raw(
    'SELECT count(*)::int AS n FROM graphile_worker.jobs WHERE last_error IS NOT NULL',
  );
  return rows[0].n;
}
