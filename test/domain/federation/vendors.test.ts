import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { appsecretProof } from '../../../src/domain/federation/protocols/oauth.js';
import { redirecting } from '../../../src/domain/federation/protocols.js';
import type { Upstream } from '../../../src/domain/federation/upstream.js';
import { sample } from './samples.js';
import { openVendor, type Vendor } from './vendor.js';

const secrets = { client_secret: 'told-to-us-by-the-vendor' };
const of = (preset: string, settings: object = {}, more: object = {}) => ({
  preset,
  settings: { client_id: 'ours', ...settings },
  ...more,
});

let vendor: Vendor;
const open = new Map<string, Vendor>();
beforeAll(async () => {
  const issuers = {
    google: 'https://accounts.google.com',
    apple: 'https://appleid.apple.com',
    microsoft: 'https://login.microsoftonline.com/{tenantid}/v2.0',
    linkedin: 'https://www.linkedin.com/oauth',
    gitlab: 'https://gitlab.com',
    github: 'https://github.com',
  };
  for (const [name, issuer] of Object.entries(issuers)) open.set(name, await openVendor(issuer));
});
afterAll(() => Promise.all([...open.values()].map(each => each.close())));
beforeEach(() => {
  for (const each of open.values()) {
    Object.assign(each, { idToken: {}, userInfo: {}, token: undefined });
    each.api.clear();
    each.asked.length = 0;
  }
});

function at(name: string): Vendor {
  const found = open.get(name);
  if (!found) throw new Error(`no vendor ${name}`);
  return found;
}

const departure = async (upstream: Upstream) => {
  const { to } = (await redirecting(upstream.provider.kind)?.depart(upstream, { state: 'state' })) ?? {};
  return to ?? new URL('about:blank');
};

test('Google: somebody comes back as the documentation says, with PKCE and a nonce', async () => {
  vendor = at('google');
  vendor.idToken = sample('google-boolean').id_token ?? {};
  const upstream = vendor.upstream(of('google'), secrets);
  const to = await departure(upstream);
  expect(to.searchParams.get('code_challenge_method')).toBe('S256');
  expect(to.searchParams.get('nonce')).toMatch(/^[\w-]{43}$/);
  expect(await vendor.signIn(upstream)).toMatchObject({
    subject: '10769150350006150715113082367',
    email: { address: 'jsmith@example.com', verified: true },
    claims: { given_name: 'Jane', family_name: 'Smith' },
  });
  expect(vendor.form().get('code_verifier')).toMatch(/^[\w-]{43}$/);
});

test('Google: a domain that is asked for is held against the ID token, and whoever is from elsewhere stays out', async () => {
  vendor = at('google');
  const upstream = vendor.upstream(of('google', { hosted_domain: 'example.com' }), secrets);
  expect((await departure(upstream)).searchParams.get('hd')).toBe('example.com');
  vendor.idToken = sample('google-boolean').id_token ?? {};
  await expect(vendor.signIn(upstream)).resolves.toMatchObject({ email: { verified: true } });
  for (const hd of ['evil.example', undefined, ['example.com'], '']) {
    vendor.idToken = { ...sample('google-boolean').id_token, hd };
    await expect(vendor.signIn(upstream)).rejects.toMatchObject({
      kind: 'refused',
      reason: 'required_claim',
    });
  }
});

test.each(['google', 'linkedin', 'github'])(
  '%s is not asked for a fresh sign-in, since it cannot say that there was one',
  async name => {
    vendor = at(name);
    const upstream = vendor.upstream(of(name), secrets);
    const leaving = { state: 'state', freshWithin: 0 };
    const departing = redirecting(upstream.provider.kind)?.depart(upstream, leaving);
    await expect(departing).rejects.toMatchObject({ kind: 'refused', reason: 'not_fresh' });
    expect(vendor.asked).toEqual([]);
  },
);

test('a provider of plain OAuth 2.0 that says that it names itself in its answer has to, and by its own name (RFC 9207)', async () => {
  vendor = at('github');
  vendor.token = sample('github-token').token;
  vendor.api.set('https://api.chat.example/me', { body: { sub: '77' } });
  const settings = {
    client_id: 'ours',
    authorization_endpoint: 'https://chat.example/authorize',
    token_endpoint: 'https://chat.example/token',
    profile_endpoint: 'https://api.chat.example/me',
    issuer: 'https://chat.example',
  };
  const upstream = vendor.upstream({ kind: 'oauth2', name: 'Chat', settings }, secrets);
  await expect(vendor.signIn(upstream, { more: { iss: 'https://chat.example' } })).resolves.toMatchObject({
    subject: '77',
  });
  vendor.asked.length = 0;
  for (const more of [{}, { iss: 'https://evil.example' }]) {
    await expect(vendor.signIn(upstream, { more })).rejects.toMatchObject({ kind: 'untrue' });
  }
  expect(vendor.asked).toEqual([]);
});

test('Apple: a secret signed anew, a form-post answer, a nonce without PKCE, and a name that comes once', async () => {
  vendor = at('apple');
  vendor.idToken = sample('apple').id_token ?? {};
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const apple = { team_id: 'TEAM123456', key_id: 'KEY1234567' };
  const upstream = vendor.upstream(of('apple', { client_id: 'com.example.signin', apple }), {
    private_key: pem,
  });
  const to = await departure(upstream);
  expect(`${to.origin}${to.pathname}`).toBe('https://appleid.apple.com/auth/authorize');
  expect(to.searchParams.get('response_mode')).toBe('form_post');
  expect(to.searchParams.has('code_challenge')).toBe(false);
  const user = JSON.stringify(sample('apple-form').user);
  const first = await vendor.signIn(upstream, { more: { user } });
  const firstSecret = vendor.form().get('client_secret') ?? '';
  expect(decodeProtectedHeader(firstSecret)).toMatchObject({ alg: 'ES256', kid: 'KEY1234567' });
  expect(decodeJwt(firstSecret)).toMatchObject({ iss: 'TEAM123456', sub: 'com.example.signin' });
  expect(vendor.form().has('code_verifier')).toBe(false);
  expect(first).toMatchObject({
    subject: '001234.abcd1234abcd1234abcd1234abcd1234.1234',
    /* Not the one of the form beside it, which nobody signed. */
    email: { address: 'dpdcnf87nu@privaterelay.appleid.com', verified: true },
    claims: { given_name: 'John', family_name: 'Appleseed', name: 'John Appleseed' },
  });
  const again = await vendor.signIn(upstream);
  expect(again.claims).not.toHaveProperty('name');
  expect(vendor.form().get('client_secret')).not.toBe(firstSecret);
  expect(vendor.asked.some(({ url }) => url.pathname.includes('.well-known'))).toBe(false);
});

test('Apple: tokens that were kept are given back at its own address, with a secret that is signed then', async () => {
  vendor = at('apple');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const settings = { apple: { team_id: 'TEAM123456', key_id: 'KEY1234567' }, keep_tokens: true };
  const upstream = vendor.upstream(of('apple', settings), { private_key: pem });
  const { tokens } = await vendor.signIn(upstream);
  if (!tokens) throw new Error('nothing was kept');
  expect(await redirecting('openid')?.revoke?.(upstream, tokens)).toBe(true);
  const given = vendor.asked.filter(({ url }) => url.href === 'https://appleid.apple.com/auth/revoke');
  const forms = given.map(({ init }) => new URLSearchParams(String(init.body)));
  expect(forms.map(form => form.get('token'))).toEqual([tokens.refresh_token, tokens.access_token]);
  expect(decodeJwt(forms[0]?.get('client_secret') ?? '')).toMatchObject({ iss: 'TEAM123456' });
});

test('Apple: an ID token whose nonce is not that of this browser is turned down', async () => {
  vendor = at('apple');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const apple = { team_id: 'TEAM123456', key_id: 'KEY1234567' };
  const upstream = vendor.upstream(of('apple', { apple }), { private_key: pem });
  await expect(vendor.signIn(upstream, { notes: { nonce: 'another' } })).rejects.toMatchObject({
    kind: 'untrue',
  });
});

test('Microsoft: one registration for every tenant; who it is and whose token it is go by the tenant', async () => {
  vendor = at('microsoft');
  const upstream = vendor.upstream(of('microsoft'), secrets);
  const token = sample('microsoft-email').id_token ?? {};
  vendor.idToken = token;
  expect(await vendor.signIn(upstream)).toMatchObject({
    subject: '9122040d-6c67-4c5b-b112-36a304b66dad/00000000-0000-0000-66f3-3332eca7ea81',
    email: { address: 'AbeLi@microsoft.com', verified: true },
  });
  vendor.idToken = { ...token, tid: '11111111-6c67-4c5b-b112-36a304b66dad' };
  await expect(vendor.signIn(upstream)).rejects.toMatchObject({ kind: 'untrue' });
  vendor.idToken = { ...token, xms_edov: undefined, email_verified: true };
  expect((await vendor.signIn(upstream)).email).toEqual({ address: 'AbeLi@microsoft.com', verified: false });
  vendor.idToken = { ...token, oid: undefined };
  await expect(vendor.signIn(upstream)).rejects.toMatchObject({ kind: 'untrue', reason: 'no_subject' });
});

test('LinkedIn: neither PKCE nor a nonce, the secret in the form, and the address out of UserInfo', async () => {
  vendor = at('linkedin');
  const { sub } = sample('linkedin').userinfo ?? {};
  vendor.idToken = { sub };
  vendor.userInfo = sample('linkedin').userinfo ?? {};
  const upstream = vendor.upstream(of('linkedin'), secrets);
  const to = await departure(upstream);
  expect(to.searchParams.has('code_challenge') || to.searchParams.has('nonce')).toBe(false);
  expect(await vendor.signIn(upstream)).toMatchObject({
    subject: '782bbtaQ',
    email: { address: 'doe@email.com', verified: true },
  });
  expect(vendor.form().get('client_secret')).toBe(secrets.client_secret);
  expect(vendor.form().has('code_verifier')).toBe(false);
});

test('C01: UserInfo that says that an address is proved says nothing of the one in the ID token', async () => {
  vendor = at('gitlab');
  const { email_verified: _, ...token } = sample('gitlab').id_token ?? {};
  vendor.idToken = token;
  vendor.userInfo = { ...token, email_verified: true, website: 'https://sidney.example' };
  const attributes = { website: { from: 'website' } };
  const identity = await vendor.signIn(
    vendor.upstream(of('gitlab', {}, { mapping: { attributes } }), secrets),
  );
  expect(identity.claims).toHaveProperty('website');
  expect(identity).toMatchObject({ subject: '2', email: { address: 'sidney@example.com', verified: false } });
});

test('GitLab: an installation of one’s own is another issuer', async () => {
  vendor = at('gitlab');
  const upstream = vendor.upstream(of('gitlab', { issuer: 'https://git.firm.example' }), secrets);
  await expect(vendor.signIn(upstream)).rejects.toMatchObject({ kind: 'unreachable' });
  vendor.idToken = sample('gitlab').id_token ?? {};
  vendor.userInfo = { sub: '2' };
  const identity = await vendor.signIn(vendor.upstream(of('gitlab'), secrets));
  expect(identity).toMatchObject({ subject: '2', email: { address: 'sidney@example.com', verified: true } });
});

function openGithub(): Upstream {
  vendor = at('github');
  vendor.token = sample('github-token').token;
  vendor.api.set('https://api.github.com/user', { body: sample('github').profile });
  vendor.api.set('https://api.github.com/user/emails', { body: sample('github-emails').emails });
  return vendor.upstream(of('github'), secrets);
}

test('GitHub: who it is comes from the API, and the address from the list of those it has verified', async () => {
  const upstream = openGithub();
  expect((await departure(upstream)).searchParams.get('scope')).toBe('read:user user:email');
  const identity = await vendor.signIn(upstream);
  expect(identity).toMatchObject({
    subject: '1',
    email: { address: 'octocat@github.com', verified: true },
    claims: { login: 'octocat', name: 'monalisa octocat' },
  });
  const calls = vendor.asked.filter(({ url }) => url.hostname === 'api.github.com');
  expect(calls.map(({ url }) => url.pathname)).toEqual(['/user', '/user/emails']);
  for (const { init, url } of calls) {
    expect(new Headers(init.headers).get('authorization')).toBe('Bearer sample-token-of-a-sign-in');
    expect(url.href).not.toContain('sample-token');
  }
  expect(vendor.form().get('code_verifier')).toMatch(/^[\w-]{43}$/);
});

test('GitHub: the address that the profile shows in public is never taken, and a list that is kept from us gives none', async () => {
  const upstream = openGithub();
  const emails = 'https://api.github.com/user/emails';
  vendor.api.set(emails, { body: [{ email: 'a@example.com', primary: false, verified: true }] });
  expect(await vendor.signIn(upstream)).not.toHaveProperty('email');
  vendor.api.set(emails, { status: 404, body: { message: 'Not Found' } });
  expect(await vendor.signIn(upstream)).not.toHaveProperty('email');
  vendor.api.set(emails, { body: { message: 'not a list' } });
  expect(await vendor.signIn(upstream)).not.toHaveProperty('email');
  vendor.api.set(emails, { body: [{ email: 'a@example.com', primary: true, verified: false }] });
  expect((await vendor.signIn(upstream)).email).toEqual({ address: 'a@example.com', verified: false });
});

test('GitHub: an error in an answer of 200, a token that the API turns down, and a profile of nobody let nobody in', async () => {
  const upstream = openGithub();
  vendor.token = {
    error: 'bad_verification_code',
    error_description: 'The code passed is incorrect or expired.',
  };
  await expect(vendor.signIn(upstream)).rejects.toMatchObject({ name: 'UpstreamTrouble' });
  vendor.token = sample('github-token').token;
  vendor.api.set('https://api.github.com/user', { status: 401, body: { message: 'Bad credentials' } });
  await expect(vendor.signIn(upstream)).rejects.toMatchObject({ kind: 'refused', reason: 'api_refused' });
  for (const body of [{}, [], 'octocat', { id: 'octocat' }, { id: 2 ** 53 }]) {
    vendor.api.set('https://api.github.com/user', { body });
    await expect(vendor.signIn(upstream)).rejects.toMatchObject({ kind: 'untrue' });
  }
});

test('Facebook: each call proves that it is the app’s, and its address is not taken for proved', async () => {
  vendor = at('github');
  vendor.token = { access_token: 'sample-token-of-a-sign-in', token_type: 'bearer', expires_in: 5_183_944 };
  vendor.api.set('https://graph.facebook.com/me', { body: sample('facebook').profile });
  const upstream = vendor.upstream(of('facebook'), secrets);
  expect(await vendor.signIn(upstream)).toMatchObject({
    subject: '10159999999999999',
    email: { address: 'jane.smith@example.com', verified: false },
  });
  const call = vendor.asked.find(({ url }) => url.pathname === '/me');
  expect(call?.url.searchParams.get('fields')).toContain('email');
  expect(call?.url.searchParams.get('appsecret_proof')).toBe(
    appsecretProof('sample-token-of-a-sign-in', secrets.client_secret),
  );
  expect(call?.url.href).not.toContain('sample-token');
});

test('the proof that Facebook asks for is an HMAC of the token under the secret of the app, in hex', () => {
  /* RFC 4231 §4.3: key "Jefe". */
  expect(appsecretProof('what do ya want for nothing?', 'Jefe')).toBe(
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  );
});

test('a provider of plain OAuth 2.0 without a preset says who by the member that is named, and proves no address', async () => {
  vendor = at('github');
  vendor.token = sample('github-token').token;
  vendor.api.set('https://api.chat.example/me', {
    body: { user_id: 77, mail: 'a@example.com', email_verified: true },
  });
  const settings = {
    client_id: 'ours',
    authorization_endpoint: 'https://chat.example/authorize',
    token_endpoint: 'https://chat.example/token',
    profile_endpoint: 'https://api.chat.example/me',
    subject: 'user_id',
    email: 'mail',
  };
  const upstream = vendor.upstream({ kind: 'oauth2', name: 'Chat', settings }, secrets);
  expect(await vendor.signIn(upstream)).toMatchObject({
    subject: '77',
    email: { address: 'a@example.com', verified: false },
  });
});

test('an answer with another state, or with the PKCE verifier of another browser, is turned down', async () => {
  const upstream = openGithub();
  await expect(vendor.signIn(upstream, { more: { state: 'another' } })).rejects.toMatchObject({
    kind: 'untrue',
  });
  const verifier = 'another-verifier-another-verifier-another-verifier';
  await expect(vendor.signIn(upstream, { notes: { verifier } })).rejects.toMatchObject({ kind: 'untrue' });
});
