import * as openid from 'openid-client';
import type { Db } from '../../src/platform/storage/db.js';
import { personAt, signIn, signUp } from './journeys.js';
import type { TestKeyhold } from './keyhold.js';
import type { Person, PersonOptions } from './person.js';
import type { RelyingParty } from './relying-party.js';

/** A code as an app holds it, with all that redeeming it takes. */
export interface GrantedCode {
  readonly code: string;
  readonly verifier: string;
  readonly redirectUri: string;
}

/** Lets somebody who is signed in and has allowed everything bring the app a code. */
export async function bringCode(
  person: Person,
  app: RelyingParty,
  parameters: Readonly<Record<string, string>> = {},
): Promise<GrantedCode> {
  const verifier = openid.randomPKCECodeVerifier();
  const challenge = await openid.calculatePKCECodeChallenge(verifier);
  const page = await person.goto(await app.authorizationUrl({ code_challenge: challenge, ...parameters }));
  const code = page.url.searchParams.get('code');
  if (!code) throw new Error(`no code came: ${page.url.href}\n${page.text}`);
  return { code, verifier, redirectUri: app.redirectUri };
}

/** Somebody new who signed up through an app and allowed it what it asked. */
export async function newMember(keyhold: TestKeyhold, app: RelyingParty, email: string): Promise<Person> {
  const person = personAt(keyhold);
  await signUp(person, app, email);
  if (person.page.buttons.includes('Allow')) await person.press('Allow');
  return person;
}

/** A member at another browser, signed in through an app. */
export async function memberAgain(
  keyhold: TestKeyhold,
  app: RelyingParty,
  email: string,
  options: Partial<PersonOptions> = {},
): Promise<Person> {
  const person = personAt(keyhold, options);
  await person.goto(await app.authorizationUrl());
  await signIn(person, email);
  return person;
}

/** An event as the tests look at it. */
export interface NotedEvent {
  readonly type: string;
  readonly account_id: string | null;
  readonly client_id: string | null;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** The events of a type, oldest first. */
export async function eventsOf(db: Db, type: string): Promise<readonly NotedEvent[]> {
  return db('events').select('type', 'account_id', 'client_id', 'detail').where({ type }).orderBy('id');
}

const TABLES = [
  'accounts',
  'sessions',
  'grants',
  'access_tokens',
  'refresh_tokens',
  'client_credentials_tokens',
  'authorization_codes',
  'interactions',
  'pushed_authorization_requests',
  'device_codes',
  'replays',
  'consents',
  'events',
] as const;

/** How many rows each table of the protocol has: what a refusal must leave as it was. */
export async function rowCounts(db: Db): Promise<Readonly<Record<string, number>>> {
  const counts = await Promise.all(
    TABLES.map(async table => {
      const [row] = await db(table).count<{ count: string }[]>({ count: '*' });
      return [table, Number(row?.count)] as const;
    }),
  );
  return Object.fromEntries(counts);
}
