import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { until } from '../support/jobs.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import type { Person } from '../support/person.js';
import { bringCode, eventsOf, type GrantedCode, newMember } from '../support/protocol.js';
import { openRawClient, type RawAnswer, type RawClient } from '../support/raw-client.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

let keyhold: TestKeyhold;
let second: TestKeyhold;
let app: RelyingParty;
let ada: Person;
/** The app, speaking to either process of Keyhold. */
let processes: readonly [RawClient, RawClient];

beforeAll(async () => {
  keyhold = await startKeyhold();
  second = await startKeyhold({}, { beside: keyhold });
  app = await openRelyingParty(keyhold, { first_party: true });
  processes = [
    await openRawClient(keyhold, app.client, keyhold.dispatcher),
    await openRawClient(keyhold, app.client, second.dispatcher),
  ];
  ada = await newMember(keyhold, app, 'ada@example.test');
});

afterAll(async () => {
  await app?.close();
  await second?.close();
  await keyhold?.close();
});

beforeEach(async () => {
  await keyhold.db('grants').delete();
});

/** Whether this many requests wait for a lock. */
async function waiting(count: number): Promise<boolean> {
  const { rows } = await keyhold.db.raw(
    `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
  );
  return rows[0].n >= count;
}

/** The same act twenty times at once, by turns at both processes; ten have looked before the first may write. */
async function twentyTimes(act: (client: RawClient) => Promise<RawAnswer>): Promise<readonly RawAnswer[]> {
  const holder = await keyhold.db.transaction();
  await holder('grants').select('id').forUpdate();
  const answers = Array.from({ length: 20 }, (_, at) => act(processes[at % 2 === 0 ? 0 : 1]));
  await until(() => waiting(10));
  await holder.rollback();
  return Promise.all(answers);
}

const redeem = (client: RawClient, { code, verifier, redirectUri }: GrantedCode) =>
  client.code(code, verifier, redirectUri);

const countOf = async (table: string): Promise<number> => {
  const [row] = await keyhold.db(table).count<{ count: string }[]>({ count: '*' });
  return Number(row?.count);
};

function expectOneWinner(answers: readonly RawAnswer[]): RawAnswer {
  const winners = answers.filter(({ status }) => status === 200);
  const losers = answers.filter(({ status }) => status !== 200);
  expect(winners).toHaveLength(1);
  expect(losers.map(({ status, body }) => `${status} ${String(body.error)}`)).toEqual(
    losers.map(() => '400 invalid_grant'),
  );
  return winners[0] as RawAnswer;
}

async function expectDeadFamily({ body }: RawAnswer): Promise<void> {
  const [client, beside] = processes;
  const { access_token: access, refresh_token: refresh } = body as Record<string, string>;
  expect((await client.userInfo(access ?? '')).status).toBe(401);
  expect((await beside.introspect(access ?? '')).body).toEqual({ active: false });
  expect((await client.introspect(refresh ?? '')).body).toEqual({ active: false });
  expect((await beside.refresh(refresh ?? '')).body.error).toBe('invalid_grant');
  for (const table of ['grants', 'access_tokens', 'refresh_tokens', 'authorization_codes']) {
    expect([table, await countOf(table)]).toEqual([table, 0]);
  }
}

/** The reuse that was noted since `before`: at least one, each naming whose family it was. */
async function expectReuseNoted(before: number, kind: string): Promise<void> {
  const noted = (await eventsOf(keyhold.db, 'grant.reuse_detected')).slice(before);
  expect(noted.length).toBeGreaterThanOrEqual(1);
  for (const event of noted) {
    expect(event).toMatchObject({ client_id: app.clientId, detail: { kind } });
    expect(event.account_id).toMatch(/^[0-9a-f-]{36}$/);
  }
}

const reuses = async () => (await eventsOf(keyhold.db, 'grant.reuse_detected')).length;

test('C34: of twenty redemptions of a code at two processes one wins, and its family is dead afterwards', async () => {
  const before = await reuses();
  const granted = await bringCode(ada, app);
  const winner = expectOneWinner(await twentyTimes(client => redeem(client, granted)));
  await expectDeadFamily(winner);
  await expectReuseNoted(before, 'AuthorizationCode');
});

test('C35: of twenty refreshes with a token at two processes one wins, and its family is dead afterwards', async () => {
  const before = await reuses();
  const { body } = await redeem(processes[0], await bringCode(ada, app));
  const token = String(body.refresh_token);
  const winner = expectOneWinner(await twentyTimes(client => client.refresh(token)));
  await expectDeadFamily(winner);
  await expectReuseNoted(before, 'RefreshToken');
});

test('C34: a code that comes a second time kills what its first use brought', async () => {
  const before = await reuses();
  const granted = await bringCode(ada, app);
  const first = await redeem(processes[0], granted);
  expect(first.status).toBe(200);
  expect(await redeem(processes[1], granted)).toMatchObject({
    status: 400,
    body: { error: 'invalid_grant' },
  });
  await expectDeadFamily(first);
  await expectReuseNoted(before, 'AuthorizationCode');
});

test('C35: a rotated refresh token that comes again kills its descendants', async () => {
  const before = await reuses();
  const { body } = await redeem(processes[0], await bringCode(ada, app));
  const first = await processes[0].refresh(String(body.refresh_token));
  const grandchild = await processes[1].refresh(String(first.body.refresh_token));
  expect([first.status, grandchild.status]).toEqual([200, 200]);
  expect((await processes[1].refresh(String(body.refresh_token))).body.error).toBe('invalid_grant');
  await expectDeadFamily(grandchild);
  await expectReuseNoted(before, 'RefreshToken');
});

test('an expired code that comes a second time still kills its family', async () => {
  const before = await reuses();
  const granted = await bringCode(ada, app);
  const first = await redeem(processes[0], granted);
  await keyhold.db('authorization_codes').update({ expires_at: 1 });
  expect((await redeem(processes[0], granted)).body.error).toBe('invalid_grant');
  await expectDeadFamily(first);
  await expectReuseNoted(before, 'AuthorizationCode');
});

test('C38: a used code or refresh token in the hands of another app kills nothing', async () => {
  const stranger = await openRelyingParty(keyhold);
  try {
    const before = await reuses();
    const foreign = await openRawClient(keyhold, stranger.client);
    const granted = await bringCode(ada, app);
    const { body } = await redeem(processes[0], granted);
    const first = await processes[0].refresh(String(body.refresh_token));
    expect((await redeem(foreign, granted)).body.error).toBe('invalid_grant');
    expect((await foreign.refresh(String(body.refresh_token))).body.error).toBe('invalid_grant');
    expect((await processes[1].introspect(String(first.body.access_token))).body.active).toBe(true);
    expect(await reuses()).toBe(before);
  } finally {
    await stranger.close();
  }
});

test('C36: after a refresh and a revocation at the same time nothing of the family lives', async () => {
  for (let round = 0; round < 50; round++) {
    const { body } = await redeem(processes[0], await bringCode(ada, app));
    const token = String(body.refresh_token);
    const [refreshed, revoked] = await Promise.all([processes[0].refresh(token), processes[1].revoke(token)]);
    expect(revoked.status).toBe(200);
    if (refreshed.status !== 200) expect(refreshed.body.error).toBe('invalid_grant');
    expect([
      await countOf('grants'),
      await countOf('access_tokens'),
      await countOf('refresh_tokens'),
    ]).toEqual([0, 0, 0]);
  }
}, 120_000);

test('a refresh and a revocation that meet at the grant both end, without a deadlock', async () => {
  const { body } = await redeem(processes[0], await bringCode(ada, app));
  const token = String(body.refresh_token);
  const holder = await keyhold.db.transaction();
  await holder('grants').select('id').forUpdate();
  const revoked = processes[1].revoke(token);
  await until(() => waiting(1));
  const refreshed = processes[0].refresh(token);
  await until(() => waiting(2));
  await holder.rollback();
  expect((await revoked).status).toBe(200);
  expect(await refreshed).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
  expect([await countOf('grants'), await countOf('refresh_tokens')]).toEqual([0, 0]);
});
