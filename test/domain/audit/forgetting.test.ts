import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { runAudit } from '../../../src/audit-commands.js';
import { auditJobs, type Head, sealEvents, signHead, verifyChain } from '../../../src/domain/audit/audit.js';
import { signEnd } from '../../../src/domain/audit/heads.js';
import { knownKeys, verifyNext, WALK } from '../../../src/domain/audit/verify.js';
import { openKeyring } from '../../../src/platform/crypto/keyring.js';
import { type Db, openDatabase } from '../../../src/platform/storage/db.js';
import { openWork } from '../../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';
import { QUIET } from '../../support/jobs.js';

// Old events go from the start of the chain, and what is left of it is whole.

const SECRET = 'a secret of sixty-four characters, for tests of forgetting events';
const keyring = openKeyring(SECRET);
const issuer = new URL('https://id.example.test');
const DAY = 86_400_000;
const OLD = new Date(Date.now() - 500 * DAY);
let database: TestDatabase;
let owner: Db;
let folder: string;
const heads: (Head | undefined)[] = [];

/* Four blocks of long ago with two events each, and two of today. */
beforeAll(async () => {
  database = await openTestDatabase();
  owner = openDatabase(database.migrationUrl);
  folder = await mkdtemp(join(tmpdir(), 'keyhold-forgetting-'));
  for (let nr = 0; nr < 6; nr++) {
    await openWork(database.db, { kind: 'system' }, async work => {
      for (const type of ['note.taken', 'note.kept']) work.record({ type });
    });
    await sealEvents({ db: database.db, keyring, ...(nr < 4 && { now: () => OLD }) });
    heads.push(await signHead({ db: database.db, keyring, issuer }));
  }
});

afterAll(async () => {
  await owner?.destroy();
  await database?.close();
  await rm(folder, { recursive: true, force: true });
});

const parts = (db: Db) => ({ db, keyring, issuer, file: undefined, kept: 400, log: QUIET });
const verify = (db: Db = database.db) => verifyChain({ db, keyring });
const run = (name: string, db = database.db) =>
  auditJobs(parts(db))
    .find(job => job.name === name)
    ?.run({}, { id: '1', attempt: 1, last: false, signal: new AbortController().signal });

async function withHeads(lines: readonly unknown[], db: Db = database.db) {
  const file = join(folder, 'heads.ndjson');
  await writeFile(file, lines.map(line => `${JSON.stringify(line)}\n`).join(''));
  const said: string[] = [];
  const code = await runAudit(['verify', '--heads', file], {
    db,
    config: { issuer, secret: SECRET },
    print: text => void said.push(text),
    fail: () => undefined,
  });
  return { code, ...JSON.parse(said.join('')) };
}

/** Does something as the owner of the tables, whom no trigger stops, and takes it back. */
async function asOwner<T>(act: (tx: Db) => Promise<T>): Promise<T> {
  const tx = await owner.transaction();
  try {
    for (const table of ['events', 'event_blocks', 'audit_checkpoints'])
      await tx.raw(`ALTER TABLE ${table} DISABLE TRIGGER USER`);
    return await act(tx);
  } finally {
    await tx.rollback();
  }
}

test('nobody removes events that are younger than a year, before the chain begins later, or out of the middle', async () => {
  const forget = (db: Db, nr: number) => db.raw('SELECT keyhold_forget_block(?) AS gone', [nr]);
  await expect(forget(database.db, 1)).rejects.toThrow('the chain must go on behind');
  expect((await forget(database.db, 2)).rows).toEqual([{ gone: 0 }]);
  await asOwner(async tx => {
    await tx('event_blocks').where('nr', '<', 5).delete();
    await expect(forget(tx, 5)).rejects.toThrow('kept for a year at least');
  });
  await asOwner(async tx => {
    await tx('event_blocks').where('nr', '<>', 1).delete();
    await expect(forget(tx, 1)).rejects.toThrow('the chain must go on behind');
  });
  await expect(database.db.raw('DELETE FROM audit_checkpoints')).rejects.toThrow('permission denied');
  expect(await verify()).toMatchObject({ events: 12, forgotten: 0 });
});

test('a run that was killed behind the checkpoint leaves a chain that is whole, and the next one goes on', async () => {
  await asOwner(async tx => {
    await run('forget-events', tx);
    const { rows } = await tx.raw('SELECT min(nr)::int AS nr, count(*)::int AS left FROM event_blocks');
    expect(rows).toEqual([{ nr: 5, left: 2 }]);
  });
  const stopped = await database.db.transaction();
  await run('forget-events', stopped);
  const checkpoint = await stopped('audit_checkpoints').first();
  await stopped.rollback();
  await database.db('audit_checkpoints').insert(checkpoint);
  expect(await verify()).toMatchObject({ events: 12, forgotten: 8 });
  expect((await verify()).fault).toBeUndefined();
});

test('what is older than it is kept goes, in blocks, and the chain begins behind it and is whole', async () => {
  const keys = await knownKeys(database.db, keyring);
  await asOwner(async tx => {
    await tx('audit_checkpoints').delete();
    await tx.raw('ALTER TABLE events ENABLE TRIGGER events__marked');
    let walk = WALK;
    for (let step = 0; step < 3; step++) walk = await verifyNext(tx, keys, walk);
    expect(walk.nr).toBe(2);
    await run('forget-events', tx);
    while (walk.phase !== 'done') walk = await verifyNext(tx, keys, walk);
    expect({ ...walk, after: '' }).toEqual({ ...(await verify(tx)), after: '' });
    expect(walk.fault).toBeUndefined();
  });
  await run('forget-events');
  await run('forget-events');
  expect(await database.db('events').orderBy('id').pluck('type')).toEqual([
    ...['note.taken', 'note.kept', 'note.taken', 'note.kept'],
    'audit.forgotten',
  ]);
  const { rows } = await database.db.raw(`SELECT detail FROM events WHERE type = 'audit.forgotten'`);
  expect(rows).toEqual([{ detail: { events: 8, before: OLD.toISOString() } }]);
  expect(await verify()).toMatchObject({ phase: 'done', nr: 6, events: 12, forgotten: 8 });
  expect((await verify()).fault).toBeUndefined();
});

test('heads of what was forgotten long ago say nothing any more; those of the last year do', async () => {
  expect(await withHeads(heads)).toMatchObject({ code: 0, whole: true, events: 4, forgotten: 8, heads: 6 });
});

test('C51: whoever has the secret too cannot say that the last year was forgotten', async () => {
  const hide = async (tx: Db) => {
    const end = await tx('event_blocks').where({ nr: 5 }).first('nr', 'at', 'total', 'hash', 'kid');
    const { jws } = heads[4] ?? {};
    await tx('audit_checkpoints').insert({ ...end, jws });
    await tx.raw('DELETE FROM events WHERE id = ANY (SELECT unnest(ids) FROM event_blocks WHERE nr = 5)');
    await tx('event_blocks').where({ nr: 5 }).delete();
    return [await withHeads(heads.slice(5), tx), await withHeads(heads.slice(3, 5).reverse(), tx)];
  };
  const [unseen, seen] = await asOwner(hide);
  expect(unseen).toMatchObject({ code: 0, forgotten: 10 });
  expect(seen).toMatchObject({ code: 0 });
  const [, , , fourth] = heads;
  const young = await signEnd(parts(database.db), {
    nr: 4,
    at: new Date(),
    total: 8,
    hash: Buffer.alloc(32),
  });
  expect(fourth?.nr).toBe(4);
  expect(await asOwner(async tx => (await hide(tx)) && withHeads([young], tx))).toMatchObject({
    code: 1,
    what: 'rewritten',
    block: 4,
  });
});

test('C51: a checkpoint that somebody else wrote, to hide what is missing, is found', async () => {
  const stranger = openKeyring('another secret of sixty-four characters, of whoever owns the base');
  const found = await asOwner(async tx => {
    const end = await tx('event_blocks').where({ nr: 5 }).first('nr', 'at', 'total', 'hash');
    const head = await signHead({ db: tx, keyring: stranger, issuer });
    const { kid } = await tx('audit_keys').first('kid');
    await tx('audit_checkpoints').insert({ ...end, kid, jws: head?.jws });
    return verify(tx);
  });
  expect(found.fault).toEqual({ what: 'block_forged', block: 5 });
});
