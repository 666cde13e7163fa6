import { once } from 'node:events';
import { Agent, request as openRequest } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openTestDatabase, type TestDatabase } from '../support/database.js';
import { until } from '../support/jobs.js';
import { killAll } from '../support/keyhold-process.js';
import { type KeyholdProcess, startProcess } from '../support/process-journey.js';
import type { RegisteredClient } from '../support/relying-party.js';

const ROUNDS = Number(process.env.BATTERY_ROUNDS ?? 3);

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});

afterAll(async () => {
  killAll();
  await database.close();
});

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly closes: boolean;
}

/** One request on a connection that is kept where both sides want it. */
async function ask(agent: Agent, url: string, form?: string, authorization?: string): Promise<Answer> {
  const headers = {
    Accept: 'application/json',
    ...(form === undefined ? {} : { 'Content-Type': 'application/x-www-form-urlencoded' }),
    ...(authorization === undefined ? {} : { Authorization: authorization }),
  };
  const request = openRequest(url, { agent, method: form === undefined ? 'GET' : 'POST', headers });
  request.end(form);
  const [response] = await once(request, 'response');
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) body += chunk;
  return { status: response.statusCode, body, closes: response.headers.connection === 'close' };
}

function basic({ client_id, client_secret = '' }: RegisteredClient): string {
  return `Basic ${Buffer.from(`${encodeURIComponent(client_id)}:${encodeURIComponent(client_secret)}`).toString('base64')}`;
}

/** What callers behind a load balancer were told, and what went wrong for them. */
interface Ledger {
  readonly tokens: string[];
  readonly failures: string[];
}

const GRANT = 'grant_type=client_credentials';

/** A load balancer that asks every 50 ms whether it may send requests there, and eight callers behind it. */
async function loadUntilUnready(
  keyhold: KeyholdProcess,
  authorization: string,
  ledger: Ledger,
): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const probe = new Agent({ keepAlive: false });
  let isReady = true;
  const caller = async (): Promise<void> => {
    while (isReady) {
      try {
        const { status, body } = await ask(agent, `${keyhold.origin}/token`, GRANT, authorization);
        if (status === 200) ledger.tokens.push(JSON.parse(body).access_token);
        else ledger.failures.push(`${status} ${body}`);
      } catch (error) {
        ledger.failures.push(String(error));
      }
    }
  };
  const callers = Array.from({ length: 8 }, caller);
  while (isReady) {
    isReady = (await ask(probe, `${keyhold.origin}/health/ready`)).status === 200;
    await pause(50);
  }
  await Promise.all(callers);
  agent.destroy();
}

const PROCESSES = ['1', '2', '1'];

test.each(Array.from({ length: ROUNDS }, (_, at) => [at + 1, PROCESSES[at % 3] ?? '1'] as const))(
  'R03: a stop under load fails no request and loses no answer (round %i, %s processes)',
  async (_round, workers) => {
    const keyhold = await startProcess(database, { KEYHOLD_DRAIN_DELAY: '1', KEYHOLD_WORKERS: workers });
    const client = await keyhold.registerClient({
      client_name: 'Nightly report',
      grant_types: ['client_credentials'],
      token_endpoint_auth_method: 'client_secret_basic',
    });
    const authorization = basic(client);
    const ledger: Ledger = { tokens: [], failures: [] };
    const load = loadUntilUnready(keyhold, authorization, ledger);
    await until(() => ledger.tokens.length > 40);
    const ended = keyhold.stop();
    await load;
    expect(await ended).toMatchObject({ code: 0, err: '' });
    expect(ledger.failures).toEqual([]);
    const { rows } = await database.db.raw(
      'SELECT count(*)::int AS kept FROM client_credentials_tokens WHERE client_id = ?',
      [client.client_id],
    );
    expect(rows[0].kept).toBe(ledger.tokens.length);
  },
  60_000,
);

test('what is under way when the stop comes is finished, on a connection that ends with it', async () => {
  const keyhold = await startProcess(database);
  const idle = new Agent({ keepAlive: true });
  expect(await ask(idle, `${keyhold.origin}/jwks`)).toMatchObject({ status: 200, closes: false });
  const slow = openRequest(`${keyhold.origin}/token`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/x-www-form-urlencoded',
      'Content-Length': GRANT.length,
      /* The server says that it has begun with it. */
      Expect: '100-continue',
    },
    agent: new Agent({ keepAlive: true }),
  });
  const answered = once(slow, 'response');
  const begun = once(slow, 'continue');
  slow.flushHeaders();
  await begun;
  slow.write(GRANT.slice(0, 10));
  const ended = keyhold.stop();
  await until(() =>
    ask(new Agent(), `${keyhold.origin}/health/live`).then(
      () => false,
      () => true,
    ),
  );
  slow.end(GRANT.slice(10));
  const [response] = await answered;
  response.resume();
  expect([response.statusCode, response.headers.connection]).toEqual([400, 'close']);
  expect(await ended).toMatchObject({ code: 0, err: '' });
}, 30_000);
