import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { checkPassword, runPasswords } from '../../../src/domain/credentials/credentials.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';

let database: TestDatabase;
let folder: string;
beforeAll(async () => {
  database = await openTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'keyhold-blocklist-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
  await database.close();
});

async function load(...argv: string[]): Promise<{ code: number; printed: string[]; errors: string[] }> {
  const printed: string[] = [];
  const errors: string[] = [];
  const print = (line: string) => void printed.push(line);
  const code = await runPasswords(argv, {
    db: database.db,
    print,
    printError: line => void errors.push(line),
  });
  return { code, printed, errors };
}

async function file(name: string, content: string | Buffer): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

const check = (candidate: string) => checkPassword(database.db, candidate, { context: [], minimum: 15 });

test('a loaded password is refused in any case and with a tail, and another one is not', async () => {
  expect(await check('Marmalade Otter Club')).toEqual({ ok: true });
  const loaded = await load(
    'load',
    await file('list.txt', 'marmalade otter club\r\ncopper window frames\n\nlast line without end'),
  );
  expect(loaded).toEqual({
    code: 0,
    printed: ['Read 3 passwords, 3 of them new: nobody can choose these any more.'],
    errors: [],
  });
  for (const candidate of [
    'Marmalade Otter Club',
    'COPPER WINDOW FRAMES',
    'last line without end',
    'marmalade otter club99',
  ]) {
    expect(await check(candidate)).toEqual({ ok: false, reason: 'common' });
  }
  expect(await check('marmalade otter clubs')).toEqual({ ok: true });
  const event = await database.db('events').where({ type: 'blocklist.loaded' }).first('detail', 'actor_kind');
  expect(event).toEqual({ detail: { read: 3, added: 3 }, actor_kind: 'system' });
});

test('a long list goes in by batches, and again without harm; a line of megabytes is left out', async () => {
  const lines = Array.from({ length: 12_001 }, (_, at) => `marmalade otter number ${at}`);
  const path = await file('long.txt', `${'x'.repeat(3_000_000)}\n${lines.join('\n')}\n${lines[0]}\n`);
  expect((await load('load', path)).printed).toEqual([
    'Read 12002 passwords, 12001 of them new: nobody can choose these any more.',
  ]);
  expect((await load('load', path)).printed).toEqual([
    'Read 12002 passwords, 0 of them new: nobody can choose these any more.',
  ]);
  expect((await check('Marmalade Otter Number 12000')).ok).toBe(false);
});

test('a missing file and a wrong command say so', async () => {
  const missing = await load('load', join(folder, 'nothing.txt'));
  expect(missing.code).toBe(1);
  expect(missing.errors[0]).toContain('nothing.txt cannot be read');
  expect((await load('load', folder)).code).toBe(1);
  expect((await load('lode', folder)).code).toBe(2);
  expect((await load('load')).code).toBe(2);
});
