import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openDatabase } from '../../src/platform/storage/db.js';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import type { Person } from '../support/person.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { memberOf, postScript, sendStep, signUpWithPasskey, toPassword } from '../support/steps.js';

// Nobody learns from an answer who has an account (class C09). Addresses are of one length, so that sizes can be compared.

let keyhold: TestKeyhold;
let app: RelyingParty;
const KNOWN = 'known@example.test';
const UNKNOWN = 'nobod@example.test';
const SUSPENDED = 'suspd@example.test';
const PASSWORDLESS = 'pasky@example.test';
const OTHERS = [UNKNOWN, SUSPENDED, PASSWORDLESS];

beforeAll(async () => {
  keyhold = await startKeyhold({ RATE_LIMITS: 'on' });
  app = await openRelyingParty(keyhold);
  await memberOf(keyhold, app, KNOWN);
  await memberOf(keyhold, app, SUSPENDED);
  await signUpWithPasskey(personAt(keyhold), app, keyhold.origin, PASSWORDLESS);
  const id = await accountOf(keyhold.db, SUSPENDED);
  await keyhold.db('accounts').where({ id }).update({ state: 'suspended' });
  await keyhold.db('attempts').delete();
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

interface Seen {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** What the database was asked: as good as the time it takes, and the same on every machine. */
  readonly statements: readonly string[];
}

type Send = (person: Person) => ReturnType<typeof sendStep>;

const VARYING = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|nonce-?="?[\w-]+|[\w-]{20,}/g;

async function seen(email: string, send: Send, begin: Begin): Promise<Seen> {
  const person = personAt(keyhold);
  await begin(person, app, email);
  let answer: Awaited<ReturnType<Send>> | undefined;
  const statements = await keyhold.trips.during(async () => {
    answer = await send(person);
  });
  if (!answer) throw new Error('no answer');
  const tidy = (text: string) => text.replaceAll(email, 'E').replace(VARYING, 'X');
  const headers = [...answer.headers]
    .filter(([name]) => name !== 'date')
    .map(([name, value]) => [name, tidy(value)]);
  return {
    status: answer.status,
    headers: Object.fromEntries(headers),
    text: tidy(answer.text),
    statements: asked(statements),
  };
}

/* The mail goes out meanwhile, by a job of its own. */
const asked = (statements: readonly string[]) =>
  statements.filter(statement => !/^(BEGIN|COMMIT)|mailbox/.test(statement));

const signUpBegun = async (person: Person) => person.goto(await app.authorizationUrl({ prompt: 'create' }));

type Begin = (person: Person, app: RelyingParty, email: string) => Promise<unknown>;

const SENDS: readonly (readonly [name: string, send: (email: string) => Send, begin: Begin])[] = [
  ['an address', email => person => sendStep(person, '/identifier', { email }), toPassword],
  [
    'a wrong password',
    () => person => sendStep(person, '/password', { password: 'a wrong one of somebody' }),
    toPassword,
  ],
  ['an empty password', () => person => sendStep(person, '/password', { password: '' }), toPassword],
  [
    'a password that is too long',
    () => person => sendStep(person, '/password', { password: 'x'.repeat(2_000) }),
    toPassword,
  ],
  ['a wish for a code', () => person => sendStep(person, '/code/send', {}), toPassword],
  ['a wish to recover', () => person => sendStep(person, '/recovery', {}), toPassword],
  ['a wish to sign up', email => person => sendStep(person, '/sign-up', { email }), signUpBegun],
];

test.each(SENDS)('C09: %s is answered alike, whoever has the address', async (_name, send, begin) => {
  const known = await seen(KNOWN, send(KNOWN), begin);
  for (const other of OTHERS)
    expect({ other, ...(await seen(other, send(other), begin)) }).toEqual({ other, ...known });
});

const AFTER: readonly (readonly [name: string, begin: Begin])[] = [
  [
    'to sign in',
    async (person, rp, email) => {
      await toPassword(person, rp, email);
      await person.press('Email me a code');
    },
  ],
  [
    'to recover',
    async (person, rp, email) => {
      await toPassword(person, rp, email);
      await person.press('Forgot password?');
    },
  ],
  [
    'to sign up',
    async (person, _rp, email) => {
      await signUpBegun(person);
      person.fill('Email', email);
      await person.press('Continue');
    },
  ],
];

test.each(AFTER)(
  'C09: a wrong code %s is answered alike, and so is the page that asks for it',
  async (_name, begin) => {
    const wrong: Send = person => sendStep(person, '/code', { code: '12345678' });
    await keyhold.db('attempts').delete();
    const known = await seen(KNOWN, wrong, begin);
    for (const other of OTHERS)
      expect({ other, ...(await seen(other, wrong, begin)) }).toEqual({ other, ...known });
  },
);

test('C09: a challenge for a passkey says nothing about anybody', async () => {
  const keys: string[] = [];
  for (const email of [KNOWN, ...OTHERS]) {
    const person = personAt(keyhold);
    await toPassword(person, app, email);
    const { status, body } = await postScript(person, '/passkey/options', { email });
    expect([status, body['allowCredentials'] ?? []]).toEqual([200, []]);
    keys.push(Object.keys(body).sort().join());
  }
  expect(new Set(keys).size).toBe(1);
});

test('C09: asking for a code makes as much work for later, whoever has the address', async () => {
  await keyhold.db('attempts').delete();
  const owner = openDatabase(keyhold.config.migrationDatabaseUrl);
  const jobs = async () => {
    const { rows } = await owner.raw(`SELECT coalesce(last_value, 0)::int AS n FROM pg_sequences
      WHERE format('%I.%I', schemaname, sequencename) = pg_get_serial_sequence('graphile_worker._private_jobs', 'id')`);
    return Number(rows[0].n);
  };
  for (const path of ['/code/send', '/recovery', '/sign-up']) {
    for (const email of [KNOWN, UNKNOWN]) {
      const counts: number[] = [];
      /* Twice, since what the clock begins may come in between. */
      for (let at = 0; at < 2; at++) {
        const person = personAt(keyhold);
        if (path === '/sign-up') await signUpBegun(person);
        else await toPassword(person, app, email);
        const before = await jobs();
        await sendStep(person, path, { email });
        counts.push((await jobs()) - before);
      }
      expect([path, email, Math.min(...counts)]).toEqual([path, email, 1]);
    }
  }
  await owner.destroy();
});

test('C09: asking for an address that exists costs as many mails as for one that does not', async () => {
  const mails = async (email: string) => {
    const { rows } = await keyhold.db.raw(`SELECT count(*)::int AS n FROM mailbox WHERE to_address = ?`, [
      email,
    ]);
    return Number(rows[0].n);
  };
  await keyhold.db('attempts').delete();
  const counts: number[] = [];
  for (const email of [KNOWN, 'fresh@example.test']) {
    const earlier = await mails(email);
    const newest = earlier > 0 ? await keyhold.mailbox.latest(email) : undefined;
    const person = personAt(keyhold);
    await signUpBegun(person);
    person.fill('Email', email);
    await person.press('Continue');
    await keyhold.mailbox.latest(email, newest);
    counts.push((await mails(email)) - earlier);
  }
  expect(counts).toEqual([1, 1]);
});
