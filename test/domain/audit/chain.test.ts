import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { destroySubjectKey, newAccountId, openAccount } from '../../../src/domain/accounts/accounts.js';
import { sealEvents, verifyChain } from '../../../src/domain/audit/audit.js';
import { PROVEN } from '../../../src/domain/audit/block.js';
import { openKeyring } from '../../../src/platform/crypto/keyring.js';
import { type Db, openDatabase, type Tx } from '../../../src/platform/storage/db.js';
import { readEvents } from '../../../src/platform/storage/events.js';
import { withinOrigin } from '../../../src/platform/storage/origin.js';
import { openWork } from '../../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';

// What happened is in a chain: whatever is altered, taken out or put in by whoever owns the database is found and named.

const keyring = openKeyring('a secret of sixty-four characters, for tests of the event chain 6');
const MANY = 2_300;
let database: TestDatabase;
let owner: Db;
let ids: readonly string[];

beforeAll(async () => {
  database = await openTestDatabase();
  owner = openDatabase(database.migrationUrl);
  await add(MANY);
  expect(await seal()).toBe(MANY);
  ids = await database.db('events').orderBy('id').pluck('id');
}, 30_000);

afterAll(async () => {
  await owner?.destroy();
  await database?.close();
});

const add = (count: number, db: Db = database.db) =>
  db('events').insert(
    Array.from({ length: count }, (_, nr) => ({
      id: uuidv7(),
      at: new Date(),
      type: 'note.taken',
      actor_kind: 'person',
      account_id: uuidv7(),
      detail: JSON.stringify({ nr, words: ['ä', '"'] }),
      sealed: Buffer.from(`sealed ${nr}`),
    })),
  );
const seal = () => sealEvents({ db: database.db, keyring });
const verify = (db: Db = database.db) => verifyChain({ db, keyring });

/** Runs something as the owner of the tables, whom no trigger stops, and takes all of it back. */
async function asOwner<T>(act: (tx: Tx) => Promise<T>): Promise<T> {
  const tx = await owner.transaction();
  try {
    for (const table of ['events', 'event_blocks', 'audit_keys'])
      await tx.raw(`ALTER TABLE ${table} DISABLE TRIGGER USER`);
    return await act(tx);
  } finally {
    await tx.rollback();
  }
}

const lastId = async (db: Db): Promise<string> => (await db('events').orderBy('id', 'desc').first('id'))?.id;
const countOf = async (db: Db, table: string) => Number((await db(table).count({ n: '*' }))[0]?.n);
const at = (place: number) => ids[place] ?? '';

test('the chain of untouched events is whole, in blocks of a thousand', async () => {
  expect(await verify()).toMatchObject({ phase: 'done', nr: 3, events: MANY });
  expect((await verify()).fault).toBeUndefined();
  expect(await database.db('event_blocks').orderBy('nr').pluck('total')).toEqual(['1000', '2000', '2300']);
});

test.each<[string, string, unknown]>([
  ['its type', 'UPDATE events SET type = ? WHERE id = ?', 'note.torn'],
  ['a digit of its detail', 'UPDATE events SET detail = ? WHERE id = ?', '{"nr": 1}'],
  ['a microsecond of its time', "UPDATE events SET at = at + interval '1 microsecond' * ? WHERE id = ?", 1],
  ['a time that is none', 'UPDATE events SET at = ? WHERE id = ?', 'infinity'],
  ['its account', 'UPDATE events SET account_id = ? WHERE id = ?', null],
  ['who did it', 'UPDATE events SET actor_id = ? WHERE id = ?', ''],
  ['its app', 'UPDATE events SET client_id = ? WHERE id = ?', 'app_1'],
  ['its personal part', 'UPDATE events SET sealed = ? WHERE id = ?', Buffer.from('sealed x')],
])('C51: an event of which %s was altered is named', async (_what, statement, value) => {
  const event = at(1_234);
  const found = await asOwner(async tx => {
    await tx.raw(statement, [value, event] as never);
    return verify(tx);
  });
  expect(found).toMatchObject({ nr: 1, fault: { what: 'altered', event, block: 2 } });
});

test('C51: of two events that took each other’s place, the first is named', async () => {
  const found = await asOwner(async tx => {
    await tx.raw(
      `UPDATE events e SET detail = o.detail, sealed = o.sealed, account_id = o.account_id, at = o.at FROM events o
       WHERE (e.id, o.id) IN ((CAST(:a AS uuid), CAST(:b AS uuid)), (CAST(:b AS uuid), CAST(:a AS uuid)))`,
      { a: at(7), b: at(9) },
    );
    return verify(tx);
  });
  expect(found.fault).toEqual({ what: 'altered', event: at(7), block: 1 });
});

test.each([0, 999, 1_000, MANY - 1])('C51: the event at place %i is missed', async place => {
  const found = await asOwner(async tx => {
    await tx('events')
      .where({ id: at(place) })
      .delete();
    return verify(tx);
  });
  expect(found.fault).toEqual({ what: 'gone', event: at(place), block: Math.floor(place / 1_000) + 1 });
});

test('C51: an event that was put in past the chain is named, and so is one that went before it was sealed', async () => {
  const [added, id] = await asOwner(async tx => {
    await add(1, tx);
    return [await verify(tx), await lastId(tx)];
  });
  expect(added?.fault).toEqual({ what: 'added', event: id });
  const missed = await asOwner(async tx => {
    await tx.raw('ALTER TABLE events ENABLE TRIGGER events__marked');
    await add(1, tx);
    const id = await lastId(tx);
    expect((await verify(tx)).fault).toBeUndefined();
    await tx('events').where({ id }).delete();
    return [(await verify(tx)).fault, id];
  });
  expect(missed[0]).toEqual({ what: 'gone', event: missed[1] });
});

test.each<[string, string, string, number]>([
  ['taken out of the middle', 'DELETE FROM event_blocks WHERE nr = 2', 'block_gone', 2],
  ['taken from the start', 'DELETE FROM event_blocks WHERE nr = 1', 'block_gone', 1],
  [
    'given another leaf',
    `UPDATE event_blocks SET leaves = set_byte(leaves, 40, 1 # get_byte(leaves, 40)) WHERE nr = 2`,
    'block_altered',
    2,
  ],
  [
    'given another time',
    `UPDATE event_blocks SET at = at + interval '1 second' WHERE nr = 1`,
    'block_altered',
    1,
  ],
  [
    'given another order',
    'UPDATE event_blocks SET ids = ids[2:2] || ids[1:1] || ids[3:] WHERE nr = 3',
    'block_altered',
    3,
  ],
  [
    'swapped with another',
    'UPDATE event_blocks SET nr = CASE nr WHEN 1 THEN 12 WHEN 2 THEN 1 END WHERE nr < 3; UPDATE event_blocks SET nr = 2 WHERE nr = 12',
    'block_altered',
    1,
  ],
  [
    'signed by nobody',
    `UPDATE event_blocks SET signature = set_byte(signature, 3, 1 # get_byte(signature, 3)) WHERE nr = 2`,
    'block_forged',
    2,
  ],
])('C51: a block that was %s is named', async (_what, statements, what, block) => {
  const found = await asOwner(async tx => {
    for (const statement of statements.split(';')) await tx.raw(statement);
    return verify(tx);
  });
  expect(found.fault).toEqual({ what, block });
});

test('C51: a chain that somebody without our secret wrote anew and signed is found, though it is whole in itself', async () => {
  const stranger = openKeyring('another secret of sixty-four characters, of whoever owns the base');
  const found = await asOwner(async tx => {
    await tx('events')
      .where({ id: at(5) })
      .update({ type: 'note.torn' });
    await tx('event_blocks').delete();
    await tx.raw('INSERT INTO unsealed_events SELECT id FROM events');
    expect(await sealEvents({ db: tx, keyring: stranger })).toBe(MANY);
    return verify(tx);
  });
  expect(found.fault).toEqual({ what: 'block_forged', block: 3 });
});

test('blocks of an earlier secret stay good once there is one of the new secret behind them', async () => {
  const next = openKeyring('the next secret of sixty-four characters of this very installation');
  await asOwner(async tx => {
    await tx.raw('ALTER TABLE events ENABLE TRIGGER events__marked');
    await add(1, tx);
    expect(await sealEvents({ db: tx, keyring: next })).toBe(1);
    expect((await verifyChain({ db: tx, keyring: next })).fault).toBeUndefined();
    /* The database is not believed about a key that is not named by itself. */
    await tx.raw(`UPDATE audit_keys SET jwk = '{"kty":"OKP","crv":"Ed25519","x":"${'A'.repeat(43)}"}'`);
    expect((await verifyChain({ db: tx, keyring: next })).fault).toEqual({ what: 'block_forged', block: 1 });
  });
});

test.each([
  ['events', 'type'],
  ['event_blocks', 'hash'],
  ['audit_keys', 'jwk'],
])(
  'C51: the server’s role can add to %s and neither change nor remove anything, and the owner does not by mistake',
  async (table, column) => {
    for (const statement of [
      `UPDATE ${table} SET ${column} = ${column}`,
      `DELETE FROM ${table}`,
      `TRUNCATE ${table} CASCADE`,
    ]) {
      await expect(database.db.raw(statement)).rejects.toThrow('permission denied');
      await expect(owner.raw(statement)).rejects.toThrow('is only added to');
    }
    await expect(database.db.raw(`ALTER TABLE ${table} DISABLE TRIGGER USER`)).rejects.toThrow(
      'must be owner',
    );
    expect((await verify()).fault).toBeUndefined();
  },
);

test('every column of an event is proven', async () => {
  const columns = await database.db('events').columnInfo();
  expect(Object.keys(columns).sort()).toEqual([...PROVEN].sort());
});

test('an event that commits late, behind others with a later id, is sealed', async () => {
  const late = uuidv7();
  const tx = await database.db.transaction();
  await tx('events').insert({ id: late, at: new Date(), type: 'note.late', detail: '{}' });
  await add(3);
  expect(await seal()).toBe(3);
  await tx.commit();
  expect((await verify()).fault).toBeUndefined();
  expect(await seal()).toBe(1);
  expect(await seal()).toBe(0);
  const last = await database.db('event_blocks').orderBy('nr', 'desc').first('ids');
  expect(last?.ids).toEqual([late]);
  expect((await verify()).fault).toBeUndefined();
});

test('of several who seal at once beside somebody who writes, each event is sealed once', async () => {
  const before = await countOf(database.db, 'events');
  const writing = (async () => {
    for (let nr = 0; nr < 20; nr++) await add(10);
  })();
  const sealers = Array.from({ length: 4 }, async () => {
    for (let nr = 0; nr < 10; nr++) await seal();
  });
  await Promise.all([writing, ...sealers]);
  await seal();
  const { events, fault } = await verify();
  expect({ events, fault }).toEqual({ events: before + 200, fault: undefined });
});

test('whoever is asked to stop seals one more block, and the next one goes on', async () => {
  await add(1_500);
  expect(await sealEvents({ db: database.db, keyring }, AbortSignal.abort())).toBe(1_000);
  expect((await verify()).fault).toBeUndefined();
  expect(await seal()).toBe(500);
  expect((await verify()).fault).toBeUndefined();
});

test('a process that is killed while it seals leaves nothing half done', async () => {
  await add(5);
  const before = await verify();
  const tx = await database.db.transaction();
  expect(await sealEvents({ db: tx, keyring })).toBe(5);
  expect(await seal()).toBe(0);
  await tx.rollback();
  expect(await verify()).toEqual(before);
  expect(await seal()).toBe(5);
  expect((await verify()).fault).toBeUndefined();
});

test('what was there before the chain is taken into it bit by bit, and nothing twice', async () => {
  await asOwner(async tx => {
    const last = await tx('events').orderBy('id', 'desc').first('id');
    await tx('event_blocks').delete();
    await tx('events_before').insert({ after: '00000000-0000-0000-0000-000000000000', until: last?.id });
    await tx.raw('ALTER TABLE events ENABLE TRIGGER events__marked');
    await add(3, tx);
    expect((await verify(tx)).fault).toBeUndefined();
    const all = await countOf(tx, 'events');
    expect(await sealEvents({ db: tx, keyring })).toBe(all);
    expect(await tx('events_before')).toEqual([]);
    expect(await verify(tx)).toMatchObject({ events: all });
    expect((await verify(tx)).fault).toBeUndefined();
  });
});

test('the chain is whole before and after somebody’s key is destroyed, and what was personal is gone', async () => {
  const origin = () => ({ address: '192.0.2.7', browser: 'Firefox · Linux' });
  const account = { id: newAccountId(), email: 'ada@example.test', language: 'en' };
  const { id } = account;
  await withinOrigin(keyring, origin, () =>
    openWork(database.db, { kind: 'person' }, work => openAccount(work, keyring, account)),
  );
  await seal();
  const read = async () => (await readEvents(database.db, keyring, { accountId: id })).at(-1)?.origin;
  expect([(await verify()).fault, await read()]).toEqual([undefined, origin()]);
  await openWork(database.db, { kind: 'system' }, work => destroySubjectKey(work, id));
  expect([(await verify()).fault, await read()]).toEqual([undefined, undefined]);
  await seal();
  expect((await verify()).fault).toBeUndefined();
});
