import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { destroySubjectKey } from '../../src/domain/accounts/accounts.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { readEvents } from '../../src/platform/storage/events.js';
import { openWork } from '../../src/platform/storage/work.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { memberOf, postStep, signUpWithPasskey, toPassword, toRecoveryCredential } from '../support/steps.js';

// What is personal about an event is readable only while the key of the account it is about is there.

let keyhold: TestKeyhold;
let app: RelyingParty;
let ada: string;
let bea: string;
const SECRET = 'a secret of sixty-four characters, for tests of sealed events 64';

beforeAll(async () => {
  keyhold = await startKeyhold({ SECRET });
  app = await openRelyingParty(keyhold, { first_party: true });
  await memberOf(keyhold, app, 'ada@example.test');
  await signUpWithPasskey(personAt(keyhold), app, keyhold.origin, 'bea@example.test');
  const person = personAt(keyhold);
  await toPassword(person, app, 'ada@example.test');
  await postStep(person, '/password', { password: 'a wrong one of somebody' });
  await person.goto(await app.authorizationUrl());
  await signIn(person, 'ada@example.test');
  await toRecoveryCredential(person, app, 'ada@example.test').catch(() => undefined);
  const other = personAt(keyhold);
  await toRecoveryCredential(other, app, 'ada@example.test');
  await postStep(other, '/recovery/password', { password: 'eleven walruses polish quiet trombones' });
  await other.goto(new URL('/', keyhold.origin));
  await other.press('Sign out');
  ada = await accountOf(keyhold.db, 'ada@example.test');
  bea = await accountOf(keyhold.db, 'bea@example.test');
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

const keyring = () => openKeyring(SECRET);
const read = (accountId: string) => readEvents(keyhold.db, keyring(), { accountId, limit: 200 });

test('from the first event on, the account says where it came from, and only sealed', async () => {
  for (const accountId of [ada, bea]) {
    const events = await read(accountId);
    expect(events.at(-1)?.type).toBe('account.opened');
    for (const { type, actorKind, origin } of events) {
      expect([type, actorKind]).toEqual([type, 'person']);
      expect(origin?.address).toMatch(/^(127\.0\.0\.1|::1)$/);
      // The scripts of the test's passkeys say nothing about a browser.
      expect(['Firefox · Linux', '']).toContain(origin?.browser);
    }
  }
  expect((await read(ada)).at(-1)?.origin?.browser).toBe('Firefox · Linux');
  const types = new Set((await read(ada)).map(({ type }) => type));
  for (const type of ['sign_in.failed', 'session.authenticated', 'account.recovered', 'session.ended']) {
    expect([type, types.has(type)]).toEqual([type, true]);
  }
  const { rows } = await keyhold.db.raw('SELECT e::text AS row FROM events e');
  expect(JSON.stringify(rows)).not.toMatch(/127\.0\.0\.1|::1|Firefox|Linux/);
});

test('signing in by password reads no key of its own: it comes along with the account', async () => {
  const person = personAt(keyhold);
  await toPassword(person, app, 'bea@example.test');
  const asked = await keyhold.trips.during(async () => {
    await postStep(person, '/password', { password: 'a wrong one of somebody' });
    await postStep(person, '/code/send');
  });
  expect(asked.filter(text => /from "?subject_keys"? +where/i.test(text))).toEqual([]);
  expect(asked.some(text => text.includes('"accounts"'))).toBe(true);
  expect((await read(bea))[0]?.origin).toBeDefined();
});

test("one account's key opens nothing of another's, and a sealed part belongs to its own event", async () => {
  await openWork(keyhold.db, { kind: 'operator' }, async ({ tx }) => {
    const keyOf = (id: string) => tx('subject_keys').where({ account_id: id }).first('sealed');
    const [mine, other] = [await keyOf(ada), await keyOf(bea)];
    await tx('subject_keys').where({ account_id: ada }).update({ sealed: other?.sealed });
    const opened = await readEvents(tx, keyring(), { accountId: ada });
    expect(opened.filter(({ origin }) => origin)).toEqual([]);
    await tx('subject_keys').where({ account_id: ada }).update({ sealed: mine?.sealed });
    expect((await readEvents(tx, keyring(), { accountId: ada })).every(({ origin }) => origin)).toBe(true);
    await tx.raw(
      `INSERT INTO events (id, at, type, actor_kind, account_id, detail, sealed)
       SELECT gen_random_uuid(), at, 'moved', actor_kind, account_id, detail, sealed FROM events
       WHERE account_id = ? LIMIT 1`,
      [ada],
    );
    const moved = (await readEvents(tx, keyring(), { accountId: ada, limit: 200 })).find(
      ({ type }) => type === 'moved',
    );
    expect([moved?.type, moved?.origin]).toEqual(['moved', undefined]);
    throw new Error('nothing of this shall stay');
  }).catch(error => expect(String(error)).toContain('nothing of this shall stay'));
});

test('another installation opens nothing', async () => {
  const events = await readEvents(keyhold.db, openKeyring('some other secret of another house'), {
    accountId: ada,
  });
  expect(events.length).toBeGreaterThan(0);
  expect(events.filter(({ origin }) => origin)).toEqual([]);
});

test('the role of the server can neither change nor remove an event', async () => {
  const { db } = keyhold;
  const denied = 'permission denied for table events';
  await expect(db('events').update({ sealed: null })).rejects.toThrow(denied);
  await expect(db('events').delete()).rejects.toThrow(denied);
  await expect(db.raw('TRUNCATE events')).rejects.toThrow(denied);
});

test('a destroyed key leaves every event where it was, and what was personal unreadable', async () => {
  const before = await read(ada);
  await openWork(keyhold.db, { kind: 'operator' }, work => destroySubjectKey(work, ada));
  const after = await read(ada);
  expect(after[0]?.type).toBe('subject_key.destroyed');
  expect(after.slice(1)).toEqual(before.map(event => ({ ...event, origin: undefined })));
  expect((await read(bea)).every(({ origin }) => origin)).toBe(true);
  const person = personAt(keyhold);
  await toPassword(person, app, 'ada@example.test');
  await postStep(person, '/password', { password: 'a wrong one of somebody' });
  const newest = (await read(ada))[0];
  expect([newest?.type, newest?.origin]).toEqual(['sign_in.failed', undefined]);
});
