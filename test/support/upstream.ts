import { OAuth2Server } from 'oauth2-mock-server';
import { addDomain, applyProvider, noteSight, readProvider } from '../../src/domain/federation/federation.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openWork } from '../../src/platform/storage/work.js';
import { until } from './jobs.js';
import type { TestKeyhold } from './keyhold.js';
import type { Person } from './person.js';
import type { RelyingParty } from './relying-party.js';
import { requestPath } from './steps.js';

/** What a provider says of whoever comes next: by its ID token, and by UserInfo. */
export interface Said {
  readonly sub: string;
  readonly [claim: string]: unknown;
}

/** An OpenID provider of another make, whose people are always signed in there. */
export interface TestUpstream {
  readonly issuer: string;
  readonly server: OAuth2Server;
  /** Who comes next, and what UserInfo adds. */
  says(claims: Said, info?: Readonly<Record<string, unknown>>): void;
  close(): Promise<void>;
}

/** Opens one on a free loopback port. */
export async function openUpstream(): Promise<TestUpstream> {
  const server = new OAuth2Server();
  await server.issuer.keys.generate('RS256');
  await server.start(0, 'localhost');
  let claims: Said = { sub: 'nobody' };
  let info: Readonly<Record<string, unknown>> = {};
  server.service.on('beforeTokenSigning', (token: { payload: Record<string, unknown> }) => {
    Object.assign(token.payload, claims);
  });
  server.service.on('beforeUserinfo', (response: { body: unknown }) => {
    response.body = { sub: claims.sub, ...info };
  });
  return {
    issuer: String(server.issuer.url),
    server,
    says: (said, more = {}) => {
      claims = said;
      info = more;
    },
    close: () => server.stop(),
  };
}

/** Declares a provider as an operator would, or changes it. */
export async function declareProvider(
  { db, config }: Pick<TestKeyhold, 'db' | 'config'>,
  declared: Readonly<Record<string, unknown>> & { readonly id: string },
): Promise<void> {
  const read = readProvider({
    kind: 'openid',
    name: declared.id,
    secrets: { client_secret: 'a secret' },
    ...declared,
  });
  const keyring = openKeyring(config.secret);
  await openWork(db, { kind: 'operator' }, work => applyProvider(work, keyring, read));
}

/** Declares an OpenID provider that is found at this address. */
export function declareOpenid(
  keyhold: Pick<TestKeyhold, 'db' | 'config'>,
  {
    id,
    issuer,
    ...more
  }: { readonly id: string; readonly issuer: string; readonly [member: string]: unknown },
): Promise<void> {
  return declareProvider(keyhold, { id, settings: { issuer, client_id: 'keyhold' }, ...more });
}

/** Claims a domain for a provider as an operator would, whose record was found. */
export async function claimDomain(
  { db, config }: Pick<TestKeyhold, 'db' | 'config'>,
  domain: string,
  providerId: string,
  demands: { readonly required: boolean; readonly exceptRoles: readonly string[] } = {
    required: false,
    exceptRoles: [],
  },
): Promise<void> {
  await openWork(db, { kind: 'operator' }, async work => {
    const claimed = await addDomain(work, config.issuer, { domain, providerId, ...demands });
    await noteSight(work, claimed, 'there');
  });
}

/** "Continue with …" on the page that is open, whether its button is there yet or not; gives the page it comes back to. */
export async function continueWith(person: Person, id: string): Promise<void> {
  const csrf = /name="csrf" value="([^"]+)"/.exec(person.page.html)?.[1] ?? '';
  await person.post(`${requestPath(person)}/federated/${id}`, { csrf });
}

/** Waits until a provider stands on the sign-in page of an app: pages hear of it by a notice, which is on its way for a moment. */
export async function untilOffered(person: Person, app: RelyingParty, name: string): Promise<void> {
  await until(async () => {
    await person.goto(await app.authorizationUrl());
    return person.page.text.includes(`Continue with ${name}`);
  });
}
