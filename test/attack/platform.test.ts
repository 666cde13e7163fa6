import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openDatabase } from '../../src/platform/storage/db.js';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { peopleOnRecord } from '../support/ledger.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { memberOf, postScript, sendStep, toCredential, toPassword } from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

// E. What everything stands on: where something is missing, nobody is let in; what is for development is nowhere else.

let keyhold: TestKeyhold;
let house: RelyingParty;
const EMAIL = 'member@example.test';

beforeAll(async () => {
  keyhold = await startKeyhold({ RATE_LIMITS: 'on', LOG_LEVEL: 'fatal' });
  house = await openRelyingParty(keyhold, { first_party: true });
  await memberOf(keyhold, house, EMAIL);
});

afterAll(async () => {
  await house?.close();
  await keyhold?.close();
});

/** Lets something happen while a table is not to be had. */
async function without(table: string, act: () => Promise<void>): Promise<void> {
  const owner = openDatabase(keyhold.config.migrationDatabaseUrl);
  await owner.raw('ALTER TABLE ?? RENAME TO ??', [table, `${table}_gone`]);
  try {
    await act();
  } finally {
    await owner.raw('ALTER TABLE ?? RENAME TO ??', [`${table}_gone`, table]);
    await owner.destroy();
  }
}

test.each(['attempts', 'known_browsers'])(
  'C17: where tries cannot be counted (no %s) no password, no code, no mail and no challenge passes',
  async table => {
    const person = personAt(keyhold);
    await toPassword(person, house, EMAIL);
    const before = await peopleOnRecord(keyhold.db);
    const mails = await keyhold.db('email_proofs').count();
    await without(table, async () => {
      expect((await sendStep(person, '/password', { password: GOOD_PASSWORD })).status).toBe(500);
      expect((await sendStep(person, '/code/send', {})).status).toBe(500);
      expect((await sendStep(person, '/recovery', {})).status).toBe(500);
      expect((await postScript(person, '/passkey/options')).status).toBe(500);
    });
    expect(await peopleOnRecord(keyhold.db)).toBe(before);
    expect(await keyhold.db('email_proofs').count()).toEqual(mails);
  },
);

test('C17: where the list of known passwords cannot be asked no password is set', async () => {
  const person = personAt(keyhold);
  await toCredential(person, house, 'new@example.test');
  const before = await peopleOnRecord(keyhold.db);
  await without('blocked_passwords', async () => {
    expect((await sendStep(person, '/account', { password: GOOD_PASSWORD, terms: 'yes' })).status).toBe(500);
  });
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('C17: an address that makes no sense is one network, and limits hold for it', async () => {
  for (const forwarded of ['', 'unknown', '::', '1.2.3', ','.repeat(999), '127.0.0.1, <script>']) {
    const person = personAt(keyhold);
    await toPassword(person, house, EMAIL);
    const headers = { 'x-forwarded-for': forwarded };
    expect((await sendStep(person, '/password', { password: 'a wrong one' }, headers)).status).toBe(400);
  }
  const { rows } = await keyhold.db.raw("SELECT count FROM attempts WHERE subject LIKE 'password:network:%'");
  expect(rows).toEqual([{ count: 6 }]);
});

test('C54: what is for development is not there in production', async () => {
  const production = await startKeyhold({
    ISSUER: 'https://id.example.test',
    SMTP_URL: 'smtps://127.0.0.1:9',
    SECRET: randomBytes(32).toString('base64'),
    LOG_LEVEL: 'fatal',
  });
  const status = (path: string) =>
    new Promise<number>((resolve, reject) => {
      const headers = { host: 'id.example.test', accept: 'text/html' };
      request({ host: 'localhost', port: production.port, path, headers }, response => {
        response.resume();
        resolve(response.statusCode ?? 0);
      })
        .on('error', reject)
        .end();
    });
  for (const path of ['/dev/mailbox', '/dev/mailbox/x', '/metrics', '/debug', '/.env', '/setup', '/admin'])
    expect([path, await status(path)]).toEqual([path, 404]);
  expect(await status('/')).toBe(200);
  expect(production.config.rateLimits).toBe(true);
  await production.close();
});

/* Names of tables, columns and conditions, each a constant in the function that writes them. */
const OF_OURS = new Set([
  'right',
  'spent',
  'table',
  'column',
  'condition',
  'merged',
  'stretchOf',
  'whose',
  'filtered',
  'before',
  'selection',
  'where',
  'by',
]);

test('C50: what somebody sent is bound in every statement and never written into one', () => {
  const src = fileURLToPath(new URL('../../../src/', import.meta.url));
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.ts'));
  const written = files.flatMap(file => {
    const text = readFileSync(join(src, file), 'utf8');
    const statements = text.matchAll(/\braw(?:<[^(]*>)?\(\s*`([^`]*)`/g);
    return [...statements].flatMap(([, sql = '']) =>
      [...sql.matchAll(/\$\{([^}]*)\}/g)]
        .map(([, name = '']) => name)
        .filter(
          name =>
            !/^[A-Z][A-Z_]*( - 1|\('\w'\)|\.replaceAll\(.*\))?$/.test(name) &&
            !OF_OURS.has(name.replace(/\(.*/, '')),
        )
        .map(name => `${file}: ${name}`),
    );
  });
  expect(written).toEqual([]);
});

test('C51: bytes that are no HTTP, and requests that break off, write nothing but lines of the log', async () => {
  const written: unknown[] = [];
  const { error } = console;
  console.error = (...said: unknown[]) => void written.push(said);
  try {
    const head = `Host: ${new URL(keyhold.origin).host}\r\nContent-Type: application/x-www-form-urlencoded\r\n`;
    for (const bytes of [
      `POST /token HTTP/1.1\r\n${head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
      `POST /token HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n`,
      `POST /sign-out HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\n5\r\nab`,
      `POST /sign-out HTTP/1.1\r\n${head}Content-Length: 90\r\n\r\nab`,
      `GET /authorize HTTP/1.1\r\n${head}X-Ray: a\r\n b\r\n\r\n`,
      '\u0000\u0001\r\n\r\n',
    ]) {
      const socket = connect(keyhold.port, 'localhost').on('error', () => undefined);
      socket.write(bytes);
      socket.resume();
      await Promise.race([once(socket, 'close'), pause(300)]);
      socket.destroy();
    }
    await pause(200);
  } finally {
    console.error = error;
  }
  expect(written).toEqual([]);
  expect((await fetch(`${keyhold.origin}/health/live`)).status).toBe(200);
});
