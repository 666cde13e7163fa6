import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { runDeletions } from '../../../src/deletion-commands.js';
import { watchDeletions } from '../../../src/deletions-watch.js';
import { archiveAccount, newAccountId, openAccount } from '../../../src/domain/accounts/accounts.js';
import { tellDue } from '../../../src/domain/commands/commands.js';
import { findDeletionByLink, sweepDeletions } from '../../../src/domain/deletions/deletions.js';
import { hear } from '../../../src/journeys/privacy/deletion/answers.js';
import { askFor, undo } from '../../../src/journeys/privacy/deletion/ask.js';
import { advance, deleteDormant, lookAfterDeletions } from '../../../src/journeys/privacy/deletion/job.js';
import type { Saga } from '../../../src/journeys/privacy/deletion/saga.js';
import { openTokenSigner } from '../../../src/oidc/token-signer.js';
import { openKeyring } from '../../../src/platform/crypto/keyring.js';
import { type Outbound, openOutbound } from '../../../src/platform/outbound.js';
import type { Db } from '../../../src/platform/storage/db.js';
import { openWork } from '../../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';
import { DAY, deletionOf, sagaOf } from '../../support/deletion.js';
import { register } from '../../support/keyhold.js';
import {
  answering,
  type Behaviour,
  NO_GOOD,
  openReceiver,
  type Receiver,
  stating,
} from '../../support/receiver.js';

// The steps of deletions without a server: killed between two, many at once, by an operator, and after a backup was played back.

const MINUTE = 60_000;
const config = {
  issuer: new URL('http://localhost:4000'),
  secret: 'a secret that is only good for tests',
  allowPrivateNetwork: true,
};
const keyring = openKeyring(config.secret);
const behaviours: Record<string, Behaviour> = {};
const attempt = { id: '1', attempt: 1, last: false, signal: new AbortController().signal };
let database: TestDatabase;
let outbound: Outbound;
let receiver: Receiver;
let folder: string;
let nr = 0;

beforeAll(async () => {
  database = await openTestDatabase();
  outbound = openOutbound({ allowPrivateNetwork: true });
  receiver = await openReceiver(behaviours);
  folder = await mkdtemp(join(tmpdir(), 'keyhold-erased-'));
});

afterAll(async () => {
  await outbound?.close();
  await receiver?.close();
  await database?.close();
  await rm(folder, { recursive: true, force: true });
});

const list = () => join(folder, 'erased.jsonl');
const saga = (passed: number, more: Partial<Saga> = {}) =>
  sagaOf({ db: database.db, config }, passed, { erasedList: list(), ...more });

async function openApp(behave: Behaviour): Promise<string> {
  const path = `/app-${nr++}`;
  behaviours[path] = behave;
  const told = { command_endpoint: receiver.url(path), commands_supported: ['delete', 'audit'] };
  const metadata = { client_name: `App ${path}`, redirect_uris: ['http://127.0.0.1:9/back'], ...told };
  return (await register(database.db, config, metadata)).client_id;
}

/** Somebody whom these apps know. */
async function somebody(
  apps: readonly string[],
): Promise<{ readonly accountId: string; readonly email: string }> {
  const accountId = newAccountId();
  const email = `person${nr++}@example.test`;
  await openWork(database.db, { kind: 'system' }, async work => {
    await openAccount(work, keyring, { id: accountId, email, language: 'en' });
    await work.tx('email_addresses').insert({
      account_id: accountId,
      address: email,
      verified_at: work.at,
      is_primary: true,
      added_at: work.at,
    });
    for (const client_id of apps)
      await work.tx('grants').insert({
        id: `${accountId} ${client_id}`,
        account_id: accountId,
        client_id,
        issued_at: 1,
        expires_at: 4e9,
      });
  });
  return { accountId, email };
}

async function ask(accountId: string): Promise<string> {
  const at = new Date();
  const asking = { accountId, cause: 'person', days: 7, at } as const;
  await openWork(database.db, { kind: 'person', id: accountId }, work =>
    askFor(work, saga(0).telling, asking),
  );
  return deletionOf(database.db, accountId);
}

const stateOf = async (id: string) => (await database.db('deletions').where({ id }).first('state')).state;
const recipientsOf = (id: string) =>
  database.db('deletion_recipients').where({ deletion_id: id }).orderBy('client_id');
const jobsOf = async () =>
  Number(
    (await database.db('graphile_worker.jobs').where({ task_identifier: 'send-mail' }).count())[0]?.count,
  );

/** Tells the apps until none is due any more, as if so many milliseconds had passed. */
async function tellApps(passed = 0, patience = 3_000): Promise<void> {
  const clock = () => new Date(Date.now() + passed);
  const sign = openTokenSigner(database.db, keyring);
  const parts = { db: database.db, keyring, outbound, issuer: config.issuer, sign, clock, patience };
  await tellDue(parts, attempt.signal);
}

/** A database whose process is killed at the `nth` transaction from now on: before its commit, or right after. */
function killedAt(nth: number, when: 'before' | 'after'): Db {
  let count = 0;
  return new Proxy(database.db, {
    get: (target, name, receiver_) => {
      if (name !== 'transaction') return Reflect.get(target, name, receiver_);
      return async (act: (tx: never) => Promise<unknown>) => {
        count += 1;
        if (count !== nth) return target.transaction(act as never);
        if (when === 'after') await target.transaction(act as never);
        else
          await target.transaction(async tx => {
            await act(tx as never);
            throw new Error('killed');
          });
        throw new Error('killed');
      };
    },
  });
}

test.each(['before', 'after'] as const)(
  'a process that is killed %s each commit leaves it to the next one: nothing twice, nothing lost',
  async when => {
    const apps = [await openApp(stating('unknown')), await openApp(stating('unknown'))];
    const { accountId } = await somebody(apps);
    const mails = await jobsOf();
    const id = await ask(accountId);
    let kills = 0;
    for (const passed of [8 * DAY, 8 * DAY + 2 * MINUTE, 8 * DAY + 3 * MINUTE]) {
      for (let nth = 1; nth < 100; nth++) {
        const killed = await advance(saga(passed, { db: killedAt(nth, when), batch: 2 }), id).then(
          () => false,
          error => String(error).includes('killed'),
        );
        if (!killed) break;
        kills += 1;
      }
      await tellApps();
    }
    expect(kills).toBeGreaterThan(15);
    await advance(saga(8 * DAY + 4 * 3_600_000), id);
    expect(await stateOf(id)).toBe('finished');
    expect((await recipientsOf(id)).map(({ state }) => state)).toEqual(['confirmed', 'confirmed']);
    expect(await database.db('accounts').where({ id: accountId })).toEqual([]);
    const told = await database.db('commands').where({ reason_id: id }).orderBy('command');
    expect(told.map(({ command }) => command)).toEqual(['audit', 'audit', 'delete', 'delete']);
    /* Begun and finished, each once; the one that says it was asked for had not left, and was taken away with all that names her. */
    expect((await jobsOf()) - mails).toBe(2);
    const events = await database
      .db('events')
      .where({ account_id: accountId })
      .orWhereRaw(`detail ->> 'deletion' = ?`, [id])
      .pluck('type');
    for (const type of [
      'deletion.begun',
      'deletion.told',
      'deletion.removed',
      'deletion.finished',
      'account.removed',
    ])
      expect({ type, times: events.filter(each => each === type).length }).toEqual({ type, times: 1 });
    const marks = (await readFile(list(), 'utf8')).split('\n').filter(line => line.includes(id));
    expect(new Set(marks.map(line => JSON.parse(line).account)).size).toBe(1);
  },
);

test('whoever undoes it while it begins has it or has not, and several processes at one deletion do each thing once', async () => {
  const app = await openApp(stating('unknown'));
  const outcomes = new Set<string>();
  for (let round = 0; round < 8; round++) {
    const { accountId } = await somebody([app]);
    const id = await ask(accountId);
    const { telling } = saga(0);
    const undoing = () =>
      openWork(database.db, { kind: 'person', id: accountId }, work =>
        undo(work, telling, { id, accountId, by: 'link' }),
      );
    const beginning = () => advance(saga(8 * DAY), id);
    const [first, second] = round % 2 === 0 ? [undoing, beginning] : [beginning, undoing];
    await Promise.all([first(), second()]);
    const { state } = await database.db('accounts').where({ id: accountId }).first('state');
    outcomes.add(`${await stateOf(id)} ${state}`);
  }
  expect([...outcomes].filter(each => !['undone active', 'told closed'].includes(each))).toEqual([]);

  const { accountId } = await somebody([app]);
  const mails = await jobsOf();
  const id = await ask(accountId);
  for (const passed of [8 * DAY, 8 * DAY + 2 * MINUTE])
    await Promise.allSettled([1, 2, 3].map(() => advance(saga(passed, { batch: 2 }), id)));
  expect(await stateOf(id)).toBe('removed');
  expect(await database.db('commands').where({ reason_id: id })).toHaveLength(1);
  expect((await jobsOf()) - mails).toBe(1);
});

test('twenty people and ten apps, a third of them dead, slow or lying: every statement is right at the end', async () => {
  const good = stating('unknown');
  const kept = stating('archived', { retention_reason: 'Invoices' });
  const ways: readonly (readonly [Behaviour, string])[] = [
    [good, 'confirmed'],
    [good, 'confirmed'],
    [good, 'confirmed'],
    [good, 'confirmed'],
    [good, 'confirmed'],
    [kept, 'kept'],
    [answering(204), 'received'],
    [NO_GOOD['hanging up'], 'unreachable'],
    [NO_GOOD.slow, 'unreachable'],
    [NO_GOOD['confirming for somebody else'], 'unreachable'],
  ];
  const apps = new Map<string, string>();
  for (const [behave, state] of ways) apps.set(await openApp(behave), state);
  const people = await Promise.all(Array.from({ length: 20 }, () => somebody([...apps.keys()])));
  const ids = [];
  for (const { accountId } of people) ids.push(await ask(accountId));

  const look = (passed: number) => {
    const { now: _, signal: __, ...options } = saga(passed);
    return lookAfterDeletions({ ...options, clock: () => new Date(Date.now() + passed) }).run({}, attempt);
  };
  await look(8 * DAY);
  /* Each try of an app that does not answer comes later than the one before. */
  for (const passed of [0, 2 * 3_600_000, 8 * DAY]) await tellApps(passed, 500);
  await look(8 * DAY + 2 * MINUTE);
  await look(8 * DAY + 30 * DAY);
  for (const id of ids) {
    expect(await stateOf(id)).toBe('finished');
    /* One that says what cannot be right is refused, or given up when its time is over; it never counts as done. */
    const found = (await recipientsOf(id)).map(({ client_id, state }) => [
      client_id,
      state === 'refused' ? 'unreachable' : state,
    ]);
    expect(found).toEqual([...apps].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
  expect(
    await database.db('accounts').whereIn(
      'id',
      people.map(({ accountId }) => accountId),
    ),
  ).toEqual([]);
});

const watched = async () =>
  (await watchDeletions(database.db, { erasedList: list(), production: true })).at(-1)?.join(' ') ?? '';

async function command(...words: string[]): Promise<{ code: number; out: string; said: string }> {
  let out = '';
  let said = '';
  const shell = {
    print: (text: string) => {
      out += text;
    },
    fail: (text: string) => {
      said += text;
    },
  };
  const code = await runDeletions(words, {
    db: database.db,
    config: { ...config, commandsTried: 7 },
    ...shell,
  });
  return { code, out, said };
}

test('an operator sees what is stuck, has it told anew, or says how it was settled; the statement follows', async () => {
  const path = `/app-${nr}`;
  const app = await openApp(stating('active'));
  const { accountId } = await somebody([app]);
  const id = await ask(accountId);
  await advance(saga(8 * DAY), id);
  for (const passed of [0, 2 * DAY, 4 * DAY, 6 * DAY]) await tellApps(passed);
  await advance(saga(8 * DAY + 2 * MINUTE), id);
  expect((await recipientsOf(id))[0]).toMatchObject({ state: 'refused' });
  expect((await command('list', '--stuck')).out).toContain(id);
  expect(JSON.parse((await command('show', id)).out)).toMatchObject({ stuck: true, state: 'finished' });

  behaviours[path] = stating('unknown');
  expect(JSON.parse((await command('retry', id)).out)).toEqual({ id, told_anew: [app] });
  await tellApps();
  await hear(saga(0), id);
  expect((await recipientsOf(id))[0]).toMatchObject({ state: 'confirmed' });
  expect(await command('resolve', id, app, '--reason', 'They wrote')).toMatchObject({ code: 1 });

  const other = await openApp(answering(204));
  const second = await ask((await somebody([other])).accountId);
  await advance(saga(8 * DAY), second);
  expect((await command('resolve', second, other)).code).toBe(2);
  expect((await command('resolve', second, other, '--reason', 'They wrote to us.\u202e')).code).toBe(0);
  expect((await recipientsOf(second))[0]).toMatchObject({ state: 'settled', note: 'They wrote to us.' });
  await advance(saga(8 * DAY + 2 * MINUTE), second);
  expect(await stateOf(second)).toBe('finished');
  for (const words of [
    ['show', newAccountId()],
    ['retry', 'x'],
  ])
    expect((await command(...words)).code).toBe(1);
});

/* What is kept of somebody, as a backup has it. */
const TABLES = ['accounts', 'subject_keys', 'identifiers', 'email_addresses', 'grants'];
const ownOf = (table: string) => (table === 'accounts' ? 'id' : 'account_id');

test('what a backup brings back is deleted again, from the list that stands apart, and its old link says so', async () => {
  const app = await openApp(stating('unknown'));
  const { accountId } = await somebody([app]);
  const stranger = await somebody([app]);
  const backup = new Map<string, string>();
  for (const table of TABLES) {
    const { rows } = await database.db.raw('SELECT json_agg(t) AS rows FROM ?? t WHERE ?? = ?', [
      table,
      ownOf(table),
      accountId,
    ]);
    backup.set(table, JSON.stringify(rows[0].rows));
  }
  const id = await ask(accountId);
  const { link } = await database.db('deletions').where({ id }).first();
  await advance(saga(8 * DAY), id);
  await advance(saga(8 * DAY + 2 * MINUTE), id);
  expect(await database.db('accounts').where({ id: accountId })).toEqual([]);
  expect(await watched()).toMatch(/^ok/);

  /* The database is as it was before: she is there, and nobody knows that she had gone. */
  await database.db('commands').where({ reason_id: id }).delete();
  await database.db('deletions').where({ id }).delete();
  for (const table of TABLES)
    await database.db.raw(`INSERT INTO ?? SELECT * FROM json_populate_recordset(NULL::${table}, ?)`, [
      table,
      backup.get(table) ?? '[]',
    ]);
  expect(await watched()).toMatch(/^problem .*names 1 erased.*keyhold deletions reapply/);

  expect(JSON.parse((await command('reapply', list(), '--look')).out)).toMatchObject({ back: 1 });
  expect(await database.db('deletions').where({ id })).toEqual([]);
  const again = JSON.parse((await command('reapply', list())).out);
  expect(again).toMatchObject({ back: 1, deleted_again: 1 });
  expect(await command('reapply', list())).toMatchObject({ code: 0 });
  await advance(saga(MINUTE), id);
  await tellApps();
  await advance(saga(3 * MINUTE), id);
  expect(await stateOf(id)).toBe('finished');
  for (const table of TABLES)
    expect(await database.db(table).where({ [ownOf(table)]: accountId })).toEqual([]);
  expect(await database.db('accounts').where({ id: stranger.accountId })).toHaveLength(1);
  const found = await database.db('deletions').where({ link }).first();
  expect(found).toMatchObject({ id, cause: 'restored', key: null, sealed: null });
  expect(await findDeletionByLink(database.db, 'not the link')).toBeUndefined();
  expect(await watched()).toMatch(/^ok/);
  expect((await command('erased')).out).toContain(id);

  /* Half a line of a process that was killed is no trouble; a line that is none is. */
  expect((await command('reapply', join(folder, 'nowhere'))).code).toBe(1);
});

test('an account that was put away goes the same way after its time, unless its owner comes back', async () => {
  const { accountId } = await somebody([]);
  const back = await somebody([]);
  for (const one of [accountId, back.accountId])
    await openWork(database.db, { kind: 'system' }, work => archiveAccount(work, one));
  const job = (passed: number) => {
    const clock = () => new Date(Date.now() + passed);
    return deleteDormant({ db: database.db, telling: saga(0).telling, clock }, { after: 90, wait: 7 }).run(
      {},
      attempt,
    );
  };
  await job(89 * DAY);
  expect(await database.db('deletion_subjects').where({ account_id: accountId })).toEqual([]);
  await job(91 * DAY);
  const id = await deletionOf(database.db, accountId);
  const kept = await deletionOf(database.db, back.accountId);
  await database.db('accounts').where({ id: back.accountId }).update({ state: 'active' });
  for (const one of [id, kept]) await advance(saga(99 * DAY), one);
  expect(await stateOf(kept)).toBe('undone');
  expect(await stateOf(id)).toBe('told');
  await advance(saga(99 * DAY + 2 * MINUTE), id);
  expect(await database.db('accounts').where({ id: accountId })).toEqual([]);
});

test('one that an operator suspended waits, and says why; what is over is removed once nobody can ask for proof', async () => {
  const { accountId } = await somebody([]);
  const id = await ask(accountId);
  await database.db('accounts').where({ id: accountId }).update({ state: 'suspended' });
  await advance(saga(8 * DAY), id);
  expect(await database.db('deletions').where({ id }).first()).toMatchObject({
    state: 'waiting',
    trouble: 'account_suspended',
  });
  await database.db('accounts').where({ id: accountId }).update({ state: 'active' });
  await advance(saga(10 * DAY), id);
  await advance(saga(10 * DAY + 2 * MINUTE), id);
  await advance(saga(50 * DAY), id);
  expect(await stateOf(id)).toBe('audited');
  const sweep = (days: number) =>
    sweepDeletions(database.db, () => new Date(Date.now() + days * DAY)).run({}, attempt);
  await sweep(50 + 360);
  expect(await stateOf(id)).toBe('audited');
  await sweep(50 + 370);
  expect(await database.db('deletions').where({ id })).toEqual([]);
});
