import { setTimeout as pause } from 'node:timers/promises';
import { createRemoteJWKSet, customFetch, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import { fetch } from 'undici';
import { advanceKeys, rotateKey } from '../../src/oidc/keys.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openWork } from '../../src/platform/storage/work.js';
import { until } from '../support/jobs.js';
import { newPerson, type Person } from '../support/person.js';
import { bringCode, type GrantedCode } from '../support/protocol.js';
import { openRawClient, type RawAnswer } from '../support/raw-client.js';
import type { RelyingParty } from '../support/relying-party.js';
import { GOOD_PASSWORD } from '../support/walk.js';
import { auditRecord } from './audit.js';
import { type Load, startLoad } from './load.js';
import type { Rig } from './rig.js';
import { compare } from './told.js';
import { brokenAnswers } from './witness.js';

/** What came of rotating the signing key under load. */
export interface RotationResult {
  readonly rotations: number;
  readonly verified: number;
  /** How many keys signed what was verified. */
  readonly kids: number;
  /** Codes and pending requests from before a rotation that were finished after it. */
  readonly carried: number;
  readonly problems: readonly string[];
}

/** How keys are rotated. */
export interface RotationOptions {
  readonly rotations: number;
  /** For how many seconds clients keep the key set. */
  readonly maxAge: number;
  /** Seconds from one rotation to the next, left to the clock and to Keyhold's own job; else SQL moves the time. */
  readonly every?: number;
  readonly members: number;
  readonly seed: number;
}

/** Rotates the key of ID tokens again and again, while apps verify each by a key set that they keep for `maxAge`. */
export async function runRotations(
  rig: Rig,
  options: RotationOptions,
  progress: (sentence: string) => void,
): Promise<RotationResult> {
  const verifier = openVerifier(rig, options.maxAge);
  const load = await startLoad(rig, { seed: options.seed, members: options.members, seen: verifier.verify });
  const carried: string[] = [];
  const problems: string[] = [];
  let first: string | undefined;
  try {
    await until(() => verifier.kids.size > 0 && load.told.members.size >= CARRIED);
    for (let rotation = 1; rotation <= options.rotations; rotation++) {
      const began = Date.now();
      first ??= verifier.last();
      const kid = await publish(rig, options.maxAge);
      await until(async () =>
        (await Promise.all(rig.servers.map(server => servedBy(rig, server)))).every(kids => kids.has(kid)),
      );
      if (options.every) await nearActivation(rig, kid);
      const begun = await beginThings(rig, load.app, [...load.told.members]);
      await activate(rig, kid, options, problems);
      await until(() => verifier.kids.has(kid));
      carried.push(...(await finishThings(rig, load.app, begun)));
      progress(`rotation ${rotation}: ${verifier.count()} tokens verified, by ${verifier.kids.size} keys`);
      if (options.every) await pause(Math.max(0, began + options.every * 1_000 - Date.now()));
    }
    if (first && !(await openVerifier(rig, options.maxAge).verifies(first)))
      problems.push('the oldest token fails to verify');
    await load.stop();
    return await concluded(rig, load, verifier, carried, problems, options.rotations);
  } finally {
    await load.stop();
    await load.close();
  }
}

type Verifier = ReturnType<typeof openVerifier>;

async function concluded(
  rig: Rig,
  load: Load,
  verifier: Verifier,
  carried: readonly string[],
  problems: readonly string[],
  rotations: number,
): Promise<RotationResult> {
  return {
    rotations,
    verified: verifier.count(),
    kids: verifier.kids.size,
    carried: carried.filter(each => each === 'carried').length,
    problems: [
      ...problems,
      ...carried.filter(each => each !== 'carried'),
      ...verifier.failures,
      ...load.surprises,
      ...brokenAnswers(rig.witness),
      ...rig.witness.cutOff.map(({ path }) => `${path} was cut off`),
      ...(await compare(load.told, rig, load.app)),
      ...(await auditRecord(rig.place)),
    ],
  };
}

/* As strict as a client may be: it never fetches before its copy is `maxAge` old, not even for a key it does not know. */
function openVerifier(rig: Rig, maxAge: number) {
  const age = { cacheMaxAge: maxAge * 1_000, cooldownDuration: maxAge * 1_000 };
  const keys = createRemoteJWKSet(new URL(`${rig.issuer}/jwks`), {
    ...age,
    [customFetch]: (url, init) => fetch(url, { ...init, dispatcher: rig.front } as never) as never,
  });
  const kids = new Set<string>();
  const failures: string[] = [];
  let count = 0;
  let last = '';
  const verifies = async (token: string): Promise<boolean> => {
    const { kid = '' } = decodeProtectedHeader(token);
    try {
      await jwtVerify(token, keys, { issuer: rig.issuer });
      kids.add(kid);
      last = token;
      count += 1;
      return true;
    } catch (error) {
      failures.push(`a token of ${kid} fails to verify: ${String(error)}`);
      return false;
    }
  };
  return {
    kids,
    failures,
    count: () => count,
    last: () => last,
    verifies,
    verify: async (token: string) => void (await verifies(token)),
  };
}

function publish({ place, secret }: Rig, maxAge: number): Promise<string> {
  return openWork(place.db, { kind: 'operator' }, work =>
    rotateKey(work, openKeyring(secret), 'ES256', maxAge),
  );
}

async function servedBy(rig: Rig, { dispatcher }: Rig['servers'][number]): Promise<ReadonlySet<string>> {
  const answer = await fetch(`${rig.issuer}/jwks`, { dispatcher });
  const { keys } = (await answer.json()) as JSONWebKeySet;
  return new Set(keys.map(({ kid = '' }) => kid));
}

async function activate(
  { place }: Rig,
  kid: string,
  { maxAge, every }: RotationOptions,
  problems: string[],
): Promise<void> {
  const stateOf = async () => (await place.db('signing_keys').where({ kid }).first('state'))?.state;
  if (every) {
    const end = Date.now() + (2 * maxAge + 90) * 1_000;
    while ((await stateOf()) === 'pending' && Date.now() < end) await pause(500);
  } else {
    await pause(2 * maxAge * 1_000);
    await place.db('signing_keys').where({ kid }).update({ activates_at: new Date() });
    await openWork(place.db, { kind: 'system' }, advanceKeys);
  }
  if ((await stateOf()) === 'pending') problems.push(`${kid} never signed`);
}

/* A code lives for a minute, and keys are advanced at each full one. */
async function nearActivation({ place }: Rig, kid: string): Promise<void> {
  const { activates_at: at } = await place.db('signing_keys').where({ kid }).first('activates_at');
  while (Date.now() < at.getTime() || Date.now() % 60_000 < 40_000) await pause(250);
}

interface Begun {
  readonly codes: readonly GrantedCode[];
  readonly people: readonly Person[];
}

const CARRIED = 3;

/* Codes that wait to be redeemed, and people who look at a page. */
async function beginThings(rig: Rig, app: RelyingParty, members: readonly string[]): Promise<Begun> {
  const { front: dispatcher, mailbox, issuer: origin } = rig;
  const people: Person[] = [];
  const codes: GrantedCode[] = [];
  for (const email of members.slice(0, CARRIED)) {
    const person = newPerson({ origin, dispatcher, mailbox, away: [app.redirectUri] });
    await signIn(person, app, email);
    codes.push(await bringCode(person, app));
    await person.goto(await app.authorizationUrl({ prompt: 'login' }));
    person.fill('Email', email);
    await person.press('Continue');
    people.push(person);
  }
  return { codes, people };
}

async function finishThings(
  rig: Rig,
  app: RelyingParty,
  { codes, people }: Begun,
): Promise<readonly string[]> {
  const client = await openRawClient(rig, app.client, rig.front);
  const outcomes: string[] = [];
  for (const { code, verifier, redirectUri } of codes) {
    const { status, text } = await patiently(() => client.code(code, verifier, redirectUri));
    outcomes.push(status === 200 ? 'carried' : `a code from before a rotation: ${status} ${text}`);
  }
  for (const person of people) {
    person.fill('Password', GOOD_PASSWORD);
    await person.press('Sign in');
    const done = person.page.url.searchParams.has('code');
    outcomes.push(
      done ? 'carried' : `a request from before a rotation: ${person.page.status} ${person.page.text}`,
    );
  }
  return outcomes;
}

async function patiently(ask: () => Promise<RawAnswer>): Promise<RawAnswer> {
  for (let again = 1; ; again++) {
    const answer = await ask();
    if (answer.status !== 503 || again === 50) return answer;
    await pause(200);
  }
}

async function signIn(person: Person, app: RelyingParty, email: string): Promise<void> {
  await person.goto(await app.authorizationUrl());
  person.fill('Email', email);
  await person.press('Continue');
  person.fill('Password', GOOD_PASSWORD);
  await person.press('Sign in');
}
