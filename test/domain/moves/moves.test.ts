import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { newAccountId, openAccount } from '../../../src/domain/accounts/accounts.js';
import {
  bindMove,
  cancelMove,
  claimMove,
  confirmMove,
  findLatestMove,
  findMoveByLink,
  finishMove,
  MOVE_EDGES,
  MOVE_STATES,
  type MoveRef,
  type MoveState,
  type MoveStep,
  mayStep,
  OPEN_STATES,
  refuseMove,
  startMove,
  stateAt,
  sweepMoves,
  testMove,
} from '../../../src/domain/moves/moves.js';
import { openKeyring } from '../../../src/platform/crypto/keyring.js';
import { openWork, type Work } from '../../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';

const keyring = openKeyring('a secret that is only good for tests');
const MINUTE = 60_000;

let database: TestDatabase;
let accountId: string;

beforeAll(async () => {
  database = await openTestDatabase();
});

beforeEach(async () => {
  accountId = newAccountId();
  await openWork(database.db, { kind: 'system' }, work =>
    openAccount(work, keyring, { id: accountId, email: `${accountId}@example.test`, language: 'en' }),
  );
});

afterAll(() => database?.close());

const working = <T>(act: (work: Work) => Promise<T>) => openWork(database.db, { kind: 'system' }, act);
const start = () =>
  working(work =>
    startMove(work, {
      accountId,
      sessionUid: 'old',
      remembered: undefined,
      startedFrom: randomBytes(8),
    }),
  );
const NOTHING = { passkeys: 0, apps: 0, sessions: 0, browsers: 0 };
const claim = { browser: randomBytes(32), from: randomBytes(8) };

const ACTS: Readonly<Partial<Record<MoveStep, (work: Work, move: MoveRef) => Promise<unknown>>>> = {
  claim: (work, move) => claimMove(work, move, claim),
  confirm: confirmMove,
  refuse: (work, move) => refuseMove(work, move, 'not_mine'),
  bind: (work, move) => bindMove(work, move, { kind: 'passkey', id: move.id }),
  test: testMove,
  finish: (work, move) => finishMove(work, move, NOTHING),
  cancel: (work, move) => cancelMove(work, move, 'old_phone'),
};

/** Puts a move where it could have come to. */
async function put(id: string, state: MoveState, until = new Date(Date.now() + MINUTE)): Promise<void> {
  const ended_at = OPEN_STATES.includes(state) ? null : new Date();
  await database.db('moves').where({ id }).update({ state, until, ended_at });
}

const pairs = MOVE_STATES.flatMap(state =>
  (Object.keys(ACTS) as MoveStep[]).map((step): [MoveState, MoveStep] => [state, step]),
);

test.each(pairs)(
  'from "%s", "%s" is taken if it is an edge, and else leaves everything as it was',
  async (state, step) => {
    const { id } = await start();
    await put(id, state);
    const facts = await database.db('events').where({ account_id: accountId }).count();
    const taken = await working(work => ACTS[step]?.(work, { accountId, id }) ?? Promise.resolve(false));
    expect(Boolean(taken)).toBe(mayStep(step, state));
    const now = await findLatestMove(database.db, accountId);
    expect(now?.state).toBe(taken ? MOVE_EDGES[step].to : state);
    if (!taken) expect(await database.db('events').where({ account_id: accountId }).count()).toEqual(facts);
  },
);

test('an edge leads to a state that there is, and each state but the first is led to', () => {
  const led = Object.values(MOVE_EDGES).map(({ to }) => to);
  expect([...new Set(['waiting', ...led])].sort()).toEqual([...MOVE_STATES].sort());
  expect(OPEN_STATES).toEqual(['waiting', 'claimed', 'confirmed', 'bound', 'tested']);
});

test.each(OPEN_STATES)(
  'a move that is overdue in "%s" takes no step any more, and the clock ends it',
  async state => {
    const { id, secret } = await start();
    await put(id, state, new Date(Date.now() - 1));
    for (const act of Object.values(ACTS))
      expect(await working(work => act(work, { accountId, id }))).toBeFalsy();
    const overdue = await findMoveByLink(database.db, secret);
    const ended = state === 'tested' ? 'finished' : 'expired';
    expect(overdue && stateAt(overdue, new Date())).toBe(ended);
    await sweepMoves(database.db).run({}, { signal: new AbortController().signal } as never);
    expect((await findLatestMove(database.db, accountId))?.state).toBe(ended);
    const events = await database.db('events').where({ account_id: accountId, type: 'move.expired' });
    expect(events.map(({ detail }) => detail)).toEqual(state === 'tested' ? [] : [{ move: id, was: state }]);
  },
);

test('of eight browsers that claim at once exactly one has it', async () => {
  const { id } = await start();
  const claims = Array.from({ length: 8 }, () => {
    const browser = randomBytes(32);
    return working(work => claimMove(work, { accountId, id }, { browser, from: randomBytes(8) }));
  });
  const [won, ...others] = (await Promise.all(claims)).filter(Boolean);
  expect(others).toEqual([]);
  expect((await findLatestMove(database.db, accountId))?.browser).toEqual(won?.browser);
  expect(won?.numbers).toContain(won?.number);
  expect(new Set(won?.numbers).size).toBe(3);
  expect(await database.db('events').where({ account_id: accountId, type: 'move.claimed' })).toHaveLength(1);
});

test('moves begun at once leave one that is open', async () => {
  const begun = await Promise.all([start(), start(), start(), start()]);
  const open = await database.db('moves').where({ account_id: accountId }).whereNull('ended_at');
  expect(open).toHaveLength(1);
  expect(begun.map(({ id }) => id)).toContain(open[0].id);
  expect(await database.db('events').where({ account_id: accountId, type: 'move.cancelled' })).toHaveLength(
    3,
  );
});

test('a link is a digest in the database, good for ten minutes; being claimed gives no more time', async () => {
  const { id, secret, until } = await start();
  expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
  expect(until.getTime() - Date.now()).toBeLessThanOrEqual(10 * MINUTE);
  await working(work => claimMove(work, { accountId, id }, claim));
  expect((await findLatestMove(database.db, accountId))?.until).toEqual(until);
});

test('moves that ended a month ago are removed with their links, and nothing else', async () => {
  const old = await start();
  const recent = await start();
  await put(recent.id, 'expired');
  await database
    .db('moves')
    .where({ id: old.id })
    .update({ ended_at: new Date(Date.now() - 31 * 86_400_000) });
  await sweepMoves(database.db).run({}, { signal: new AbortController().signal } as never);
  expect(await findMoveByLink(database.db, old.secret)).toBeUndefined();
  expect((await findMoveByLink(database.db, recent.secret))?.id).toBe(recent.id);
});
