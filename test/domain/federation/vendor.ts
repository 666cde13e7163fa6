import { OAuth2Server } from 'oauth2-mock-server';
import { readDeclared } from '../../../src/domain/federation/federation.js';
import { redirecting } from '../../../src/domain/federation/protocols.js';
import type { IdentityProvider } from '../../../src/domain/federation/provider.js';
import type { Upstream, UpstreamIdentity } from '../../../src/domain/federation/upstream.js';

type Members = Readonly<Record<string, unknown>>;

/** A vendor as its documentation describes it: an OAuth server out of npm, reached at the vendor's own addresses. */
export interface Vendor {
  /** Members of the next ID token, above those that every one has. */
  idToken: Members;
  userInfo: Members;
  /** What its API answers, by address. */
  readonly api: Map<string, { readonly status?: number; readonly body: unknown }>;
  /** Members of the next answer of the token endpoint. */
  token: Members | undefined;
  /** What was asked of it, oldest first. */
  readonly asked: { readonly url: URL; readonly init: RequestInit }[];
  /** The form of the last request for tokens, and how we said who we are. */
  form(): URLSearchParams;
  upstream(declared: Members, secrets: Readonly<Record<string, string>>): Upstream;
  /** There and back, with what the vendor adds to its answer. */
  signIn(
    upstream: Upstream,
    options?: { readonly more?: Record<string, string>; readonly notes?: Record<string, string> },
  ): Promise<UpstreamIdentity>;
  close(): Promise<void>;
}

/* Where each vendor has what the server out of npm has at its own addresses. */
const PLACES: readonly (readonly [RegExp, string])[] = [
  [/\/\.well-known\/openid-configuration$/, '/.well-known/openid-configuration'],
  [/\/(jwks|keys)$/, '/jwks'],
  [/\/(token|access_token)$/, '/token'],
  [/\/userinfo$/, '/userinfo'],
  [/\/(authorize|oauth)$/, '/authorize'],
  [/\/revoke$/, '/revoke'],
];

/** Opens a vendor with the issuer that its discovery document names. */
export async function openVendor(issuer: string): Promise<Vendor> {
  const server = new OAuth2Server();
  await server.issuer.keys.generate('RS256');
  server.issuer.url = issuer;
  await server.start(0, 'localhost');
  const origin = `http://localhost:${server.address().port}`;
  const vendor: Vendor = {
    idToken: {},
    userInfo: {},
    token: undefined,
    api: new Map(),
    asked: [],
    form: () => {
      const { init } = vendor.asked.findLast(({ url }) => /token$/.test(url.pathname)) ?? {};
      return new URLSearchParams(String(init?.body));
    },
    upstream: (declared, secrets) => upstreamTo(vendor, origin, declared, secrets),
    signIn: (upstream, options) => signIn(origin, upstream, options),
    close: () => server.stop(),
  };
  server.service.on('beforeTokenSigning', (token: { payload: Record<string, unknown> }) => {
    const { iat, exp, nonce, aud } = token.payload;
    Object.assign(token.payload, vendor.idToken, { iat, exp, aud }, nonce === undefined ? {} : { nonce });
  });
  server.service.on('beforeUserinfo', answer => {
    answer.body = { ...vendor.userInfo };
  });
  server.service.on('beforeResponse', answer => {
    if (vendor.token) answer.body = { ...vendor.token };
  });
  return vendor;
}

function upstreamTo(
  vendor: Vendor,
  origin: string,
  entry: Members,
  secrets: Readonly<Record<string, string>>,
): Upstream {
  const declared = readDeclared({ id: 'vendor', ...entry });
  const provider: IdentityProvider = {
    ...declared,
    state: 'enabled',
    preset: declared.preset,
    origins: [],
    version: 1,
    updatedAt: new Date(),
  };
  return {
    provider,
    secrets,
    memory: new Map(),
    callbackUrl: new URL('https://id.example.com/federation/vendor/callback'),
    issuer: new URL('https://id.example.com'),
    allowPrivateNetwork: false,
    /* What no vendor's protocol asks for. */
    db: undefined as never,
    keyring: undefined as never,
    guard: ask => ask(),
    fetch: async (to, init = {}) => {
      const url = new URL(to);
      vendor.asked.push({ url, init });
      const told = vendor.api.get(`${url.origin}${url.pathname}`);
      if (told) return Response.json(told.body, { status: told.status ?? 200 });
      return fetch(placed(origin, url), { ...init, redirect: 'manual' });
    },
  };
}

function placed(origin: string, url: URL): URL {
  const [, path = '/nowhere'] = PLACES.find(([place]) => place.test(url.pathname)) ?? [];
  return new URL(`${path}${url.search}`, origin);
}

async function signIn(
  origin: string,
  upstream: Upstream,
  {
    more = {},
    notes: other = {},
  }: { readonly more?: Record<string, string>; readonly notes?: Record<string, string> } = {},
): Promise<UpstreamIdentity> {
  const protocol = redirecting(upstream.provider.kind);
  if (!protocol) throw new Error('not a protocol that sends people anywhere');
  const state = crypto.randomUUID();
  const { to, notes } = await protocol.depart(upstream, { state });
  const answer = await fetch(placed(origin, to), { redirect: 'manual' });
  const back = new URL(answer.headers.get('location') ?? '');
  const parameters = { ...Object.fromEntries(back.searchParams), ...more };
  return protocol.identify(upstream, { method: 'GET', parameters }, { state, notes: { ...notes, ...other } });
}
