import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { fetch } from 'undici';
import { restrictAccount, setAccountState } from '../../../src/domain/accounts/accounts.js';
import {
  type Channel,
  giveOptIn,
  listMessages,
  listOptIns,
  listTopics,
} from '../../../src/domain/messages/messages.js';
import { sendOnTopic } from '../../../src/journeys/messages/send.js';
import { type MessagesCommand, runMessages, runTopics } from '../../../src/message-commands.js';
import { openKeyring } from '../../../src/platform/crypto/keyring.js';
import { openTransport } from '../../../src/platform/mail/mail.js';
import { type Job, openWork } from '../../../src/platform/storage/work.js';
import { openRenderer } from '../../../src/platform/web/render.js';
import { openWords } from '../../../src/platform/web/words.js';
import { jobsLeft, until } from '../../support/jobs.js';
import { personAt } from '../../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf, recordedDuring } from '../../support/ledger.js';
import type { ReceivedMail } from '../../support/mailbox.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';
import { openSmtpSink, type SmtpSink } from '../../support/smtp.js';
import { csrfOf, memberOf } from '../../support/steps.js';
import { NEWS } from '../../support/topics.js';

// Nothing of a topic goes out without a live opt-in, and one post ends it (RFC 8058).

let sink: SmtpSink;
let keyhold: TestKeyhold;
let app: RelyingParty;
let folder: string;
let command: MessagesCommand;
let said: { printed: string; failed: string };
let email: string;
let accountId: string;
let count = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keyhold-topics-'));
  sink = await openSmtpSink();
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold);
  const { db, config } = keyhold;
  const words = openWords();
  command = {
    db,
    sending: {
      issuer: config.issuer,
      keyring: openKeyring(config.secret),
      renderer: openRenderer(words),
      translator: words.translator,
      rp: { name: 'Keyhold' },
    },
    print: text => {
      said.printed += text;
    },
    fail: text => {
      said.failed += text;
    },
  };
});

beforeEach(async () => {
  said = { printed: '', failed: '' };
  email = `ada${++count}@example.test`;
  await memberOf(keyhold, app, email);
  accountId = await accountOf(keyhold.db, email);
  expect(await topics('apply', NEWS)).toBe(0);
  said = { printed: '', failed: '' };
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
  await sink?.close();
  await rm(folder, { recursive: true });
});

async function topics(verb: string, content: unknown): Promise<number> {
  const path = join(folder, `${crypto.randomUUID()}.json`);
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return runTopics([verb, path], command);
}

async function send(...words: readonly string[]): Promise<number> {
  const path = join(folder, 'text.txt');
  await writeFile(path, 'We have painted the door.\n\nhttps://news.example/march\n');
  return runMessages(['send', '--subject', 'News of March', '--text', path, ...words], command);
}

async function optIn(topic = 'news', whose = accountId, channel: Channel = 'email'): Promise<void> {
  const found = (await listTopics(keyhold.db)).find(each => each.topic === topic);
  if (!found) throw new Error(`there is no topic ${topic}`);
  await openWork(keyhold.db, { kind: 'person', id: whose }, work =>
    giveOptIn(work, whose, found, { channel, language: 'en', place: 'preferences' }),
  );
}

const messagesOf = async (whose = accountId) => {
  const keyring = openKeyring(keyhold.config.secret);
  return (await listMessages(keyhold.db, keyring, { accountId: whose, limit: 100, only: 'topic' })).messages;
};

const liveOptIns = async () => (await listOptIns(keyhold.db, accountId)).filter(({ live }) => live).length;

/** The mail of news that somebody who wants it gets, and the link at its end. */
async function news(): Promise<{ mail: ReceivedMail; url: string }> {
  await optIn();
  expect(await send('--topic', 'news', '--account', accountId)).toBe(0);
  await until(async () => (await keyhold.mailbox.latest(email)).subject === 'News of March');
  const mail = await keyhold.mailbox.latest(email);
  const url = /http:\/\/\S+\/unsubscribe\/\S+/.exec(mail.text)?.[0] ?? '';
  return { mail, url };
}

/** As a mail program posts: no cookies, no page of ours, RFC 8058 §3.2. */
const post = (url: string, body = 'List-Unsubscribe=One-Click', headers: Record<string, string> = {}) =>
  fetch(url, {
    method: 'POST',
    redirect: 'manual',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body,
  });

test('without an opt-in nothing is queued, and the operator is told why', async () => {
  const before = await jobsLeft(keyhold.db);
  const events = await recordedDuring(keyhold.db, async () => {
    expect(await send('--topic', 'news', '--account', accountId)).toBe(1);
  });
  expect(said.failed).toContain('has not opted in to news by email');
  expect([await messagesOf(), events, await jobsLeft(keyhold.db)]).toEqual([[], [], before]);
});

test('what its reader has had restricted is not sent, and the operator is told why', async () => {
  await optIn();
  const restriction = { all: true, purposes: [], attributes: [] };
  await openWork(keyhold.db, { kind: 'system' }, work => restrictAccount(work, accountId, restriction));
  expect(await send('--topic', 'news', '--account', accountId)).toBe(1);
  expect(said.failed).toContain('restricted');
  expect(await messagesOf()).toEqual([]);
});

test('an opt-in to one topic is none to another', async () => {
  await optIn('offers');
  expect(await send('--topic', 'news', '--email', email)).toBe(1);
  expect(await send('--topic', 'offers', '--email', email)).toBe(0);
});

test('who opted in gets the message, with why and how to stop at its end, and it is on record on that opt-in', async () => {
  const { mail, url } = await news();
  expect(mail.text).toContain('We have painted the door.');
  expect(mail.text).toMatch(/You get this from Keyhold because you said yes to “News” on /);
  expect(url).toMatch(new RegExp(`^${keyhold.origin}/unsubscribe/[\\w-]{60,}$`));
  expect(url).not.toContain(accountId);
  await until(async () => (await messagesOf())[0]?.state === 'sent');
  const [given] = await listOptIns(keyhold.db, accountId);
  expect(await messagesOf()).toMatchObject([
    {
      kind: 'topic',
      topic: 'news',
      agreed: { optIn: given?.id, name: 'News' },
      subject: 'News of March',
      to: email,
    },
  ]);
  expect(given).toMatchObject({
    version: 1,
    language: 'en',
    place: 'preferences',
    wording: 'Yes, tell me once a month what is new.',
  });
});

test('a message to everybody reaches those who want it and nobody else, once, however often its job runs', async () => {
  await keyhold.db('opt_ins').delete();
  const others = [];
  for (const name of ['bea', 'cleo', 'dora']) {
    const address = `${name}${count}@example.test`;
    await memberOf(keyhold, app, address);
    others.push(await accountOf(keyhold.db, address));
  }
  const [bea = '', cleo = '', dora = ''] = others;
  for (const whose of [bea, cleo]) await optIn('news', whose);
  await openWork(keyhold.db, { kind: 'operator' }, work => setAccountState(work, cleo, 'suspended'));
  expect(await send('--topic', 'news')).toBe(0);
  const { dispatch } = JSON.parse(said.printed);
  await until(async () => (await keyhold.db('dispatches').where({ id: dispatch }).first()).ended_at !== null);
  expect(await messagesOf(bea)).toHaveLength(1);
  expect([await messagesOf(cleo), await messagesOf(dora)]).toEqual([[], []]);
  said.printed = '';
  expect(await runMessages(['list'], command)).toBe(0);
  expect(JSON.parse(said.printed)[0]).toMatchObject({ id: dispatch, topic: 'news', queued: 1, refused: 1 });
});

test('looking at the link changes nothing, since scanners look; the button stops it', async () => {
  const { url } = await news();
  const anybody = personAt(keyhold);
  const looked = await recordedDuring(keyhold.db, async () => {
    await anybody.goto(url);
    await fetch(url, { method: 'HEAD' });
  });
  expect([looked, await liveOptIns()]).toEqual([[], 1]);
  expect(anybody.page.heading).toBe('Stop these messages?');
  expect(anybody.page.text).toContain('You still get messages about the safety of your account.');
  const events = await recordedDuring(keyhold.db, () => anybody.press('Stop these messages'));
  expect([anybody.page.status, anybody.page.heading]).toEqual([200, 'You do not get these messages']);
  expect(events).toMatchObject([
    {
      type: 'opt_in.withdrawn',
      account_id: accountId,
      detail: { topic: 'news', channel: 'email', place: 'unsubscribe-link' },
    },
    { type: 'objection.begun', account_id: accountId },
  ]);
  expect(await liveOptIns()).toBe(0);
  await until(
    async () => (await anybody.newestMail(email, /Messages from Keyhold were turned off/)) !== undefined,
  );
  expect(await send('--topic', 'news', '--account', accountId)).toBe(1);
});

test('a mail program stops it with one post, without cookies, a page of ours or a redirect; twice is once', async () => {
  const { url } = await news();
  const foreign = { origin: 'https://mail.example', 'sec-fetch-site': 'cross-site' };
  const events = await recordedDuring(keyhold.db, async () => {
    expect((await post(url, undefined, foreign)).status).toBe(200);
    expect((await post(url)).status).toBe(200);
  });
  expect(events.map(({ type }) => type)).toEqual(['opt_in.withdrawn', 'objection.begun']);
  expect(await liveOptIns()).toBe(0);
});

test('RFC 8058 §3.1: on the wire two headers name the link, and the body of the post', async () => {
  await optIn();
  const jobs: Job[] = [];
  const message = { accountId, topic: 'news', channel: 'email', subject: 'News', text: 'Hello' } as const;
  await openWork(keyhold.db, { kind: 'operator' }, work =>
    sendOnTopic({ ...work, enqueue: job => void jobs.push(job) }, command.sending, message),
  );
  const sealed = Buffer.from(String(jobs[0]?.payload['sealed']), 'base64');
  const letter = JSON.parse(command.sending.keyring.open('mail', sealed));
  const from = { smtpUrl: sink.url, mailFrom: 'no-reply@id.example', production: false };
  const transport = openTransport(from, keyhold.db);
  await transport.send({ id: 'x', ...letter });
  transport.close();
  /* RFC 5322 §2.2.3. */
  const raw = sink.received[0]?.raw.replace(/\r?\n[ \t]+/g, ' ') ?? '';
  expect(raw).toMatch(new RegExp(`^List-Unsubscribe: <${keyhold.origin}/unsubscribe/[\\w-]+>\\r?$`, 'm'));
  expect(raw).toMatch(/^List-Unsubscribe-Post: List-Unsubscribe=One-Click\r?$/m);
  const url = /^List-Unsubscribe: <([^>]+)>/m.exec(raw)?.[1] ?? '';
  expect((await post(url)).status).toBe(200);
  expect(await liveOptIns()).toBe(0);
});

test('"That was a mistake" brings back what the link ended, as it was given', async () => {
  const { url } = await news();
  const [given] = await listOptIns(keyhold.db, accountId);
  const ada = personAt(keyhold);
  await ada.goto(url);
  await ada.press('Stop these messages');
  const events = await recordedDuring(keyhold.db, () => ada.press('That was a mistake'));
  expect([ada.page.heading, events.map(({ type }) => type)]).toEqual([
    'Stop these messages?',
    ['opt_in.restored', 'objection.begun'],
  ]);
  expect(ada.page.text).toContain('you get these messages again');
  expect(await listOptIns(keyhold.db, accountId)).toEqual([given]);
  await until(
    async () => (await ada.newestMail(email, /Messages from Keyhold were turned on/)) !== undefined,
  );
});

test('it brings back once, so that nobody who has the link can fill a mailbox with it', async () => {
  const { url } = await news();
  const ada = personAt(keyhold);
  await ada.goto(url);
  await ada.press('Stop these messages');
  const csrf = csrfOf(ada);
  await ada.press('That was a mistake');
  await ada.press('Stop these messages');
  expect([ada.page.heading, ada.page.buttons]).toEqual(['You do not get these messages', []]);
  const again = await recordedDuring(keyhold.db, () => ada.post(`${url}/undo`, { csrf }));
  expect([again, await liveOptIns()]).toEqual([[], 0]);
});

test('it brings back nothing that was ended elsewhere, and nothing after a month', async () => {
  const { url } = await news();
  const ada = personAt(keyhold);
  await ada.goto(url);
  await ada.press('Stop these messages');
  const csrf = csrfOf(ada);
  const undo = () => ada.post(`${url}/undo`, { csrf });
  await keyhold.db('opt_ins').where({ account_id: accountId }).update({ withdrawn_at_place: 'preferences' });
  expect(await recordedDuring(keyhold.db, undo)).toEqual([]);
  await keyhold
    .db('opt_ins')
    .where({ account_id: accountId })
    .update({
      withdrawn_at_place: 'unsubscribe-link',
      withdrawn_at: keyhold.db.raw(`now() - interval '31 days'`),
    });
  expect(await recordedDuring(keyhold.db, undo)).toEqual([]);
  expect([ada.page.heading, ada.page.buttons, await liveOptIns()]).toEqual([
    'You do not get these messages',
    [],
    0,
  ]);
});

test('C18: taking back takes a form of ours, though stopping takes none', async () => {
  const { url } = await news();
  expect((await post(url)).status).toBe(200);
  const answer = await post(`${url}/undo`, 'csrf=made-up');
  expect([answer.status, await liveOptIns()]).toEqual([403, 0]);
});

test('the link of one topic ends no other, and one that was altered ends none', async () => {
  const { url } = await news();
  await optIn('offers');
  const altered = `${url.slice(0, -8)}${url.endsWith('AAAAAAAA') ? 'BBBBBBBB' : 'AAAAAAAA'}`;
  for (const wrong of [
    altered,
    `${url}A`,
    url.slice(0, -2),
    `${keyhold.origin}/unsubscribe/${'a'.repeat(120)}`,
  ]) {
    expect((await post(wrong)).status).toBe(404);
  }
  expect(await liveOptIns()).toBe(2);
  await post(url);
  expect((await listOptIns(keyhold.db, accountId)).map(({ topic }) => topic)).toEqual(['offers']);
});

test('by text message it goes to the proven number, with a link that ends that channel alone', async () => {
  await optIn();
  await optIn('news', accountId, 'sms');
  expect(await send('--topic', 'news', '--channel', 'sms', '--account', accountId)).toBe(1);
  expect(said.failed).toContain('has no proven phone number');
  const number = `+4930901820${String(count).padStart(2, '0')}`;
  const now = new Date();
  const phone = { account_id: accountId, number, verified_at: now, is_primary: true, added_at: now };
  await keyhold.db('phone_numbers').insert(phone);
  expect(await send('--topic', 'news', '--channel', 'sms', '--account', accountId)).toBe(0);
  const { text } = await keyhold.mailbox.latest(number);
  expect(text).toMatch(
    /^Keyhold: We have painted the door\.\nhttps:\/\/news\.example\/march\nNo more of these: http/,
  );
  expect(text.length).toBeLessThanOrEqual(306);
  expect(await messagesOf()).toMatchObject([{ channel: 'sms', template: 'topic-sms', to: number }]);
  await post(/http:\/\/\S+\/unsubscribe\/\S+/.exec(text)?.[0] ?? '');
  expect((await listOptIns(keyhold.db, accountId)).map(({ channel }) => channel)).toEqual(['email']);
});

test('posted twenty times at once it is stopped once', async () => {
  const { url } = await news();
  const events = await recordedDuring(keyhold.db, () =>
    Promise.all(Array.from({ length: 20 }, () => post(url))),
  );
  expect(events.map(({ type }) => type)).toEqual(['opt_in.withdrawn', 'objection.begun']);
});

test('the link works after the words of the topic have changed, and after the topic is gone', async () => {
  const { url } = await news();
  const [first] = NEWS.topics;
  await topics('apply', {
    topics: [{ ...first, version: 2, words: { en: { name: 'Letters', description: 'x', opt_in: 'y' } } }],
  });
  const ada = personAt(keyhold);
  await ada.goto(url);
  expect(ada.page.text).toContain('Letters');
  await topics('apply', { topics: [] });
  await ada.goto(url);
  expect(ada.page.status).toBe(200);
  await topics('apply', NEWS).catch(() => undefined);
});
