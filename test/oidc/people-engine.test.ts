import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import Provider, { type AdapterPayload, type Configuration } from 'oidc-provider';
import { calculatePKCECodeChallenge, randomPKCECodeVerifier } from 'openid-client';
import { newPerson, type Person } from '../support/person.js';

/*
 * What the engine does by itself, and that we build on or guard against: when one of these fails after an update, what
 * stands in `people.ts` has to be thought through again. No mock and no patch of ours is in here.
 */

let provider: Provider;
let server: Server;
let person: Person;

const CLIENT = 'control';
const REDIRECT = 'https://app.test/callback';
/** The store of a quick start: everything in one map. */
function storeOf(rows: Map<string, AdapterPayload>): NonNullable<Configuration['adapter']> {
  return model => {
    const keyOf = (id: string) => `${model}:${id}`;
    return {
      upsert: async (id, payload) => void rows.set(keyOf(id), { ...payload }),
      find: async id => rows.get(keyOf(id)),
      findByUid: async uid =>
        [...rows].find(([key, row]) => key.startsWith(`${model}:`) && row.uid === uid)?.[1],
      findByUserCode: async () => undefined,
      consume: async id => void Object.assign(rows.get(keyOf(id)) ?? {}, { consumed: 1 }),
      destroy: async id => void rows.delete(keyOf(id)),
      revokeByGrantId: async () => undefined,
    };
  };
}

const configuration: Configuration = {
  renderError: async (ctx, out) => {
    ctx.body = JSON.stringify(out);
  },
  clients: [
    {
      client_id: CLIENT,
      token_endpoint_auth_method: 'none',
      redirect_uris: [REDIRECT],
      post_logout_redirect_uris: [REDIRECT],
    },
  ],
  cookies: { keys: ['control'] },
  ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
  features: {
    devInteractions: { enabled: false },
    rpInitiatedLogout: {
      logoutSource: async (ctx, form) => {
        ctx.body = form;
      },
      postLogoutSuccessSource: async ctx => {
        ctx.body = '<h1>Signed out</h1>';
      },
    },
  },
  findAccount: (_ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  loadExistingGrant: async ctx => {
    const grant = new ctx.oidc.provider.Grant({
      accountId: ctx.oidc.account?.accountId ?? '',
      clientId: ctx.oidc.client?.clientId ?? '',
    });
    grant.addOIDCScope('openid');
    await grant.save();
    return grant;
  },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
};

let key: JWK;

beforeAll(async () => {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  key = { ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig' };
});

beforeEach(async () => {
  let listener: ReturnType<Provider['callback']> | undefined;
  server = createServer((request, response) => void listener?.(request, response));
  await new Promise<void>(resolve => server.listen(0, 'localhost', resolve));
  const { port } = server.address() as AddressInfo;
  provider = new Provider(`http://localhost:${port}`, {
    ...configuration,
    adapter: storeOf(new Map()),
    jwks: { keys: [key] } as NonNullable<Configuration['jwks']>,
  });
  provider.use(async (ctx, next) => {
    if (!ctx.path.startsWith('/interaction/')) return next();
    const accountId = String(ctx.query['as'] ?? '');
    if (accountId === '') {
      ctx.body = '<h1>Who?</h1>';
      return undefined;
    }
    await provider.interactionFinished(ctx.req, ctx.res, { login: { accountId } });
    ctx.respond = false;
    return undefined;
  });
  listener = provider.callback();
  person = newPerson({ origin: provider.issuer, away: [REDIRECT] });
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise(resolve => server.close(resolve));
});

const verifiers = new Map<string, string>();

async function ask(parameters: Readonly<Record<string, string>> = {}) {
  const verifier = randomPKCECodeVerifier();
  const state = `${verifiers.size}`;
  verifiers.set(state, verifier);
  const url = new URL('/auth', provider.issuer);
  url.search = new URLSearchParams({
    client_id: CLIENT,
    redirect_uri: REDIRECT,
    response_type: 'code',
    scope: 'openid',
    state,
    code_challenge: await calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    ...parameters,
  }).toString();
  return person.goto(url);
}

const answerAs = (accountId: string) => person.goto(`${person.page.url.href}?as=${accountId}`);

/** The ID token of whoever came back with a code. */
async function idToken(): Promise<string> {
  const { searchParams } = person.page.url;
  const body = new URLSearchParams({
    grant_type: 'authorization_code',
    client_id: CLIENT,
    redirect_uri: REDIRECT,
    code: searchParams.get('code') ?? '',
    code_verifier: verifiers.get(searchParams.get('state') ?? '') ?? '',
  });
  const answer = await fetch(new URL('/token', provider.issuer), { method: 'POST', body });
  return ((await answer.json()) as { id_token: string }).id_token;
}

const subjectOf = async () =>
  (JSON.parse(Buffer.from((await idToken()).split('.')[1] ?? '', 'base64url').toString()) as { sub: string })
    .sub;

test('one session for each browser: whoever answers in the place of another is first asked to end theirs', async () => {
  await ask();
  await answerAs('bob');
  expect(await subjectOf()).toBe('bob');
  await ask({ prompt: 'login' });
  await answerAs('ada');
  expect(person.page.url.href.startsWith(REDIRECT)).toBe(false);
  expect(person.page.html).toContain('/session/end/confirm');
  expect(person.page.html).toContain('name="logout" value="yes"');
});

test('the session of a request is whatever Session.get gives, on every endpoint that people come to', async () => {
  await ask();
  await answerAs('bob');
  const asked: string[] = [];
  const Session = provider.Session as unknown as {
    get(ctx: { readonly path: string }): Promise<unknown>;
    instantiate(): { loginAccount(details: object): void };
  };
  Session.get = async ctx => {
    asked.push(ctx.path);
    const session = Session.instantiate();
    session.loginAccount({ accountId: 'ada' });
    (ctx as unknown as { oidc: { entity(kind: string, value: unknown): void } }).oidc.entity(
      'Session',
      session,
    );
    return session;
  };
  await ask({ prompt: 'none' });
  expect(await subjectOf()).toBe('ada');
  await ask({ prompt: 'login' });
  await person.goto(person.page.url);
  await person.goto(new URL('/session/end', provider.issuer));
  expect(asked).toEqual(['/auth', '/auth', '/session/end']);
});

test('a session is found by its uid, which stays when its id changes', async () => {
  await ask();
  await answerAs('bob');
  const Session = provider.Session as unknown as {
    find(id: string): Promise<{ readonly uid: string; readonly jti: string }>;
    findByUid(uid: string): Promise<{ readonly uid: string; readonly accountId: string }>;
  };
  const id = async () => (await person.cookies(provider.issuer)).get('_session') ?? '';
  const before = await Session.find(await id());
  await ask({ prompt: 'login' });
  await answerAs('bob');
  const after = await Session.find(await id());
  expect(after.uid).toBe(before.uid);
  expect(after.jti).not.toBe(before.jti);
  expect(await Session.findByUid(before.uid)).toMatchObject({ uid: before.uid, accountId: 'bob' });
});

test('who an ID token names is not looked at again when somebody answers: we do', async () => {
  await ask();
  await answerAs('ada');
  const id_token_hint = await idToken();
  person = newPerson({ origin: provider.issuer, away: [REDIRECT] });
  await ask({ id_token_hint });
  await answerAs('bob');
  expect(await subjectOf()).toBe('bob');
});

test('signing out ends whoever is there, whomever the ID token names: we choose by the name', async () => {
  await ask();
  await answerAs('ada');
  const id_token_hint = await idToken();
  person = newPerson({ origin: provider.issuer, away: [REDIRECT] });
  await ask();
  await answerAs('bob');
  await person.goto(`${provider.issuer}/session/end?${new URLSearchParams({ id_token_hint })}`);
  const xsrf = /name="xsrf" value="([^"]+)"/.exec(person.page.html)?.[1] ?? '';
  await person.post(`${provider.issuer}/session/end/confirm`, { xsrf, logout: 'yes' });
  await ask({ prompt: 'none' });
  expect(person.page.url.searchParams.get('error')).toBe('login_required');
});
