import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { listLiveSessions } from '../../src/oidc/live-sessions.js';
import { endOtherSessionsOf, endTheseSessionsOf } from '../../src/oidc/session.js';
import { openWork } from '../../src/platform/storage/work.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { eventsOf, memberAgain, newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty, type Tokens } from '../support/relying-party.js';

const ADA = 'ada@example.test';
const BOB = 'bob@example.test';

let keyhold: TestKeyhold;
let app: RelyingParty;
let ada: string;
let bob: string;

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold);
  await newMember(keyhold, app, ADA);
  await newMember(keyhold, app, BOB);
  [ada, bob] = [await accountOf(keyhold.db, ADA), await accountOf(keyhold.db, BOB)];
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

beforeEach(async () => {
  await keyhold.db('sessions').delete();
  await keyhold.db('grants').delete();
});

const as = (accountId: string) => ({ kind: 'person', id: accountId }) as const;
const uidsOf = async (accountId: string) =>
  (await listLiveSessions(keyhold.db, accountId)).map(({ uid }) => uid);

/** Signs somebody in at another browser. */
async function signedIn(email: string): Promise<{ readonly tokens: Tokens; readonly uid: string }> {
  const account = email === ADA ? ada : bob;
  const before = await uidsOf(account);
  await memberAgain(keyhold, app, email);
  const tokens = await app.exchange();
  const uid = (await uidsOf(account)).find(one => !before.includes(one)) ?? '';
  return { tokens, uid };
}

async function isOver({ tokens }: { readonly tokens: Tokens }): Promise<boolean> {
  const { active } = await app.introspect(tokens.access_token);
  const renewed = await app.refresh(tokens.refresh_token ?? '').then(
    () => true,
    (error: { error?: string }) => error.error !== 'invalid_grant',
  );
  const told = await app.userInfo(tokens).then(
    () => true,
    () => false,
  );
  expect([renewed, told]).toEqual([active, active]);
  return !active;
}

test('the live sessions of an account say since when, how and where to, the latest sign-in first', async () => {
  const first = await signedIn(ADA);
  const second = await signedIn(ADA);
  await signedIn(BOB);
  await keyhold
    .db('sessions')
    .where({ uid: first.uid })
    .update({ login_ts: keyhold.db.raw('login_ts - 100') });
  const sessions = await listLiveSessions(keyhold.db, ada);
  expect(sessions.map(({ uid }) => uid)).toEqual([second.uid, first.uid]);
  expect(sessions[0]).toMatchObject({ accountId: ada, acr: 'aal1', amr: ['pwd'], clientIds: [app.clientId] });
  expect(sessions[0]?.browser).not.toBe(sessions[1]?.browser);

  const after = sessions[0];
  const rest = await listLiveSessions(keyhold.db, ada, { limit: 5, after });
  expect(rest.map(({ uid }) => uid)).toEqual([first.uid]);
});

test('an app that fetches new tokens shows that a session is in use', async () => {
  const { uid, tokens } = await signedIn(ADA);
  await keyhold.db('sessions').where({ uid }).update({ login_ts: 1_000, issued_at: 900 });
  await keyhold.db('grants').update({ issued_at: 1_000 });
  await keyhold.db('refresh_tokens').update({ issued_at: 2_000 });
  const seen = async () => (await listLiveSessions(keyhold.db, ada))[0]?.lastSeenAt.getTime();
  expect(await seen()).toBe(2_000_000);
  await app.refresh(tokens.refresh_token ?? '');
  expect((await seen()) ?? 0).toBeGreaterThan(Date.now() - 60_000);
});

test('an expired or ended session is not listed', async () => {
  const { uid } = await signedIn(ADA);
  await keyhold.db('sessions').where({ uid }).update({ expires_at: 1 });
  const other = await signedIn(ADA);
  await openWork(keyhold.db, as(ada), work => endTheseSessionsOf(work, ada, [other.uid], 'ended-elsewhere'));
  expect(await uidsOf(ada)).toEqual([]);
});

test('C22: named sessions end with all their tokens, once, and their apps are told', async () => {
  const [here, there] = [await signedIn(ADA), await signedIn(ADA)];
  const end = () =>
    openWork(keyhold.db, as(ada), work => endTheseSessionsOf(work, ada, [there.uid], 'ended-elsewhere'));
  expect(await end()).toBe(1);
  expect(await app.nextLogoutToken()).toBeTruthy();
  expect(await isOver(there)).toBe(true);
  expect(await isOver(here)).toBe(false);
  expect(await end()).toBe(0);
  expect(await eventsOf(keyhold.db, 'session.ended')).toContainEqual(
    expect.objectContaining({
      account_id: ada,
      detail: { session: there.uid, reason: 'ended-elsewhere' },
    }),
  );
});

test("somebody else's session is not ended by naming it", async () => {
  const theirs = await signedIn(BOB);
  const ended = await openWork(keyhold.db, as(ada), work =>
    endTheseSessionsOf(work, ada, [theirs.uid, 'no-such'], 'ended-elsewhere'),
  );
  expect(ended).toBe(0);
  expect(await isOver(theirs)).toBe(false);
});

test('C22: all others end, with what an app holds of a session that is long over', async () => {
  const [here, there, past] = [await signedIn(ADA), await signedIn(ADA), await signedIn(ADA)];
  const theirs = await signedIn(BOB);
  await keyhold.db('refresh_tokens').where({ session_uid: past.uid }).update({ expires_with_session: false });
  await keyhold.db('sessions').where({ uid: past.uid }).delete();
  const ended = await openWork(keyhold.db, as(ada), work =>
    endOtherSessionsOf(work, ada, { but: here.uid, reason: 'ended-elsewhere' }),
  );
  expect(ended).toBe(1);
  expect(await isOver(there)).toBe(true);
  await expect(app.refresh(past.tokens.refresh_token ?? '')).rejects.toMatchObject({
    error: 'invalid_grant',
  });
  expect(await isOver(here)).toBe(false);
  expect(await isOver(theirs)).toBe(false);
});

test('of two sessions that end all others at once, one stays', async () => {
  const all = [await signedIn(ADA), await signedIn(ADA), await signedIn(ADA)];
  const outcomes = await Promise.all(
    all.map(({ uid: but }) =>
      openWork(keyhold.db, as(ada), work =>
        endOtherSessionsOf(work, ada, { but, reason: 'ended-elsewhere' }),
      ),
    ),
  );
  expect(outcomes.filter(ended => ended !== undefined)).toEqual([2]);
  const stayed = outcomes.findIndex(ended => ended !== undefined);
  expect(await uidsOf(ada)).toEqual([all[stayed]?.uid]);
});
