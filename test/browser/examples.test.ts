import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { type CommandName, commandsOf, sendCommand } from '../../src/domain/commands/commands.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openWork } from '../../src/platform/storage/work.js';
import { type BrowserPerson, openBrowser, type TestBrowser } from '../support/browser.js';
import { until } from '../support/jobs.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { walk } from '../support/walk.js';

const BUILT = fileURLToPath(new URL('../../examples/', import.meta.url));
const SOURCES = fileURLToPath(new URL('../../../examples/', import.meta.url));

let keyhold: TestKeyhold;
let browser: TestBrowser;
let ida: BrowserPerson;
let folder: string;
const running: ChildProcess[] = [];

beforeAll(async () => {
  [keyhold, browser] = await Promise.all([startKeyhold(), openBrowser()]);
  folder = await mkdtemp(join(tmpdir(), 'keyhold-examples-'));
  ida = await browser.newPerson();
});

afterAll(async () => {
  for (const child of running) child.kill();
  await browser.close();
  await keyhold.close();
  await rm(folder, { recursive: true });
});

/** Registers an example by its own client.json, on a port that is free here. */
async function register(name: string, port: number, more: Readonly<Record<string, unknown>> = {}) {
  const text = await readFile(join(SOURCES, name, 'client.json'), 'utf8');
  const metadata = JSON.parse(text.replace(/localhost:\d+/g, `localhost:${port}`));
  return keyhold.registerClient({ ...metadata, ...more });
}

/** Starts an example as a process of its own; resolves with its first words. */
async function start(program: string, environment: Readonly<Record<string, string>>): Promise<string> {
  const child = spawn(process.execPath, [join(BUILT, program)], {
    env: { EXAMPLE_ISSUER: keyhold.issuer, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running.push(child);
  const [words] = await once(child.stdout, 'data');
  return String(words);
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, 'localhost');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return address && typeof address === 'object' ? address.port : 0;
}

test('the web example: create an account, refresh, sign out, hear of a sign-out elsewhere, and forget whoever is gone', async () => {
  const port = await freePort();
  const home = `http://localhost:${port}/`;
  const client = await register('web', port, {
    backchannel_logout_uri: `${home}backchannel-logout`,
    backchannel_logout_session_required: true,
    command_endpoint: `${home}commands`,
    commands_supported: ['delete', 'audit', 'invalidate'],
  });
  const file = join(folder, 'web.json');
  await writeFile(file, JSON.stringify(client));
  await start('web/main.js', { EXAMPLE_PORT: String(port), EXAMPLE_CLIENT_FILE: file });

  const { page, sees, press, signUpWithPasskey } = walk(ida, keyhold.mailbox);
  await page.goto(home);
  await sees('Example app');
  await page.getByRole('link', { name: 'Create account' }).click();
  await signUpWithPasskey('ida@example.test', 'Ida Ink');
  await sees('Allow access?');
  await press('Allow');
  await sees('Hello, Ida Ink');
  const heldUntil = () => page.getByText(/^good until/).textContent();
  const before = String(await heldUntil());
  await press('Refresh');
  await page
    .getByText(/^good until/)
    .filter({ hasNotText: before })
    .waitFor();
  await sees('Hello, Ida Ink');

  const elsewhere = await ida.context.newPage();
  await elsewhere.goto(keyhold.origin);
  await elsewhere.getByRole('button', { name: 'Sign out', exact: true }).click();
  await elsewhere.getByRole('heading', { name: 'You are signed out' }).waitFor();
  await elsewhere.close();
  await expect(signedOutAt(home)).resolves.toBe(true);
  await page.goto(home);
  await sees('Example app');

  await page.getByRole('link', { name: 'Sign in with Keyhold' }).click();
  await sees('Hello, Ida Ink');
  expect(await command(client.client_id, 'audit')).toEqual(['confirmed', 'active']);
  expect(await command(client.client_id, 'delete')).toEqual(['confirmed', 'unknown']);
  expect(await command(client.client_id, 'audit')).toEqual(['confirmed', 'unknown']);
  const forged = await ida.context.request.post(`${home}commands`, { form: { command_token: 'a.b.c' } });
  expect([forged.status(), await forged.json()]).toEqual([400, { error: 'invalid_request' }]);
  await page.goto(home);
  await sees('Example app');

  await page.getByRole('link', { name: 'Sign in with Keyhold' }).click();
  await sees('Hello, Ida Ink');
  await press('Sign out');
  const confirm = page.getByRole('button', { name: 'Sign out', exact: true });
  const done = page.getByText('You are signed out of this app and of Keyhold.');
  await confirm.or(done).waitFor();
  if (await confirm.isVisible()) await press('Sign out');
  await done.waitFor();
  expect(ida.complaints).toEqual([]);
});

/** Back-channel logout is delivered by a job, so the app is asked until it knows. */
async function signedOutAt(home: string): Promise<boolean> {
  const deadline = Date.now() + 15_000;
  while (Date.now() < deadline) {
    const response = await ida.context.request.get(home);
    if ((await response.text()).includes('Sign in with Keyhold')) return true;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  return false;
}

/** Tells the web example something about Ida, and gives what came of it. */
async function command(clientId: string, name: CommandName): Promise<readonly unknown[]> {
  const subject = await accountOf(keyhold.db, 'ida@example.test');
  const reason = { kind: 'example', id: uuidv7() };
  const keyring = openKeyring(keyhold.config.secret);
  await openWork(keyhold.db, { kind: 'operator' }, work =>
    sendCommand(work, keyring, { clientId, command: name, subject, reason }),
  );
  let [found] = (await commandsOf(keyhold.db, reason)).commands;
  await until(async () => {
    [found] = (await commandsOf(keyhold.db, reason)).commands;
    return found?.endedAt !== undefined;
  });
  return [found?.state, found?.accountState];
}

test('the single-page example signs in with nothing but the browser', async () => {
  const port = await freePort();
  const client = await register('spa', port);
  await start('spa/serve.js', { EXAMPLE_PORT: String(port), EXAMPLE_CLIENT_ID: client.client_id });
  const { page, press } = walk(ida, keyhold.mailbox);
  await page.goto(`http://localhost:${port}/`);
  await press('Sign in with Keyhold');
  await page.getByRole('heading', { name: 'Allow access?' }).waitFor();
  await press('Allow');
  await page.getByText('You are signed in.').waitFor();
  await page.getByText('"email": "ida@example.test"').waitFor();
  await press('Sign out');
  const confirm = page.getByRole('button', { name: 'Sign out', exact: true });
  const done = page.getByText('You are not signed in.');
  await confirm.or(done).waitFor();
  if (await confirm.isVisible()) await press('Sign out');
  await done.waitFor();
});

test('the native example listens on loopback, on whatever port is free', async () => {
  const client = await register('native', 0);
  const words = await start('native/main.js', { EXAMPLE_CLIENT_ID: client.client_id });
  const url = /http:\/\/\S+/.exec(words)?.[0] ?? '';
  const { page, press } = walk(ida, keyhold.mailbox);
  await page.goto(url);
  await page.getByRole('heading', { name: 'Allow access?' }).waitFor();
  const said = once(running.at(-1)?.stdout ?? process.stdin, 'data');
  await press('Allow');
  await page.getByText('You can close this window').waitFor();
  expect(String(await said)).toContain('You are signed in.');
});
