import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { rotateKey } from '../../src/oidc/keys.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openWork } from '../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../support/database.js';
import { until } from '../support/jobs.js';
import { personAt, signUp } from '../support/journeys.js';
import type { TestKeyhold } from '../support/keyhold.js';
import { freePort, killAll } from '../support/keyhold-process.js';
import { type KeyholdProcess, SECRET, startProcess } from '../support/process-journey.js';
import { openRelyingParty } from '../support/relying-party.js';

let database: TestDatabase;
let keyhold: KeyholdProcess;
let metricsPort: number;

beforeAll(async () => {
  database = await openTestDatabase();
  metricsPort = await freePort();
  keyhold = await startProcess(database, {
    KEYHOLD_WORKERS: '2',
    KEYHOLD_METRICS_PORT: String(metricsPort),
  });
}, 30_000);

afterAll(async () => {
  killAll();
  await database?.close();
});

async function workers(): Promise<readonly number[]> {
  const pid = keyhold.child.pid;
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return children.trim().split(' ').filter(Boolean).map(Number);
}

/** On a connection of its own, so that the processes take turns. */
function ask(path: string): Promise<Response> {
  return fetch(keyhold.origin + path, { headers: { Connection: 'close' } });
}

async function scrape(): Promise<string> {
  return (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
}

test('two processes serve one journey behind one port, and their metrics are added up', async () => {
  expect(await workers()).toHaveLength(2);
  const app = await openRelyingParty(keyhold);
  const person = personAt(keyhold as unknown as TestKeyhold);
  await signUp(person, app, 'ada@example.org');
  if (person.page.html.includes('Allow')) await person.press('Allow');
  const tokens = await app.exchange();
  expect(await app.userInfo(tokens)).toMatchObject({ email: 'ada@example.org' });
  await app.close();
  for (let i = 0; i < 20; i += 1) await (await ask('/terms')).text();
  const metrics = await scrape();
  expect(metrics).toMatch(
    /^keyhold_http_request_duration_seconds_count\{method="GET",route="\/terms",status="200"\} 20$/m,
  );
  expect(metrics).toMatch(/^keyhold_sign_ins_total\{way="\w+"\} 1$/m);
  expect(metrics).toMatch(/^keyhold_build_info\{.*\} 1$/m);
});

test('new keys reach every process', async () => {
  const kid = await openWork(database.db, { kind: 'operator' }, work =>
    rotateKey(work, openKeyring(SECRET), 'ES256'),
  );
  const knows = async () => (await (await ask('/jwks')).text()).includes(kid);
  await until(async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, knows));
    return answers.every(Boolean);
  });
});

test('a process that is killed is started anew, and the port answers meanwhile', async () => {
  const [first = 0, second] = await workers();
  process.kill(first, 'SIGKILL');
  await until(async () => !(await workers()).includes(first));
  expect((await ask('/jwks')).status).toBe(200);
  await until(async () => (await workers()).length === 2);
  expect(await workers()).toContain(second);
  await until(async () => /nodejs_active_handles_total/.test(await scrape()));
});

test('without its primary no process goes on', async () => {
  const orphaned = await startProcess(database, { KEYHOLD_WORKERS: '2' });
  orphaned.child.kill('SIGKILL');
  await until(() =>
    fetch(`${orphaned.origin}/health/live`).then(
      () => false,
      () => true,
    ),
  );
});

test('a stop ends every process', async () => {
  const before = await workers();
  const ended = await keyhold.stop();
  expect(ended.code).toBe(0);
  for (const pid of before) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
});
