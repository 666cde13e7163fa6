import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import type { Delivery, DeliveryLedger } from '../../src/platform/jobs/delivery.js';
import { type Jobs, openJobs } from '../../src/platform/jobs/jobs.js';
import { listMailbox } from '../../src/platform/mail/mail.js';
import { type Outbound, openOutbound } from '../../src/platform/outbound.js';
import { openSmsSender, type SmsSender, sealSms, sendSmsJob, withCode } from '../../src/platform/sms/sms.js';
import { openWork } from '../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../support/database.js';
import { hasten, jobsLeft, QUIET, until } from '../support/jobs.js';
import { recordedDuring } from '../support/ledger.js';

const keyring = openKeyring('a secret of a test that is long enough');
const ACCOUNT = `AC${'0123456789abcdef'.repeat(2)}`;
const SERVICE = `MG${'a'.repeat(32)}`;

// https://www.twilio.com/docs/iam/test-credentials#test-sms-messages, out of a stored copy of that page
const CREATED = {
  account_sid: 'ACXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX',
  api_version: '2010-04-01',
  body: 'Hey Mr Nugget, you the bomb!',
  date_created: 'Thu, 24 Aug 2023 05:01:45 +0000',
  date_sent: 'Thu, 24 Aug 2023 05:01:45 +0000',
  date_updated: 'Thu, 24 Aug 2023 05:01:45 +0000',
  direction: 'outbound-api',
  error_code: null,
  error_message: null,
  from: '+15005550006',
  num_media: '0',
  num_segments: '1',
  price: null,
  price_unit: null,
  messaging_service_sid: 'MGaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  sid: 'SMaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  status: 'queued',
  subresource_uris: {
    media:
      '/2010-04-01/Accounts/ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/Messages/SMaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/Media.json',
  },
  to: '+15005550009',
  uri: '/2010-04-01/Accounts/ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/Messages/SMaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.json',
};
// https://www.twilio.com/docs/usage/twilios-response#exceptions, out of a stored copy of that page
const BAD_REQUEST = {
  status: 400,
  message: 'No to number is specified',
  code: 21201,
  more_info: 'http://www.twilio.com/docs/errors/21201',
};
const NOT_FOUND = { status: 404, message: 'The requested resource was not found' };

interface Call {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly form: Readonly<Record<string, string>>;
}

let database: TestDatabase;
let server: Server;
let outbound: Outbound;
let api: URL;
let calls: Call[] = [];
let answers: (readonly [status: number, body: unknown])[] = [];
let closing: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  database = await openTestDatabase();
  outbound = openOutbound({ allowPrivateNetwork: true });
  server = createServer(async (request, response) => {
    const text = (await request.toArray()).join('');
    const form = Object.fromEntries(new URLSearchParams(text));
    calls.push({ path: `${request.method} ${request.url}`, headers: request.headers, form });
    const [status, body] = answers.shift() ?? [201, CREATED];
    if (status === 0) return void response.destroy();
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  await new Promise<void>(done => void server.listen(0, 'localhost', done));
  api = new URL(`http://localhost:${(server.address() as AddressInfo).port}`);
});

beforeEach(() => {
  calls = [];
  answers = [];
});

afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
  await database.db.raw('DELETE FROM graphile_worker._private_jobs');
});

afterAll(async () => {
  await outbound?.close();
  server.closeAllConnections();
  server.close();
  await database?.close();
});

const NUMBERED = { id: '0193a000-0000-7000-8000-000000000000', to: '+15005550009', text: 'Hi there' };

function twilio(from = '+15005550006'): SmsSender {
  const sms = { provider: 'twilio', account: ACCOUNT, secret: 'a token', from, api } as const;
  const sender = openSmsSender({ sms, production: false }, database.db, outbound);
  if (!sender) throw new Error('no sender');
  return sender;
}

test('a message is posted as the documentation says, with the account’s credentials', async () => {
  await twilio().send(NUMBERED);
  await twilio(SERVICE).send(NUMBERED);
  expect(calls.map(({ path, form }) => [path, form])).toEqual([
    [
      `POST /2010-04-01/Accounts/${ACCOUNT}/Messages.json`,
      { To: '+15005550009', From: '+15005550006', Body: 'Hi there' },
    ],
    [
      `POST /2010-04-01/Accounts/${ACCOUNT}/Messages.json`,
      { To: '+15005550009', MessagingServiceSid: SERVICE, Body: 'Hi there' },
    ],
  ]);
  expect(calls[0]?.headers).toMatchObject({
    authorization: `Basic ${Buffer.from(`${ACCOUNT}:a token`).toString('base64')}`,
    'content-type': 'application/x-www-form-urlencoded',
  });
});

test.each([
  [400, BAD_REQUEST, { reason: 'twilio 21201', refused: true, final: true }],
  [404, NOT_FOUND, { reason: 'twilio 404', refused: false, final: false }],
  [401, { status: 401, code: 20003 }, { reason: 'twilio 20003', refused: false, final: false }],
  [429, { status: 429, code: 20429 }, { reason: 'twilio 20429', refused: false, final: false }],
  [500, 'Oops', { reason: 'twilio 500', refused: false, final: false }],
  [201, 'not JSON', { reason: 'twilio unreadable', refused: false }],
  [201, { ...CREATED, status: 'failed' }, { reason: 'twilio unreadable', refused: false }],
  [302, '', { reason: 'twilio 302', refused: false }],
  [0, '', { reason: 'unreachable', refused: false }],
])('an answer of %i is told in codes and never in words', async (status, body, expected) => {
  answers = [[status, body]];
  const error = await twilio()
    .send(NUMBERED)
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject(expected);
  expect(String(error)).not.toContain(NUMBERED.to);
});

test('what became of messages is counted', async () => {
  const sender = twilio();
  answers = [
    [201, CREATED],
    [400, BAD_REQUEST],
    [503, ''],
  ];
  for (let n = 0; n < 3; n++) await sender.send(NUMBERED).catch(() => undefined);
  expect(sender.counts()).toEqual({ sent: 1, refused: 1, failed: 1 });
});

test('a private address is not called, whatever the settings say', async () => {
  const guarded = openOutbound({ allowPrivateNetwork: false });
  closing.push(guarded.close);
  const sms = { provider: 'twilio', account: ACCOUNT, secret: 's', from: '+15005550006', api } as const;
  const sender = openSmsSender({ sms, production: true }, database.db, guarded);
  await expect(sender?.send(NUMBERED)).rejects.toMatchObject({ reason: 'unreachable' });
  expect(calls).toEqual([]);
});

const noted: Delivery[] = [];
const ledger: DeliveryLedger = {
  isDue: async () => true,
  note: async (_outgoing, delivery) => void noted.push(delivery),
};

async function startJobs(sender: SmsSender | undefined): Promise<Jobs> {
  noted.length = 0;
  const jobs = await openJobs({
    url: database.url,
    jobs: [sendSmsJob(database.db, keyring, sender, ledger)],
    log: QUIET,
  });
  closing.push(jobs.stop);
  return jobs;
}

const queue = (minutes = 10) =>
  openWork(database.db, { kind: 'system' }, async work =>
    work.enqueue(
      sealSms(
        keyring,
        { to: NUMBERED.to, text: 'Your code' },
        { until: new Date(Date.now() + minutes * 60_000) },
      ),
    ),
  );
const settled = () => until(async () => (await jobsLeft(database.db, 'send-sms')) === 0);

test('a queued message leaves, and the queue holds neither its number nor its text in clear', async () => {
  await queue();
  const { rows } = await database.db.raw('SELECT * FROM graphile_worker._private_jobs');
  expect(JSON.stringify(rows)).not.toMatch(/5005550009|Your code/);
  await startJobs(twilio());
  await settled();
  expect(calls.map(({ form }) => form['Body'])).toEqual(['Your code']);
  expect(noted).toEqual([{ state: 'sent', tries: 1 }]);
});

test('one that was not taken over is tried again, and one that was refused is given up with an event', async () => {
  answers = [
    [503, ''],
    [201, CREATED],
    [400, BAD_REQUEST],
  ];
  await startJobs(twilio());
  await queue();
  await until(() => calls.length === 1);
  await until(async () => {
    await hasten(database.db);
    return calls.length === 2;
  });
  await settled();
  const events = await recordedDuring(database.db, async () => {
    await queue();
    await settled();
  });
  expect(calls).toHaveLength(3);
  expect(events).toMatchObject([{ type: 'sms.dropped', detail: { tries: 1, reason: 'twilio 21201' } }]);
  expect(noted.at(-1)).toEqual({ state: 'refused', tries: 1, reason: 'twilio 21201' });
});

test('a code that has expired is not sent any more', async () => {
  await startJobs(twilio());
  const events = await recordedDuring(database.db, async () => {
    await queue(-1);
    await settled();
  });
  expect(calls).toEqual([]);
  expect(events).toMatchObject([{ type: 'sms.dropped', detail: { reason: 'too_late' } }]);
});

test('without a provider it lands in the mailbox, and in production nowhere', async () => {
  const sink = openSmsSender({ production: false }, database.db, outbound);
  await sink?.send(NUMBERED);
  expect(await listMailbox(database.db)).toMatchObject([
    { to: NUMBERED.to, subject: 'SMS', text: 'Hi there' },
  ]);
  expect(openSmsSender({ production: true }, database.db, outbound)).toBeUndefined();
});

test('a text binds its code to the origin in its last line, and holds no control characters', () => {
  const text = withCode('1234 5678 is your code.', 'id.example', '12345678');
  expect(text.split('\n').at(-1)).toBe('@id.example #12345678');
  const sealed = (change: object) => () =>
    sealSms(keyring, { to: '+15005550009', text, ...change }, { until: new Date() });
  expect(sealed({})).not.toThrow();
  for (const wrong of [
    { text: 'a\r\nb' },
    { text: 'x'.repeat(400) },
    { to: '0151' },
    { to: '+1\n2345678' },
  ]) {
    expect(sealed(wrong)).toThrow();
  }
});
