import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Config } from '../../../src/config.js';
import { runFederation } from '../../../src/federation-commands.js';
import { watchProviders } from '../../../src/federation-watch.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';
import { declareDirectory, openDirectory, type TestDirectory } from '../../support/directory.js';

const config = {
  secret: 'a secret that is only good for tests',
  issuer: new URL('https://id.example'),
  allowPrivateNetwork: true,
} as Config;

let database: TestDatabase;
let directory: TestDirectory;

beforeAll(async () => {
  database = await openTestDatabase();
  directory = await openDirectory();
});

afterAll(async () => {
  await directory?.close();
  await database?.close();
});

test('a directory without the password of whoever looks people up is refused when it is declared', async () => {
  const settings = { urls: ['ldaps://directory.acme.test'], bind_dn: 'cn=keyhold', base: 'dc=acme,dc=test' };
  const file = join(await mkdtemp(join(tmpdir(), 'keyhold-directory-')), 'providers.json');
  await writeFile(
    file,
    JSON.stringify({ providers: [{ id: 'acme', kind: 'ldap', name: 'Acme', settings }] }),
  );
  const err: string[] = [];
  const shell = { db: database.db, print: () => undefined, fail: (text: string) => void err.push(text) };
  expect(await runFederation(['apply', file], { ...shell, config, env: {} })).toBe(1);
  expect(err.join()).toContain('bind_password');
  expect(await database.db('identity_providers')).toEqual([]);
});

test('doctor binds as ourselves, and says why nobody can sign in', async () => {
  await declareDirectory({ db: database.db, config }, directory, { id: 'acme' });
  expect(await watchProviders(database.db, config)).toEqual([['ok', expect.stringContaining('acme')]]);
  directory.behave('busy');
  expect(await watchProviders(database.db, config)).toEqual([
    ['problem', expect.stringContaining('no_answer')],
  ]);
});
