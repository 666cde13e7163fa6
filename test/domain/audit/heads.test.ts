import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { runAudit } from '../../../src/audit-commands.js';
import { judgeChain } from '../../../src/doctor.js';
import {
  appendHead,
  auditJobs,
  chainState,
  endAudit,
  sealEvents,
  signHead,
} from '../../../src/domain/audit/audit.js';
import { openKeyring } from '../../../src/platform/crypto/keyring.js';
import { type Db, openDatabase } from '../../../src/platform/storage/db.js';
import { openWork } from '../../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';
import { QUIET } from '../../support/jobs.js';

// The end of the chain, written outside of the database: what finds a tail that was cut, and a chain written anew.

const SECRET = 'a secret of sixty-four characters, for tests of heads of a chain';
const keyring = openKeyring(SECRET);
const issuer = new URL('https://id.example.test');
let database: TestDatabase;
let owner: Db;
let folder: string;
let file: string;
let now = new Date();

beforeAll(async () => {
  database = await openTestDatabase();
  owner = openDatabase(database.migrationUrl);
  folder = await mkdtemp(join(tmpdir(), 'keyhold-heads-'));
  await happen('note.first');
});

afterAll(async () => {
  await owner?.destroy();
  await database?.close();
  await rm(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  file = join(folder, `${Math.random()}.ndjson`);
});

const happen = async (type: string, db = database.db) => {
  await openWork(db, { kind: 'system' }, async work => work.record({ type }));
  await sealEvents({ db, keyring });
};
const parts = () => ({ db: database.db, keyring, issuer, file, kept: 365, log: QUIET, now: () => now });
const job = (name: string) => auditJobs(parts()).find(each => each.name === name);
const run = (name: string) =>
  job(name)?.run({}, { id: '1', attempt: 1, last: false, signal: new AbortController().signal });
const lines = async () => (await readFile(file, 'utf8')).trim().split('\n');
const head = async () => (await signHead(parts())) ?? { nr: 0, events: 0, at: '', jws: '' };

async function command(
  words: readonly string[],
  more: { db?: Db; secret?: string; auditHeads?: string } = {},
) {
  const said: string[] = [];
  const failed: string[] = [];
  const { db = database.db, secret = SECRET, auditHeads } = more;
  const code = await runAudit(words, {
    db,
    config: { issuer, secret, ...(auditHeads && { auditHeads }) },
    print: text => void said.push(text),
    fail: text => void failed.push(text),
  });
  return { code, said: said.length > 0 ? JSON.parse(said.join('')) : undefined, failed: failed.join('\n') };
}

/** Does something to the chain as the owner of the tables, looks, and takes it back. */
async function tampered(act: (tx: Db) => Promise<unknown>, words: readonly string[]) {
  const tx = await owner.transaction();
  try {
    for (const table of ['events', 'event_blocks']) await tx.raw(`ALTER TABLE ${table} DISABLE TRIGGER USER`);
    await act(tx);
    return await command(words, { db: tx });
  } finally {
    await tx.rollback();
  }
}

test('the job writes the head once for each end of the chain, and so does a process that ends', async () => {
  await run('write-audit-head');
  await run('write-audit-head');
  expect(await lines()).toHaveLength(1);
  await openWork(database.db, { kind: 'system' }, async work => work.record({ type: 'note.second' }));
  await endAudit(parts());
  const [first, second, ...rest] = (await lines()).map(line => JSON.parse(line));
  expect(rest).toEqual([]);
  expect(second).toMatchObject({ nr: first.nr + 1, events: first.events + 1 });
  expect(await command(['verify', '--heads', file])).toMatchObject({
    code: 0,
    said: { whole: true, heads: 2, events: second.events, blocks: second.nr },
  });
  expect(await command(['verify'], { auditHeads: file })).toMatchObject({ said: { heads: 2 } });
});

test('a file that cannot be written does not keep a process from ending', async () => {
  file = join(folder, 'no-such-folder', 'heads');
  await endAudit(parts());
  await expect(run('write-audit-head')).rejects.toThrow('ENOENT');
});

test('C51: a tail that was cut, with every trace of it in the database, is found by a head', async () => {
  await happen('note.third');
  const { nr, jws } = await head();
  await writeFile(file, `${JSON.stringify({ jws })}\n`);
  const cut = async (tx: Db) => {
    const { ids } = await tx('event_blocks').where({ nr }).first('ids');
    await tx('event_blocks').where({ nr }).delete();
    await tx('events').whereIn('id', ids).delete();
  };
  expect(await tampered(cut, ['verify'])).toMatchObject({ code: 0 });
  expect(await tampered(cut, ['verify', '--heads', file])).toEqual({
    code: 1,
    said: { whole: false, what: 'cut', block: nr, last: nr - 1, events: 1 },
    failed: `The end was cut: a head names block ${nr}, and the last one is ${nr - 1}; 1 events are missing.`,
  });
  expect(await command(['verify', '--heads', file])).toMatchObject({ code: 0 });
});

test('C51: a chain that was written anew with our very secret is found by a head', async () => {
  await writeFile(file, JSON.stringify(await head()));
  const anew = async (tx: Db) => {
    const { id } = await tx('events').orderBy('id').first('id');
    await tx('events').where({ id }).update({ type: 'note.torn' });
    const ends = await tx('event_blocks').orderBy('nr').select('ids');
    await tx('event_blocks').delete();
    for (const { ids } of ends) {
      await tx.raw('INSERT INTO unsealed_events SELECT unnest(?::uuid[])', [ids]);
      await sealEvents({ db: tx, keyring });
    }
  };
  expect(await tampered(anew, ['verify'])).toMatchObject({ code: 0, said: { whole: true } });
  expect(await tampered(anew, ['verify', '--heads', file])).toMatchObject({
    code: 1,
    said: { what: 'rewritten' },
  });
});

test('C51: a head that was changed, of another issuer, or signed by nobody of us counts as forged', async () => {
  const { jws } = await head();
  const [header = '', payload = '', signature = ''] = jws.split('.');
  const said = JSON.parse(Buffer.from(payload, 'base64url').toString());
  const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const elsewhere = await signHead({ ...parts(), issuer: new URL('https://other.example.test') });
  const stranger = openKeyring('another secret of sixty-four characters, of somebody who is none');
  const strange = await signHead({ ...parts(), keyring: stranger });
  const unsigned = encoded({ alg: 'none', typ: 'keyhold-audit-head' });
  for (const forged of [
    `${header}.${encoded({ ...said, events: said.events - 1 })}.${signature}`,
    `${unsigned}.${payload}.`,
    elsewhere?.jws,
    strange?.jws,
    'no jws at all',
  ]) {
    await writeFile(file, `${JSON.stringify({ jws })}\n${JSON.stringify({ jws: forged })}\n`);
    expect(await command(['verify', '--heads', file])).toMatchObject({
      code: 1,
      said: { what: 'head_forged', line: 2 },
    });
  }
});

test('a line that was torn by a crash is passed over and not written on; heads are read from the log too', async () => {
  await writeFile(file, '{"nr":1,"jws":"eyJ');
  await appendHead(file, await head());
  expect(await lines()).toHaveLength(2);
  await appendFile(file, `${JSON.stringify({ level: 'info', head: await head(), msg: 'head' })}\n`);
  expect(await command(['verify', '--heads', file])).toMatchObject({ code: 0, said: { heads: 2 } });
  await writeFile(file, 'nothing\n');
  expect(await command(['verify', '--heads', file])).toMatchObject({ code: 1 });
  expect(await command(['verify', '--heads', join(folder, 'none')])).toMatchObject({ code: 1 });
});

test('heads of an earlier secret stay good', async () => {
  await appendHead(file, await head());
  const next = 'the next secret of sixty-four characters of this installation 12';
  await openWork(database.db, { kind: 'system' }, async work => work.record({ type: 'note.next' }));
  const printed = await command(['head'], { secret: next });
  await appendFile(file, `${JSON.stringify(printed.said)}\n`);
  expect(await command(['verify', '--heads', file], { secret: next })).toMatchObject({
    code: 0,
    said: { heads: 2 },
  });
  await happen('note.back');
});

test('words that make no sense are not understood', async () => {
  for (const words of [[], ['look'], ['verify', 'now'], ['head', '--heads', 'f'], ['verify', '--fast']])
    expect(await command(words)).toMatchObject({ code: 2, said: undefined });
});

test('once a week the whole chain is looked at and the outcome is on record, heads and all', async () => {
  await run('verify-audit');
  await run('write-audit-head');
  await run('verify-audit');
  const [first, ...none] = await recorded();
  expect(none).toEqual([]);
  expect(first).toMatchObject({ type: 'audit.verified', detail: { blocks: (await head()).nr - 1 } });
  now = new Date(now.getTime() + 7 * 86_400_000);
  await writeFile(file, '{"jws":"no"}\n');
  await run('verify-audit');
  expect((await recorded()).at(-1)).toEqual({
    type: 'audit.broken',
    detail: { what: 'head_forged', event: null, block: null },
  });
  expect((await chainState(parts())).checked).toEqual({ at: now, whole: false });
});

const recorded = () =>
  database.db('events').whereLike('type', 'audit.%').orderBy('id').select('type', 'detail');

test('a look that was broken off goes on where it was', async () => {
  now = new Date(now.getTime() + 7 * 86_400_000);
  await run('write-audit-head');
  const before = await database.db('audit_checks').count({ n: '*' });
  const stopped = AbortSignal.abort();
  await job('verify-audit')?.run({}, { id: '1', attempt: 1, last: false, signal: stopped });
  const begun = await database.db('audit_checks').whereNull('ended_at');
  expect(begun).toMatchObject([{ walk: { phase: 'start', nr: 0 } }]);
  await run('verify-audit');
  expect(await database.db('audit_checks').whereNull('ended_at')).toEqual([]);
  expect(Number((await database.db('audit_checks').count({ n: '*' }))[0]?.['n'])).toBe(
    Number(before[0]?.['n']) + 1,
  );
  expect((await recorded()).at(-1)).toMatchObject({ type: 'audit.verified' });
});

test('the doctor tells what is late, broken, or told nobody outside', () => {
  const at = new Date('2026-03-01T12:00:00Z');
  const ago = (minutes: number) => new Date(at.getTime() - minutes * 60_000);
  const fine = {
    events: 7,
    blocks: 2,
    waiting: { count: 0, since: undefined },
    checked: { at: ago(60), whole: true },
  };
  const weights = (state: Parameters<typeof judgeChain>[0], headAt: Date | null | undefined) =>
    judgeChain(state, headAt, at).map(([weight]) => weight);
  expect(weights(fine, ago(60))).toEqual(['ok', 'ok', 'ok']);
  expect(weights({ ...fine, checked: undefined }, undefined)).toEqual(['ok', 'ok', 'note']);
  expect(weights({ ...fine, waiting: { count: 3, since: ago(11) } }, null)).toEqual([
    'problem',
    'ok',
    'problem',
  ]);
  expect(weights({ ...fine, checked: { at: ago(5), whole: false } }, ago(4_000))).toEqual([
    'ok',
    'problem',
    'problem',
  ]);
});
