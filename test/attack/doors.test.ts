import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import Router from '@koa/router';
import { fetch } from 'undici';
import { ACCOUNT_SCOPES } from '../../src/domain/resources/resources.js';
import type { Parts } from '../../src/journeys/journey.js';
import { ACCOUNT_PAGES, API_OPERATIONS, accountRoutes } from '../../src/journeys/manage/routes.js';
import { accountToken } from '../support/account-api.js';
import { DOORS, type DoorEntry, OPEN, type Owner } from '../support/door-table.js';
import { jobsDone } from '../support/jobs.js';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { EVERY_SCOPE, headersOf, openOwner, tidyContacts } from '../support/owner.js';
import { signInBeside } from '../support/people.js';
import type { Person } from '../support/person.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { csrfOf } from '../support/steps.js';

// Every route of the account with everybody who might come: the routes are the router's, what each needs stands in DOORS.

const OWNER = 'owner@example.test';
const OTHER = 'other@example.test';

const router = new Router();
accountRoutes(router, {} as Parts);
const listed = router.stack
  .filter(({ path }) => !String(path).includes('*'))
  .flatMap(({ path, methods }) =>
    methods.filter(method => method !== 'HEAD').map(method => `${method} ${path}`),
  );
const pages = ACCOUNT_PAGES.map(page => [`${page.method} ${page.path}`, page] as const);
const operations = API_OPERATIONS.map(one => [`${one.method} ${one.path}`, one] as const);

let keyhold: TestKeyhold;
let app: RelyingParty;
let ownerId: string;
let otherId: string;
/** Browsers: nobody, the owner, somebody else, and both with the pages about somebody else. */
let nobody: Person;
let owner: Person;
let other: Person;
let both: Person;
let asked: Owner;
/** The token of each browser's forms. */
const tokens = new Map<Person, string>();

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, { scope: `openid profile email ${EVERY_SCOPE}` });
  owner = await newMember(keyhold, app, OWNER);
  other = await newMember(keyhold, app, OTHER);
  [ownerId, otherId] = await Promise.all([accountOf(keyhold.db, OWNER), accountOf(keyhold.db, OTHER)]);
  both = personAt(keyhold);
  for (const email of [OWNER, OTHER]) await signInBeside(both, app, email);
  nobody = personAt(keyhold);
  for (const person of [nobody, owner, other, both]) await person.goto(new URL('/account', keyhold.origin));
  await both.press(OTHER);
  for (const person of [nobody, owner, other, both]) tokens.set(person, csrfOf(person));
  asked = openOwner({ keyhold, app, person: owner, accountId: ownerId, csrf: csrfOf(owner) });
});

beforeEach(async () => {
  await signedIn(0);
  await tidyContacts(keyhold, ownerId, OWNER);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

/** As if everybody had signed in so many seconds ago, and nobody had been signed out since. */
async function signedIn(ago: number): Promise<void> {
  const login_ts = Math.floor(Date.now() / 1000) - ago;
  await keyhold.db('sessions').update({ login_ts, ended_at: null, ended_reason: null });
}

interface Tried {
  readonly status: number;
  readonly location: string;
  readonly text: string;
  readonly code: string | undefined;
  readonly challenge: string;
}

async function send(
  route: string,
  path: string,
  headers: Record<string, string>,
  body?: string,
): Promise<Tried> {
  const [method = 'GET'] = route.split(' ');
  const answer = await fetch(new URL(path, keyhold.origin), {
    method,
    redirect: 'manual',
    headers,
    ...(body !== undefined && method !== 'GET' && { body }),
  });
  const text = await answer.text();
  const code = text.startsWith('{') ? (JSON.parse(text) as { code?: string }).code : undefined;
  const [location = '', challenge = ''] = ['location', 'www-authenticate'].map(
    name => answer.headers.get(name) ?? '',
  );
  return { status: answer.status, location, text, code, challenge };
}

function entryOf(route: string): DoorEntry {
  const entry = DOORS[route];
  if (!entry) throw new Error(`${route} is not in the table of doors`);
  return entry;
}

const freshToken = () => accountToken(keyhold, owner, app, EVERY_SCOPE);

async function pathOf(route: string): Promise<string> {
  const { named, params: make } = entryOf(route);
  const params: Readonly<Record<string, string>> = { ...named, ...(await make?.(asked)) };
  const path = route.split(' ')[1] ?? '';
  return path.replace(/:(\w+)/g, (_, name: string) => {
    if (params[name] === undefined) throw new Error(`the table of doors has no ${name} for ${route}`);
    return params[name];
  });
}

interface Forged {
  readonly csrf?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

async function visit(
  person: Person,
  route: string,
  path: string,
  madeFor: string,
  { csrf = tokens.get(person), headers: more }: Forged = {},
): Promise<Tried> {
  const { sent = {}, upload } = entryOf(route);
  const fields = { ...sent, csrf, for: madeFor };
  const headers = { ...(await headersOf(person, keyhold.origin, path)), ...more };
  if (!upload) {
    const written = Object.entries(fields).map(([name, value]) => [name, String(value)]);
    return send(route, path, headers, new URLSearchParams(written).toString());
  }
  const part = ([name, value]: [string, unknown]) =>
    `--edge\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  const multipart = { ...headers, 'content-type': 'multipart/form-data; boundary=edge' };
  return send(route, path, multipart, `${Object.entries(fields).map(part).join('')}--edge--\r\n`);
}

function call(route: string, path: string, token: string | undefined, more: Record<string, string> = {}) {
  const headers = {
    'content-type': 'application/json',
    ...(token && { authorization: `Bearer ${token}` }),
    ...more,
  };
  return send(route, path, headers, JSON.stringify(entryOf(route).sent ?? {}));
}

let tables: readonly string[] = [];

/** All that is on record about an account, except what happened, and copies, which go on being made by themselves. */
async function recordOf(accountId: string): Promise<string> {
  if (tables.length === 0) {
    const { rows } = await keyhold.db.raw<{ rows: { name: string }[] }>(
      `SELECT c.table_name AS name FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
       WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.column_name = 'account_id'
         AND c.table_name NOT LIKE 'events%' AND c.table_name NOT LIKE 'export%' ORDER BY 1`,
    );
    tables = rows.map(({ name }) => name);
  }
  const parts = tables.map(name => {
    /* A message that an earlier act left is delivered whenever it is. */
    const column = name === 'messages' ? 't.id' : 't';
    return `SELECT '${name}: ' || coalesce(string_agg(${column}::text, E'\n' ORDER BY ${column}::text), '') AS text
      FROM "${name}" t WHERE account_id::text = :accountId`;
  });
  const { rows } = await keyhold.db.raw<{ rows: { text: string }[] }>(parts.join(' UNION ALL '), {
    accountId,
  });
  return rows.map(({ text }) => text).join('\n');
}

/** Refused means that nothing of the owner's has changed. */
async function unchanged<Outcome>(act: () => Promise<Outcome>): Promise<Outcome> {
  await jobsDone(keyhold.db);
  const before = await recordOf(ownerId);
  const tried = await act();
  expect(await recordOf(ownerId)).toBe(before);
  return tried;
}

const asksWho = (max_age: string | null) => (tried: Tried) => {
  const url = new URL(tried.location, keyhold.origin);
  expect([tried.status, url.pathname, url.searchParams.get('client_id')]).toEqual([
    303,
    '/authorize',
    'keyhold-account',
  ]);
  expect(url.searchParams.get('max_age')).toBe(max_age);
};

test('C48: every route of the account is in the table of doors, and the table names no other', () => {
  expect(listed.filter(route => !(route in DOORS) && !(route in OPEN))).toEqual([]);
  expect([...Object.keys(DOORS), ...Object.keys(OPEN)].filter(route => !listed.includes(route))).toEqual([]);
  expect([...pages, ...operations].map(([route]) => route).sort()).toEqual(Object.keys(DOORS).sort());
});

test.each(pages)('C48: %s: nobody is asked who they are', async route => {
  const path = await pathOf(route);
  asksWho(null)(await unchanged(() => visit(nobody, route, path, ownerId)));
});

test.each(pages)(
  'C48: %s: somebody else reaches nothing of it, in a browser of their own or in the same',
  async (route, page) => {
    const path = await pathOf(route);
    const { params, stranger = 404 } = entryOf(route);
    for (const person of [other, both]) {
      /* They may sign themselves out, in the one browser from the other. */
      await signedIn(0);
      const tried = await unchanged(() => visit(person, route, path, otherId));
      expect(tried.text).not.toContain(OWNER);
      if (params && page.path.includes(':')) expect([route, tried.status]).toEqual([route, stranger]);
      else expect([route, tried.status]).not.toEqual([route, 500]);
      if (page.method === 'GET') continue;
      const forged = await unchanged(() => visit(person, route, path, ownerId));
      expect([route, forged.status]).toEqual([route, 409]);
    }
  },
);

test.each(pages)(
  'C23: %s: a session of ten minutes ago suffices for what is not sensitive, and for nothing else',
  async (route, page) => {
    const path = await pathOf(route);
    await signedIn(600);
    if (page.sensitive) return asksWho('180')(await unchanged(() => visit(owner, route, path, ownerId)));
    const { status } = await visit(owner, route, path, ownerId);
    expect([route, status]).toEqual([route, entryOf(route).owner]);
  },
);

/** Lets `act` happen while the owner has a second factor that they have not shown in any session. */
async function withoutSecondStep<T>(act: () => Promise<T>): Promise<T> {
  await keyhold.db('accounts').where({ id: ownerId }).update({ second_step: true });
  const acr = await keyhold.db('sessions').where({ account_id: ownerId }).first('acr');
  await keyhold.db('sessions').where({ account_id: ownerId }).update({ acr: 'aal1' });
  try {
    return await act();
  } finally {
    await keyhold.db('accounts').where({ id: ownerId }).update({ second_step: false });
    await keyhold.db('sessions').where({ account_id: ownerId }).update(acr);
  }
}

test.each(pages.filter(([, { sensitive }]) => sensitive))(
  'C13, C15: %s: a session of this minute does not suffice for whoever has a second factor and did not show it',
  async route => {
    const path = await pathOf(route);
    const tried = await withoutSecondStep(() => unchanged(() => visit(owner, route, path, ownerId)));
    asksWho('180')(tried);
    expect(new URL(tried.location, keyhold.origin).searchParams.get('acr_values')).toBe('aal2');
  },
);

test.each(pages.filter(([, { method }]) => method === 'POST'))(
  'C20: %s: a form without the token of its browser, or from elsewhere, does nothing',
  async route => {
    const path = await pathOf(route);
    const forgeries: readonly Forged[] = [
      { csrf: '' },
      { csrf: tokens.get(other) },
      { headers: { origin: 'https://evil.example' } },
      { headers: { 'sec-fetch-site': 'cross-site' } },
      { headers: { 'sec-fetch-site': 'same-site' } },
    ];
    for (const forged of forgeries) {
      const tried = await unchanged(() => visit(owner, route, path, ownerId, forged));
      expect([route, forged, tried.status]).toEqual([route, forged, 403]);
    }
  },
);

test.each(pages)('%s: its owner is answered', async route => {
  const tried = await visit(owner, route, await pathOf(route), ownerId);
  expect([route, tried.status]).toEqual([route, entryOf(route).owner]);
});

test.each(operations)('C48: %s: without a token, and by a cookie alone, nobody is answered', async route => {
  const path = await pathOf(route);
  const cookie = await owner.jar.getCookieString(new URL(path, keyhold.origin).href);
  for (const headers of [{}, { cookie, 'sec-fetch-site': 'same-origin' }]) {
    const tried = await unchanged(() => call(route, path, undefined, headers));
    expect([route, tried.status, tried.code]).toEqual([route, 401, 'token_missing']);
  }
});

test.each(operations)("C48: %s: somebody else's token reaches nothing of it", async (route, one) => {
  const path = await pathOf(route);
  const otherToken = await accountToken(keyhold, other, app, EVERY_SCOPE);
  const tried = await unchanged(() => call(route, path, otherToken));
  expect(tried.text).not.toContain(OWNER);
  const { params, stranger = 404 } = entryOf(route);
  if (params && one.path.includes(':')) expect([route, tried.status]).toEqual([route, stranger]);
  const cookie = await owner.jar.getCookieString(new URL(path, keyhold.origin).href);
  const mixed = await unchanged(() => call(route, path, otherToken, { cookie }));
  expect(mixed.text).not.toContain(OWNER);
});

test.each(operations)('C40: %s: a token with every other scope does not suffice', async (route, one) => {
  const path = await pathOf(route);
  const scopes = ACCOUNT_SCOPES.filter(scope => scope !== one.scope).join(' ');
  const token = await accountToken(keyhold, owner, app, scopes);
  const tried = await unchanged(() => call(route, path, token));
  expect([route, tried.status, tried.code]).toEqual([route, 403, 'insufficient_scope']);
});

test.each(operations)(
  'C23: %s: a token of ten minutes ago suffices for what is not sensitive, and for nothing else',
  async (route, one) => {
    const path = await pathOf(route);
    await signedIn(600);
    const stale = await accountToken(keyhold, owner, app, EVERY_SCOPE);
    if (!one.sensitive)
      return expect([route, (await call(route, path, stale)).status]).toEqual([route, entryOf(route).owner]);
    const tried = await unchanged(() => call(route, path, stale));
    expect([route, tried.status, tried.code]).toEqual([route, 401, 'insufficient_user_authentication']);
  },
);

test.each(operations.filter(([, { sensitive }]) => sensitive))(
  'C13, C15: %s: a token of this minute does not suffice without the second step of whoever has one',
  async route => {
    const path = await pathOf(route);
    const tried = await withoutSecondStep(async () => {
      const token = await freshToken();
      return unchanged(() => call(route, path, token));
    });
    expect([route, tried.status, tried.code]).toEqual([route, 401, 'insufficient_user_authentication']);
    expect(tried.challenge).toContain('acr_values="aal2"');
  },
);

test.each(operations)(
  '%s: its owner is answered, and what is not asked for by name is refused',
  async (route, one) => {
    const token = await freshToken();
    const tried = await call(route, await pathOf(route), token);
    expect([route, tried.status]).toEqual([route, entryOf(route).owner]);
    const path = await pathOf(route);
    const query = await unchanged(() => call(route, `${path}?account_id=${otherId}`, token));
    expect([route, query.status, query.code]).toEqual([route, 400, 'invalid_input']);
    if (!one.input) return;
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    for (const name of ['account_id', 'id', 'sub', 'state', '__proto__', 'constructor']) {
      const body = JSON.stringify({ ...entryOf(route).sent }).replace(
        /^\{(?=.)/,
        `{${JSON.stringify(name)}:{"a":1}${entryOf(route).sent ? ',' : ''}`,
      );
      const refused = await unchanged(() => send(route, path, headers, body));
      expect([route, name, refused.status]).toEqual([route, name, 400]);
    }
  },
);

test('C22: a session that has ended opens nothing', async () => {
  const token = await freshToken();
  const paths = new Map<string, string>();
  for (const [route] of [...pages, ...operations]) paths.set(route, await pathOf(route));
  await keyhold
    .db('sessions')
    .where({ account_id: ownerId })
    .update({ ended_at: new Date(), ended_reason: 'operator' });
  await unchanged(async () => {
    for (const [route] of pages) {
      const tried = await visit(owner, route, paths.get(route) ?? '', ownerId);
      const { pathname } = new URL(tried.location, keyhold.origin);
      expect([route, tried.status, pathname]).toEqual([route, 303, '/authorize']);
    }
    for (const [route] of operations) {
      const tried = await call(route, paths.get(route) ?? '', token);
      expect([route, tried.status, tried.code]).toEqual([route, 401, 'invalid_token']);
    }
  });
});
