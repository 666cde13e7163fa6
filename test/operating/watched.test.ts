import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openTestDatabase, type TestDatabase } from '../support/database.js';
import { personAt, signIn, signUp } from '../support/journeys.js';
import type { TestKeyhold } from '../support/keyhold.js';
import { type Ended, freePort, killAll } from '../support/keyhold-process.js';
import { codeIn } from '../support/mailbox.js';
import { type KeyholdProcess, openSink, type Sink, startProcess } from '../support/process-journey.js';
import { openRelyingParty } from '../support/relying-party.js';
import { csrfOf } from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

const EMAIL = 'ada.lovelace@example.org';
const WRONG = 'this is not the password of anybody';

let database: TestDatabase;
let sink: Sink;
let keyhold: KeyholdProcess;
let ended: Ended;
let scraped: string;
let clientId: string;
/** Everything that was secret or personal on the way. */
const secrets = new Set<string>([EMAIL, encodeURIComponent(EMAIL), 'Ada Lovelace', GOOD_PASSWORD, WRONG]);

/* One life of a process with everything switched on, as talkative as an operator would make it. */
beforeAll(async () => {
  database = await openTestDatabase();
  sink = await openSink();
  const metricsPort = await freePort();
  keyhold = await startProcess(database, {
    KEYHOLD_LOG_LEVEL: 'debug',
    KEYHOLD_METRICS_PORT: String(metricsPort),
    OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
    OTEL_SERVICE_NAME: 'keyhold-of-the-test',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
    OTEL_EXPORTER_OTLP_HEADERS: 'x-team=operators',
  });
  await journey();
  scraped = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  ended = await keyhold.stop();
}, 60_000);

afterAll(async () => {
  killAll();
  sink?.close();
  await database?.close();
});

function keep(...values: readonly (string | undefined)[]): void {
  for (const value of values) if (value && value.length >= 8) secrets.add(value);
}

async function journey(): Promise<void> {
  const app = await openRelyingParty(keyhold);
  clientId = app.clientId;
  keep(app.client.client_secret);
  const person = personAt(keyhold as unknown as TestKeyhold);
  await signUp(person, app, EMAIL, 'Ada Lovelace');
  const mail = await person.latestMail(EMAIL);
  keep(codeIn(mail), ...[...mail.text.matchAll(/\/link\/([\w-]+)/g)].map(found => found[1]));
  if (person.page.html.includes('Allow')) await person.press('Allow');
  keepTrail(person.trail);
  const tokens = await app.exchange();
  await expect(app.exchange()).rejects.toThrow();
  keep(tokens.access_token, tokens.id_token);

  const other = personAt(keyhold as unknown as TestKeyhold);
  await other.goto(await app.authorizationUrl({ login_hint: EMAIL }));
  keep(csrfOf(other));
  await signIn(other, EMAIL, WRONG);
  other.fill('Password', GOOD_PASSWORD);
  await other.press('Sign in');
  keepTrail(other.trail);
  const again = await app.exchange();
  keep(again.access_token, again.refresh_token, again.id_token);
  const refreshed = await app.refresh(again.refresh_token ?? '');
  keep(refreshed.access_token, refreshed.refresh_token, refreshed.id_token);
  await app.userInfo(refreshed);
  await app.introspect(refreshed.access_token);
  await expect(app.refresh(again.refresh_token ?? '')).rejects.toThrow();
  for (const each of [person, other]) {
    keep(...(await each.jar.getCookies(keyhold.origin)).map(({ value }) => value));
    keep(...(await each.cookies(`${keyhold.origin}/interaction/x`)).values());
  }
  const bad = { grant_type: 'authorization_code', code: 'not-a-code-of-anybody', client_id: clientId };
  keep(bad.code);
  await fetch(`${keyhold.origin}/token`, { method: 'POST', body: new URLSearchParams(bad) });
  await fetch(`${keyhold.origin}/nowhere/${encodeURIComponent(EMAIL)}?code=${bad.code}`);
  await fetch(`${keyhold.origin}/jwks`);
  await app.close();
}

function keepTrail(trail: readonly URL[]): void {
  for (const url of trail) keep(url.searchParams.get('code') ?? undefined);
}

function lines(): Record<string, unknown>[] {
  return ended.out
    .split('\n')
    .filter(line => line.startsWith('{'))
    .map(line => JSON.parse(line) as Record<string, unknown>);
}

function spans(): {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  attributes: object[];
}[] {
  return sink.received.flatMap(({ body }) =>
    JSON.parse(body).resourceSpans.flatMap((each: { scopeSpans: { spans: never[] }[] }) =>
      each.scopeSpans.flatMap(scope => scope.spans),
    ),
  );
}

test('C30: nothing secret and nobody’s name or address is in the log, the metrics or the traces', () => {
  expect(secrets.size).toBeGreaterThan(15);
  const written = [ended.out, ended.err, scraped, ...sink.received.map(({ body }) => body)].join('\n');
  expect([...secrets].filter(secret => written.includes(secret))).toEqual([]);
  expect(ended).toMatchObject({ code: 0, err: '' });
});

test('C51: each request is one line with its route, status, time, id and client', () => {
  const requests = lines().filter(({ msg }) => msg === 'request');
  expect(requests).toContainEqual({
    level: 'info',
    time: expect.any(String),
    msg: 'request',
    method: 'POST',
    route: '/interaction/:uid/password',
    status: 303,
    ms: expect.any(Number),
    requestId: expect.any(String),
    client: clientId,
  });
  const routes = requests.map(({ route, status }) => `${route} ${status}`);
  expect(routes).toEqual(
    expect.arrayContaining(['token 200', 'token 400', 'userinfo 200', '/jwks 200', 'none 404']),
  );
  expect(new Set(requests.map(({ requestId }) => requestId)).size).toBe(requests.length);
});

test('the metrics tell rates, latency, pools, queues, jobs, sign-ins and the process, with bounded labels', () => {
  for (const line of [
    /^keyhold_http_request_duration_seconds_count\{method="POST",route="token",status="200"\} 3$/m,
    /^keyhold_http_request_duration_seconds_bucket\{le="0.1",method="POST",route="token",status="200"\} \d+$/m,
    /^keyhold_database_connections\{pool="protocol",state="idle"\} \d+$/m,
    /^keyhold_database_waiting\{pool="rooms"\} 0$/m,
    /^keyhold_password_hash_queue 0$/m,
    /^keyhold_password_hash_refusals_total 0$/m,
    /^keyhold_job_duration_seconds_count\{job="send-mail",outcome="done"\} [1-9]/m,
    /^keyhold_jobs_waiting \d+$/m,
    /^keyhold_sign_ins_total\{way="password"\} 2$/m,
    /^keyhold_build_info\{version="[\d.]+",node="[\d.]+"\} 1$/m,
    /^nodejs_eventloop_lag_p99_seconds /m,
    /^process_resident_memory_bytes /m,
  ]) {
    expect(scraped).toMatch(line);
  }
  expect(scraped).not.toContain(clientId);
  const guide = readFileSync(fileURLToPath(new URL('../../../docs/operating.md', import.meta.url)), 'utf8');
  const named = [...scraped.matchAll(/^# TYPE (keyhold_\w+) /gm)].map(found => found[1] ?? '');
  expect(named.filter(name => !guide.includes(`\`${name}\``))).toEqual([]);
});

test('traces reach the collector: a request with its statements, and the jobs', () => {
  expect(sink.received.map(({ path }) => path)).toContain('/v1/traces');
  expect(sink.received[0]?.body).toContain('deployment.environment.name');
  expect(sink.received[0]?.body).toContain('keyhold-of-the-test');
  expect(sink.received[0]?.headers['x-team']).toBe('operators');
  const all = spans();
  const request = all.find(({ name }) => name === 'POST /interaction/:uid/identifier');
  const below = all.filter(({ parentSpanId }) => parentSpanId === request?.spanId);
  expect(below.length).toBeGreaterThan(0);
  expect(JSON.stringify(below)).toContain('postgresql');
  expect(all.map(({ name }) => name)).toEqual(expect.arrayContaining(['POST token', 'job send-mail']));
});
