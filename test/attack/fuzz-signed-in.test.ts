import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { fetch } from 'undici';
import { ACCOUNT_PAGES, API_OPERATIONS } from '../../src/journeys/manage/routes.js';
import { accountToken } from '../support/account-api.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import type { Person } from '../support/person.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { csrfOf } from '../support/steps.js';

// What somebody who is signed in may send to the pages and the API of their account: nothing fails, and nobody else's
// account is touched. FUZZ_SEED plays a run again, FUZZ_TIMES makes it longer.

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_122);
const TIMES = Number(process.env['FUZZ_TIMES'] ?? 1);
const PATIENCE = 90_000 * TIMES;
const [EVE, BEA] = ['eve@example.test', 'bea@example.test'] as const;

let keyhold: TestKeyhold;
let app: RelyingParty;
let eve: Person;
let token: string;
let bea: string;
let own: string;
let csrf: string;

beforeAll(async () => {
  keyhold = await startKeyhold({ LOG_LEVEL: 'fatal' });
  const scopes = new Set(API_OPERATIONS.flatMap(({ scope }) => scope));
  const scope = [...scopes].join(' ');
  app = await openRelyingParty(keyhold, {
    first_party: true,
    scope: `openid profile email offline_access ${scope}`,
  });
  await newMember(keyhold, app, BEA);
  eve = await newMember(keyhold, app, EVE);
  bea = await accountOf(keyhold.db, BEA);
  own = await accountOf(keyhold.db, EVE);
  token = await accountToken(keyhold, eve, app, scope);
  await eve.goto(`${keyhold.origin}/account`);
  csrf = csrfOf(eve);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

/** The names of the fields of all our forms. */
const NAMES = new Set(
  readdirSync('views', { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ejs'))
    .flatMap(name => [...readFileSync(`views/${name}`, 'utf8').matchAll(/name(?:="|: ')([a-z][\w-]*)["']/g)])
    .map(([, name = '']) => name),
);

const ODD = fc.constantFrom('\u0000', '\ud800', '\u202e', '%00', '\\', '"', '<', '\r\n', '😀', ' ', '+', '=');
const anything = () =>
  fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.array(ODD, { maxLength: 6 }).map(parts => parts.join('')),
    fc.constantFrom('', 'null', '-1', '1e999', 'yes', 'en', '__proto__', '{}', '[]', 'a'.repeat(5_000)),
    fc.constantFrom(BEA, EVE, '+493012345678', 'new@example.test', '2001-02-03'),
    fc.constantFrom('bea', 'own').map(whose => (whose === 'bea' ? bea : own)),
    fc.uuid(),
  );

/** All that is on record about somebody. */
async function recordOf(id: string): Promise<string> {
  const { rows } = await keyhold.db.raw<{ rows: { name: string }[] }>(
    `SELECT table_name AS name FROM information_schema.columns
     WHERE table_schema = 'public' AND column_name = 'account_id' AND table_name NOT LIKE 'events%'
       AND table_name NOT LIKE '%snapshots' ORDER BY 1`,
  );
  const found = await Promise.all(
    rows.map(async ({ name }) => JSON.stringify([name, await keyhold.db(name).where({ account_id: id })])),
  );
  return found.join('\n');
}

const fill = (path: string, segment: string) =>
  path.replace(/[:{][\w/*]+}?/g, encodeURIComponent(segment.toWellFormed() || 'x'));

async function answers(path: string, init: Parameters<typeof fetch>[1]): Promise<number> {
  const answer = await fetch(keyhold.origin + path, { redirect: 'manual', ...init });
  const text = await answer.text();
  if (answer.status >= 500) {
    throw new Error(
      `${init?.method} ${path} answered ${answer.status}: ${text.slice(0, 300)}\n${init?.body}`,
    );
  }
  return answer.status;
}

test(
  'C15, C48, C49: whatever somebody who is signed in sends, no page and no form of the account fails, and it is theirs alone',
  async () => {
    const before = await recordOf(bea);
    const page = fc.constantFrom(...ACCOUNT_PAGES);
    const name = fc.oneof(
      fc.constantFrom(...NAMES),
      fc.constantFrom('account_id', 'id', '__proto__', 'verified'),
    );
    const fields = fc.array(fc.tuple(name, anything()), { maxLength: 6 });
    const seen = new Set<number>();
    const property = fc.asyncProperty(page, fields, anything(), async ({ method, path }, pairs, segment) => {
      const url = fill(path, segment);
      const query = new URLSearchParams(pairs.map(pair => pair.map(text => text.toWellFormed())) as never);
      const cookie = await eve.jar.getCookieString(keyhold.origin + url);
      const headers = { cookie, accept: 'text/html', 'sec-fetch-site': 'same-origin' };
      if (method === 'GET') {
        seen.add(await answers(`${url}?${query.toString().slice(0, 4_000)}`, { method, headers }));
        return;
      }
      const body = new URLSearchParams([['csrf', csrf], ['for', own], ...query]).toString();
      const type = 'application/x-www-form-urlencoded';
      seen.add(await answers(url, { method, body, headers: { ...headers, 'content-type': type } }));
    });
    await fc.assert(property, { seed: SEED, numRuns: 400 * TIMES });
    /* It did come through the door. */
    expect(seen).toContain(200);
    expect(seen).toContain(303);
    expect(await recordOf(bea)).toBe(before);
  },
  PATIENCE,
);

test(
  'C48, C49: whatever an app sends with somebody’s token, no operation of the API fails, and it is theirs alone',
  async () => {
    const before = await recordOf(bea);
    const operation = fc.constantFrom(...API_OPERATIONS);
    const body = fc.oneof(
      fc.jsonValue({ maxDepth: 3 }),
      fc.dictionary(fc.oneof(fc.constantFrom(...NAMES), fc.constantFrom('account_id', 'state')), anything()),
    );
    const query = fc.array(fc.tuple(fc.constantFrom('after', 'limit', 'before', 'id', 'x'), anything()), {
      maxLength: 3,
    });
    const property = fc.asyncProperty(
      operation,
      body,
      query,
      anything(),
      async ({ method, path }, json, pairs, segment) => {
        const parameters = new URLSearchParams(
          pairs.map(pair => pair.map(text => text.toWellFormed())) as never,
        );
        const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
        await answers(`${fill(path, segment)}?${parameters.toString().slice(0, 4_000)}`, {
          method,
          headers,
          ...(method !== 'GET' && { body: JSON.stringify(json) }),
        });
      },
    );
    await fc.assert(property, { seed: SEED, numRuns: 400 * TIMES });
    expect(await recordOf(bea)).toBe(before);
  },
  PATIENCE,
);
