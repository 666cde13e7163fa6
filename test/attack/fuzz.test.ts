import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Agent, type Dispatcher, fetch } from 'undici';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import type { Person } from '../support/person.js';
import type { RegisteredClient } from '../support/relying-party.js';
import { engineRoutes, ownRoutes, type Route } from '../support/routes.js';
import { csrfOf, requestPath } from '../support/steps.js';

// Whatever comes, nothing fails, hangs or goes unhandled. FUZZ_SEED plays a run again, FUZZ_TIMES makes it longer.

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_121);
const TIMES = Number(process.env['FUZZ_TIMES'] ?? 1);
const PATIENCE = 60_000 * TIMES;
const REGISTERED = 'https://app.example.test/callback?tenant=1';

let keyhold: TestKeyhold;
let client: RegisteredClient;
let person: Person;
let engine: readonly Route[];
let agent: Dispatcher;
const unhandled: unknown[] = [];
const note = (reason: unknown) => void unhandled.push(reason);

beforeAll(async () => {
  console.info(`FUZZ_SEED=${SEED} FUZZ_TIMES=${TIMES}`);
  process.on('unhandledRejection', note);
  engine = await engineRoutes();
  keyhold = await startKeyhold({ LOG_LEVEL: 'fatal' });
  client = await keyhold.registerClient({
    client_name: 'App',
    redirect_uris: [REGISTERED],
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
    token_endpoint_auth_method: 'client_secret_post',
    scope: 'openid profile email offline_access',
  });
  agent = new Agent({ connections: 8, headersTimeout: 20_000, bodyTimeout: 20_000 });
  person = personAt(keyhold);
  await person.goto(authorization({}));
});

afterAll(async () => {
  process.off('unhandledRejection', note);
  await agent?.close();
  await keyhold?.close();
  expect(unhandled).toEqual([]);
});

function authorization(more: Readonly<Record<string, string>>): URL {
  const url = new URL('/authorize', keyhold.issuer);
  url.search = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: REGISTERED,
    response_type: 'code',
    scope: 'openid',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
    ...more,
  }).toString();
  return url;
}

type Init = NonNullable<Parameters<typeof fetch>[1]>;

/** An answer within the time that any may take. */
async function ask(url: string | URL, init: Init = {}) {
  const answer = await fetch(url, {
    redirect: 'manual',
    dispatcher: agent,
    signal: AbortSignal.timeout(20_000),
    ...init,
    headers: { accept: 'text/html', ...(init.headers as Record<string, string> | undefined) },
  });
  return { status: answer.status, location: answer.headers.get('location'), text: await answer.text() };
}

async function neverFails(url: string | URL, init: Init = {}): Promise<void> {
  const { status, text } = await ask(url, init);
  if (status >= 500)
    throw new Error(`${init.method ?? 'GET'} ${url} answered ${status}: ${text.slice(0, 300)}`);
}

const always = (property: fc.IAsyncProperty<never> | fc.IAsyncProperty<unknown[]>, runs: number) =>
  fc.assert(property as fc.IAsyncProperty<unknown[]>, { seed: SEED, numRuns: runs * TIMES });

const ODD = fc.constantFrom(
  '\u0000',
  '\ud800',
  '\u202e',
  '%00',
  '%',
  '\\',
  '"',
  "'",
  '<',
  '\r\n',
  'ſ',
  '😀',
  ' ',
);
const anything = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.array(ODD, { maxLength: 6 }).map(parts => parts.join('')),
  fc.json({ maxDepth: 3 }),
  fc.constantFrom('', 'null', '-1', '1e999', 'NaN', '__proto__', '{}', '[]', 'a'.repeat(9_000)),
);

test(
  'C25: of a thousand changes of a redirect URI none passes for it',
  async () => {
    const piece = fc.oneof(
      fc.string({ maxLength: 4, unit: fc.constantFrom(...'/.:@?#&%\\;2ea=T \t\n0*[]') }),
      fc.constantFrom(
        '..;/',
        '%2e%2e/',
        '%252f',
        '//',
        '@evil.test',
        ':443',
        '.',
        '%00',
        '\u200b',
        'ａ',
        '#',
      ),
      fc.string({ maxLength: 3, unit: 'grapheme' }),
    );
    const cut = fc.record({ at: fc.nat(REGISTERED.length), cut: fc.integer({ min: 0, max: 4 }), put: piece });
    const changed = fc.oneof(
      cut.map(
        change => REGISTERED.slice(0, change.at) + change.put + REGISTERED.slice(change.at + change.cut),
      ),
      fc.nat(REGISTERED.length - 1).map(at => {
        const letter = REGISTERED.charAt(at);
        const other = letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase();
        return REGISTERED.slice(0, at) + other + REGISTERED.slice(at + 1);
      }),
      fc.nat(REGISTERED.length - 1).map(at => {
        const encoded = `%${REGISTERED.charCodeAt(at).toString(16)}`;
        return REGISTERED.slice(0, at) + encoded + REGISTERED.slice(at + 1);
      }),
      anything,
    );
    const property = fc.asyncProperty(
      fc.array(
        changed.filter(uri => uri !== REGISTERED && new URLSearchParams({ u: uri }).get('u') !== REGISTERED),
        { minLength: 10, maxLength: 10 },
      ),
      async uris => {
        const answers = await Promise.all(uris.map(redirect_uri => ask(authorization({ redirect_uri }))));
        expect(answers.map(({ status, location }) => [status, location])).toEqual(
          uris.map(() => [400, null]),
        );
      },
    );
    await always(property as never, 110);
  },
  PATIENCE,
);

const CLAIMS = fc.oneof(
  fc.json(),
  fc
    .record(
      {
        id_token: fc.dictionary(fc.constantFrom('acr', 'sub', 'email', '__proto__', 'x'), fc.jsonValue()),
        userinfo: fc.oneof(fc.jsonValue(), fc.dictionary(anything, fc.jsonValue())),
      },
      { requiredKeys: [] },
    )
    .map(value => JSON.stringify(value)),
  anything,
);

test(
  'C52: no scope, no claims request and no other parameter makes an authorization request fail',
  async () => {
    const parameters = fc.record(
      {
        scope: fc.oneof(
          anything,
          fc.array(fc.constantFrom('openid', 'profile', 'x', '\u0000')).map(s => s.join(' ')),
        ),
        claims: CLAIMS,
        prompt: fc.constantFrom('none', 'login', 'consent create', 'select_account', 'x'),
        acr_values: anything,
        max_age: anything,
        ui_locales: anything,
        login_hint: anything,
        id_token_hint: anything,
        resource: anything,
        response_mode: anything,
        state: anything,
        nonce: anything,
      },
      { requiredKeys: [] },
    );
    const property = fc.asyncProperty(parameters, async given => {
      const sent = Object.entries(given).map(([name, value]) => [name, String(value).toWellFormed()]);
      await neverFails(authorization(Object.fromEntries(sent)));
    });
    await always(property as never, 400);
  },
  PATIENCE,
);

test(
  'C52: no cookie makes a page fail',
  async () => {
    const name = fc.constantFrom(
      'keyhold_people',
      'keyhold_browser',
      'keyhold_known',
      'keyhold_form',
      'keyhold_interaction',
      'keyhold_interaction.sig',
      'keyhold_resume',
      'keyhold_resume.sig',
      'keyhold_session',
      'keyhold_language',
      'keyhold_passkey_later',
      '__proto__',
    );
    const value = fc.oneof(
      fc.string({ unit: fc.constantFrom(...'abcXYZ019_-.%="\\{}[]~'), maxLength: 60 }),
      fc.constantFrom('', 'a'.repeat(43), 'j:{}', '%00', '%E0%A4%A', 'a'.repeat(4_000)),
    );
    const path = fc.constantFrom(
      '/',
      '/sign-out',
      '/authorize',
      '/authorize/x',
      '/end-session',
      '/interaction/x',
      requestPath(person),
    );
    const property = fc.asyncProperty(
      path,
      fc.array(fc.tuple(name, value), { maxLength: 5 }),
      (at, cookies) =>
        neverFails(keyhold.origin + at, {
          headers: { cookie: cookies.map(pair => pair.join('=')).join('; ') },
        }),
    );
    await always(property as never, 300);
  },
  PATIENCE,
);

test(
  'C42: no token, hint, assertion or proof makes an endpoint fail, and none is taken',
  async () => {
    const encoded = (value: unknown) => Buffer.from(JSON.stringify(value) ?? '').toString('base64url');
    const header = fc.oneof(
      fc.record(
        {
          alg: fc.oneof(fc.constantFrom('none', 'None', 'HS256', 'RS256', 'ES256', 'EdDSA'), fc.jsonValue()),
          typ: fc.oneof(fc.constantFrom('JWT', 'at+jwt', 'dpop+jwt', 'logout+jwt'), fc.jsonValue()),
          kid: fc.jsonValue(),
          jwk: fc.oneof(
            fc.jsonValue(),
            fc.constant({ kty: 'oct', k: 'AA' }),
            fc.constant({ kty: 'EC', crv: 'P-256' }),
          ),
          jku: fc.constant('http://127.0.0.1:9/jwks'),
          x5u: fc.constant('http://127.0.0.1:9/x5u'),
          crit: fc.jsonValue(),
          b64: fc.boolean(),
          zip: fc.constant('DEF'),
        },
        { requiredKeys: [] },
      ),
      fc.jsonValue(),
    );
    const claims = fc.record(
      {
        iss: fc.oneof(fc.constant(client.client_id), fc.constant(keyhold.issuer), fc.jsonValue()),
        sub: fc.oneof(fc.constant(client.client_id), fc.jsonValue()),
        aud: fc.oneof(fc.constant(keyhold.issuer), fc.jsonValue()),
        exp: fc.oneof(fc.constant(4_000_000_000), fc.jsonValue()),
        iat: fc.jsonValue(),
        jti: fc.jsonValue(),
        htm: fc.constant('POST'),
        htu: fc.constant(`${keyhold.issuer}/token`),
      },
      { requiredKeys: [] },
    );
    const signature = fc.oneof(fc.constant(''), fc.base64String({ maxLength: 90 }), fc.constant('AAAA'));
    const jwt = fc.oneof(
      fc.tuple(header, claims, signature).map(([h, c, s]) => `${encoded(h)}.${encoded(c)}.${s}`),
      fc.string({ unit: fc.constantFrom(...'aeyJ._-=019'), minLength: 1, maxLength: 60 }),
    );
    const property = fc.asyncProperty(jwt, async token => {
      const form = (fields: Record<string, string>, headers = {}) => ({
        method: 'POST',
        body: new URLSearchParams(fields).toString(),
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      });
      const secret = { client_id: client.client_id, client_secret: client.client_secret ?? '' };
      const assertion = {
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: token,
      };
      const grant = { grant_type: 'client_credentials' };
      const answers = await Promise.all([
        ask(`${keyhold.origin}/token`, form({ ...grant, ...assertion })),
        ask(`${keyhold.origin}/token`, form({ ...grant, ...secret }, { dpop: token })),
        ask(`${keyhold.origin}/introspect`, form({ ...secret, token })),
        ask(`${keyhold.origin}/userinfo`, { headers: { authorization: `Bearer ${token}` } }),
        ask(`${keyhold.origin}/userinfo`, { headers: { authorization: `DPoP ${token}`, dpop: token } }),
        ask(authorization({ id_token_hint: token, prompt: 'none' })),
        ask(`${keyhold.origin}/end-session?${new URLSearchParams({ id_token_hint: token })}`),
      ]);
      expect(answers.filter(({ status }) => status >= 500)).toEqual([]);
      const [asserted, proved, introspected, bearer, dpop] = answers;
      expect([asserted, proved, bearer, dpop].filter(answer => answer?.status === 200)).toEqual([]);
      expect(introspected?.text).not.toContain('"active":true');
    });
    await always(property as never, 150);
  },
  PATIENCE,
);

test(
  'C15, C49: whatever a form or a script holds, no step fails and none is passed',
  async () => {
    const posts = ownRoutes().filter(
      ({ method, path }) => method === 'POST' && path.startsWith('/interaction/'),
    );
    const route = fc.constantFrom(
      ...posts
        .map(({ path }) => path)
        .filter(path => !/deny$|sign-up$|identifier$|send$|recovery$/.test(path)),
    );
    const name = fc.oneof(
      fc.constantFrom(
        ...[
          'password',
          'code',
          'terms',
          'name',
          'allow',
          'credential',
          'account_id',
          'state',
          'passkeys',
          'csrf',
        ],
        ...['__proto__', 'constructor', 'email_verified', 'uid', 'session'],
      ),
      anything,
    );
    const fields = fc.array(fc.tuple(name, anything), { maxLength: 6 });
    const property = fc.asyncProperty(route, fields, fc.jsonValue(), async (path, pairs, json) => {
      const url =
        keyhold.origin +
        path.replace('/interaction/:uid', requestPath(person)).replace(':token', 'x'.repeat(43));
      const cookie = await person.jar.getCookieString(url);
      const csrf = csrfOf(person);
      const form = new URLSearchParams([
        ['csrf', csrf],
        ...pairs.map(pair => pair.map(text => text.toWellFormed())),
      ] as never);
      const headers = { cookie, 'sec-fetch-site': 'same-origin', 'x-csrf-token': csrf };
      await neverFails(url, {
        method: 'POST',
        body: form.toString(),
        headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
      });
      for (const body of [json, { credential: json }, Object.fromEntries(pairs)]) {
        await neverFails(url, {
          method: 'POST',
          body: JSON.stringify(body) ?? '',
          headers: { ...headers, 'content-type': 'application/json' },
        });
      }
    });
    await always(property as never, 250);
    expect(await keyhold.db('sessions').whereNotNull('account_id')).toEqual([]);
  },
  PATIENCE,
);

test(
  'C48: every route with any method, type and body answers, and never with a failure',
  async () => {
    const routes = [...ownRoutes(), ...engine].map(({ path }) => path);
    const more = ['/health/live', '/health/ready', '/assets/x', '/nothing', '/metrics', '/.well-known/x'];
    const path = fc.constantFrom(...new Set([...routes, ...more]));
    const fill = fc.oneof(
      fc.constantFrom('x', '%00', '%', '..', 'a'.repeat(300)),
      fc.uuid(),
      fc.webSegment(),
    );
    const method = fc.constantFrom(
      'GET',
      'HEAD',
      'POST',
      'PUT',
      'PATCH',
      'DELETE',
      'OPTIONS',
      'PROPFIND',
      'QUERY',
    );
    const type = fc.constantFrom(
      'application/x-www-form-urlencoded',
      'application/json',
      'multipart/form-data; boundary=x',
      'text/plain',
      'application/x-www-form-urlencoded; charset=utf-7',
      'application/jwt',
      'x',
    );
    const encoding = fc.constantFrom(undefined, undefined, undefined, 'gzip', 'br', 'x');
    const property = fc.asyncProperty(
      fc.tuple(
        path,
        fill,
        method,
        type,
        encoding,
        anything,
        fc.constantFrom('text/html', 'application/json', '*/*'),
      ),
      async ([at, segment, verb, contentType, contentEncoding, body, accept]) => {
        const url = keyhold.origin + at.replace(/:\w+/g, segment || 'x');
        await neverFails(url, {
          method: verb,
          headers: {
            accept,
            'content-type': contentType,
            ...(contentEncoding && { 'content-encoding': contentEncoding }),
          },
          ...(verb !== 'GET' && verb !== 'HEAD' && { body }),
        });
      },
    );
    await always(property as never, 800);
  },
  PATIENCE,
);
