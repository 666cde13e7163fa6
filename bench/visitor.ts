import { createHash, randomBytes } from 'node:crypto';
import { Pool } from 'undici';
import { openKeyring } from '../src/platform/crypto/keyring.js';
import type { Served } from './child.js';
import { PASSWORD, REDIRECT_URI, type Seed, type SeededAccount } from './seed.js';

/** One server as the load sees it. */
export interface Target {
  readonly served: Served;
  readonly seed: Seed;
  readonly http: Pool;
  /** What the product ties forms to a browser with; the bench knows the secret. */
  csrf(browser: string): string;
  close(): Promise<void>;
}

/** Opens the connections of a load. */
export function openTarget(served: Served, seed: Seed, connections: number): Target {
  const http = new Pool(served.origin, { connections, pipelining: 1 });
  const keyring = openKeyring(seed.secret);
  return {
    served,
    seed,
    http,
    csrf: browser => keyring.mac('csrf', browser).toString('base64url'),
    close: () => http.destroy(),
  };
}

/** Somebody with a browser and an app that holds their tokens. */
export interface Visitor {
  readonly account: SeededAccount;
  readonly cookies: Map<string, string>;
  access: string;
  refresh: string;
}

/** Somebody of the seed with an empty browser. */
export function newVisitor(account: SeededAccount): Visitor {
  return { account, cookies: new Map(), access: '', refresh: '' };
}

interface Request {
  readonly path: string;
  readonly form?: Readonly<Record<string, string>>;
  readonly visitor?: Visitor;
  readonly authorization?: string;
  readonly expected: number;
}

interface Answer {
  readonly location: string;
  readonly text: string;
}

/* Every visit comes from a network of its own, as visits do: the limits are on, and count. */
const somewhere = () => `10.${Math.floor(Math.random() * 256)}.${Math.floor(Math.random() * 256)}.7`;

/** Sends one request and keeps its cookies; any other status than the expected one is an error. */
export async function send(target: Target, request: Request): Promise<Answer> {
  const { path, form, visitor, authorization, expected } = request;
  const headers: Record<string, string> = { 'x-forwarded-for': somewhere() };
  if (visitor && visitor.cookies.size > 0) {
    headers['cookie'] = [...visitor.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  }
  if (authorization !== undefined) headers['authorization'] = authorization;
  if (form) headers['content-type'] = 'application/x-www-form-urlencoded';
  const answer = await target.http.request({
    method: form ? 'POST' : 'GET',
    path,
    headers,
    body: form ? new URLSearchParams(form).toString() : null,
  });
  const text = await answer.body.text();
  if (answer.statusCode !== expected) {
    throw new Error(
      `${target.served.variant} ${path.slice(0, 60)}: ${answer.statusCode} ${text.slice(0, 300)}`,
    );
  }
  if (visitor) keepCookies(visitor, answer.headers['set-cookie']);
  return { location: String(answer.headers['location'] ?? ''), text };
}

function keepCookies({ cookies }: Visitor, set: string | string[] | undefined): void {
  for (const cookie of [set ?? []].flat()) {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
    if (value === '') cookies.delete(name);
    else cookies.set(name, value);
  }
}

/** The app's authorization request, and what proves later that the app made it. */
function authorizationRequest({ seed }: Target, hint: string | undefined) {
  const verifier = randomBytes(32).toString('base64url');
  const query = new URLSearchParams({
    client_id: seed.client.client_id,
    response_type: 'code',
    redirect_uri: REDIRECT_URI,
    scope: 'openid profile email',
    state: 'bench-state-0123456789',
    nonce: verifier.slice(0, 22),
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...(hint !== undefined && { login_hint: hint }),
  });
  return { verifier, path: `/authorize?${query}` };
}

export const asClient = ({ seed }: Target) =>
  `Basic ${Buffer.from(`${seed.client.client_id}:${seed.clientSecret}`).toString('base64')}`;

/** Trades the code of an answer for tokens. */
async function redeem(target: Target, visitor: Visitor, location: string, verifier: string): Promise<void> {
  const code = new URL(location).searchParams.get('code');
  if (!code) throw new Error(`${target.served.variant}: no code in ${location}`);
  const form = {
    grant_type: 'authorization_code',
    code,
    redirect_uri: REDIRECT_URI,
    code_verifier: verifier,
  };
  keepTokens(
    visitor,
    await send(target, { path: '/token', form, authorization: asClient(target), expected: 200 }),
  );
}

export function keepTokens(visitor: Visitor, { text }: Answer): void {
  const tokens = JSON.parse(text) as { readonly access_token: string; readonly refresh_token: string };
  visitor.access = tokens.access_token;
  visitor.refresh = tokens.refresh_token;
}

const pathOf = (location: string) => location.replace(/^https?:\/\/[^/]+/, '');

/* What the product knows a browser by from sign-in to sign-in; it outlives sessions. */
const KNOWN = 'keyhold_known';

/**
 * What somebody sends whose session is over, in the browser that they always use: the authorization request, the password, its
 * resumption unless that was done along with the password, the token. The first time it is a new browser, of which its owner is told.
 */
export async function signIn(target: Target, visitor: Visitor): Promise<void> {
  const known = visitor.cookies.get(KNOWN);
  visitor.cookies.clear();
  if (known !== undefined) visitor.cookies.set(KNOWN, known);
  const { path, verifier } = authorizationRequest(target, visitor.account.email);
  const begun = await send(target, { path, visitor, expected: 303 });
  const isProduct = target.served.variant === 'product';
  const answered = await send(target, {
    path: pathOf(begun.location) + (isProduct ? '/password' : ''),
    visitor,
    form: isProduct
      ? { csrf: target.csrf(visitor.cookies.get('keyhold_browser') ?? ''), password: PASSWORD }
      : { email: visitor.account.email, password: PASSWORD },
    expected: 303,
  });
  const atApp = answered.location.startsWith(REDIRECT_URI);
  const { location } = atApp
    ? answered
    : await send(target, { path: pathOf(answered.location), visitor, expected: 303 });
  await redeem(target, visitor, location, verifier);
}

/** The same in a browser that nobody has seen before. */
export async function signInAnew(target: Target, visitor: Visitor): Promise<void> {
  visitor.cookies.clear();
  await signIn(target, visitor);
}

/** Two requests of somebody who is signed in: the authorization request and the token. */
export async function comeBack(target: Target, visitor: Visitor): Promise<void> {
  const { path, verifier } = authorizationRequest(target, undefined);
  const { location } = await send(target, { path, visitor, expected: 303 });
  await redeem(target, visitor, location, verifier);
}
