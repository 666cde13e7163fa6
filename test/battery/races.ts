import { setTimeout as pause } from 'node:timers/promises';
import { type Dispatcher, fetch } from 'undici';
import { openAuthenticator } from '../support/authenticator.js';
import { codeIn, linkIn } from '../support/mailbox.js';
import { newPerson, type Person } from '../support/person.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { csrfOf, requestPath } from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';
import { protocolRaces } from './races-protocol.js';
import { recoveryRaces } from './races-recovery.js';
import type { Rig } from './rig.js';

/** How one of many at once was answered. */
export interface Attempt {
  readonly status: number;
  readonly won: boolean;
}

/** One thing that can be used once, fresh for this round. */
export interface Round {
  use(through: Dispatcher): Promise<Attempt>;
  /** What is wrong on record afterwards, in words. */
  audit(): Promise<readonly string[]>;
}

/** A kind of thing that can be used once. */
export interface Race {
  readonly name: string;
  prepare(): Promise<Round>;
}

/** How a race went over all its rounds. */
export interface RaceResult {
  readonly name: string;
  readonly rounds: number;
  /** How many rounds had exactly one success. */
  readonly oneWinner: number;
  readonly answers: Readonly<Record<string, number>>;
  /** How many uses were asked to come back, and came. */
  readonly turnedAway: number;
  readonly problems: readonly string[];
}

/** Runs every race: `rounds` times `parallel` uses at once, by turns at both processes. */
export async function runRaces(
  rig: Rig,
  { rounds, parallel, only }: { rounds: number; parallel: number; only?: string },
  progress: (sentence: string) => void,
): Promise<readonly RaceResult[]> {
  const app = await openRelyingParty(rig, { first_party: true }, { dispatcher: rig.front });
  try {
    const people = { rig, app };
    const all = [...(await protocolRaces(people)), ...peopleRaces(people), ...recoveryRaces(people)];
    const results: RaceResult[] = [];
    for (const race of all.filter(({ name }) => !only || name === only)) {
      const result = await runRace(rig, race, rounds, parallel);
      results.push(result);
      progress(
        `${race.name}: ${result.oneWinner} of ${rounds} rounds with one success; ${JSON.stringify(result.answers)}, ${result.turnedAway} turned away before`,
      );
    }
    return results;
  } finally {
    await app.close();
  }
}

async function runRace(rig: Rig, race: Race, rounds: number, parallel: number): Promise<RaceResult> {
  const answers: Record<string, number> = {};
  const problems: string[] = [];
  let oneWinner = 0;
  let turnedAway = 0;
  for (let round = 1; round <= rounds; round++) {
    const deadlocks = await deadlocksSoFar(rig);
    const one = await race.prepare();
    const attempts = await Promise.all(
      Array.from({ length: parallel }, (_, at) =>
        patiently(one, (rig.servers[at % 2] ?? rig.servers[0]).dispatcher, () => void turnedAway++),
      ),
    );
    for (const { status } of attempts) answers[status] = (answers[status] ?? 0) + 1;
    const winners = attempts.filter(({ won }) => won).length;
    const broken = attempts.filter(({ status }) => status >= 500).length;
    const found = [...(await one.audit())];
    if (winners === 1) oneWinner += 1;
    else found.push(`${winners} successes`);
    if (broken > 0) found.push(`${broken} answers of 500 and above`);
    const met = (await deadlocksSoFar(rig)) - deadlocks;
    if (met > 0) found.push(`${met} deadlocks`);
    problems.push(...found.map(problem => `${race.name}, round ${round}: ${problem}`));
  }
  return { name: race.name, rounds, oneWinner, answers, turnedAway, problems };
}

/* 503 is how a busy process asks to come back: nothing happened, and whoever is patient gets an answer. */
async function patiently(one: Round, through: Dispatcher, turnedAway: () => void): Promise<Attempt> {
  for (let again = 1; ; again++) {
    const attempt = await one.use(through);
    if (attempt.status !== 503 || again === 50) return attempt;
    turnedAway();
    await pause(200);
  }
}

async function deadlocksSoFar({ place }: Rig): Promise<number> {
  const [row] = await place.ask('SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()');
  return Number(row?.['deadlocks']);
}

/** Who and what the races are run with. */
export interface RaceGround {
  readonly rig: Rig;
  readonly app: RelyingParty;
}

let newcomers = 0;
/** An address that nobody has had. */
export const newAddress = (): string => `racer-${process.pid}-${++newcomers}@example.test`;

/** Somebody at a browser, who stops where the app would begin. */
export function personAtFront({ rig, app }: RaceGround): Person {
  const { front: dispatcher, mailbox, issuer: origin } = rig;
  return newPerson({ origin, dispatcher, mailbox, away: [app.redirectUri] });
}

/** Somebody who has signed up with a password. */
export async function newcomer(ground: RaceGround, email = newAddress()): Promise<Person> {
  const person = await atCredential(ground, email);
  person.tick('I accept the terms');
  person.fill('Password', GOOD_PASSWORD);
  await person.press('Create account');
  return person;
}

async function atSignUpCode(ground: RaceGround, email: string): Promise<Person> {
  const person = personAtFront(ground);
  await person.goto(await ground.app.authorizationUrl({ prompt: 'create' }));
  person.fill('Email', email);
  await person.press('Continue');
  return person;
}

async function atCredential(ground: RaceGround, email: string): Promise<Person> {
  const person = await atSignUpCode(ground, email);
  person.fill('Code', codeIn(await person.latestMail(email)));
  await person.press('Continue');
  return person;
}

interface Posting {
  readonly status: number;
  readonly location: string;
}

/** What the open page would send, by a form or a script, ready to be sent many times. */
export async function posting(
  person: Person,
  path: string,
  fields: Readonly<Record<string, unknown>>,
  script = false,
) {
  const begun = path.startsWith('/objection/') ? '' : requestPath(person);
  const url = new URL(begun + path, person.page.url);
  const csrf = csrfOf(person);
  const cookie = await person.jar.getCookieString(url.href);
  const headers: Record<string, string> = { cookie, 'sec-fetch-site': 'same-origin' };
  const body = script
    ? JSON.stringify(fields)
    : new URLSearchParams({ csrf, ...(fields as Record<string, string>) }).toString();
  Object.assign(
    headers,
    script
      ? { accept: 'application/json', 'content-type': 'application/json', 'x-csrf-token': csrf }
      : { accept: 'text/html', 'content-type': 'application/x-www-form-urlencoded' },
  );
  return async (dispatcher: Dispatcher): Promise<Posting & { readonly body: string }> => {
    const answer = await fetch(url, { method: 'POST', redirect: 'manual', headers, body, dispatcher });
    return {
      status: answer.status,
      location: answer.headers.get('location') ?? '',
      body: await answer.text(),
    };
  };
}

/* After its step is done, a form leads to the page of the step that is due: only the record tells who did it. */
async function counted(rig: Rig, type: string, path: string, expected: number): Promise<readonly string[]> {
  const [row] = await rig.place
    .db('events')
    .where({ type })
    .whereRaw(`detail ->> 'proof' = ?`, [path])
    .count();
  const found = Number(row?.['count']);
  return found === expected ? [] : [`${type} is on record ${found} times`];
}

function peopleRaces(ground: RaceGround): readonly Race[] {
  return [
    { name: 'e-mailed sign-in code', prepare: () => signInCode(ground) },
    { name: 'sign-up code', prepare: () => signUpProof(ground, 'code') },
    { name: 'mailed sign-up link', prepare: () => signUpProof(ground, 'link') },
    { name: 'account form', prepare: () => accountForm(ground) },
    { name: 'passkey challenge', prepare: () => passkeyChallenge(ground) },
  ];
}

async function signInCode(ground: RaceGround): Promise<Round> {
  const { rig, app } = ground;
  const email = newAddress();
  await newcomer(ground, email);
  const earlier = await rig.mailbox.latest(email);
  const person = personAtFront(ground);
  await person.goto(await app.authorizationUrl());
  person.fill('Email', email);
  await person.press('Continue');
  await person.press('Email me a code');
  const send = await posting(person, '/code', { code: codeIn(await person.latestMail(email, earlier)) });
  const path = requestPath(person);
  const binding = path.split('/').at(-1) ?? '';
  return {
    use: async dispatcher => {
      const { status, location } = await send(dispatcher);
      return { status, won: status === 303 && new URL(location, rig.issuer).pathname !== path };
    },
    audit: async () => proofUsedOnce(rig, binding),
  };
}

/** What is wrong with how often the proof of a pending request is used. */
export async function proofUsedOnce(rig: Rig, binding: string): Promise<readonly string[]> {
  const proofs = await rig.place.db('email_proofs').where({ binding }).select('id', 'used_at');
  const used = proofs.filter(({ used_at }) => used_at !== null);
  if (used.length !== 1) return [`${used.length} proofs of the request are used`];
  return counted(rig, 'email_proof.proved', String(used[0]?.id), 1);
}

async function signUpProof(ground: RaceGround, by: 'code' | 'link'): Promise<Round> {
  const { rig } = ground;
  const email = newAddress();
  const person = await atSignUpCode(ground, email);
  const mail = await person.latestMail(email);
  const token = linkIn(mail).split('/').at(-1) ?? '';
  const send = await (by === 'code'
    ? posting(person, '/code', { code: codeIn(mail) })
    : posting(person, `/link/${token}`, {}));
  const binding = requestPath(person).split('/').at(-1) ?? '';
  let first = true;
  return {
    use: async dispatcher => {
      const { status } = await send(dispatcher);
      const won = status === 303 && first;
      if (won) first = false;
      return { status, won };
    },
    audit: () => proofUsedOnce(rig, binding),
  };
}

async function accountForm(ground: RaceGround): Promise<Round> {
  const { rig } = ground;
  const email = newAddress();
  const person = await atCredential(ground, email);
  const send = await posting(person, '/account', { password: GOOD_PASSWORD, terms: 'yes', name: 'Ada' });
  const path = requestPath(person);
  return {
    use: async dispatcher => {
      const { status, location } = await send(dispatcher);
      return { status, won: status === 303 && new URL(location, rig.issuer).pathname !== path };
    },
    audit: async () => {
      const [row] = await rig.place.db('email_addresses').where({ address: email }).count();
      return Number(row?.['count']) === 1 ? [] : [`${row?.['count']} accounts have the address`];
    },
  };
}

async function passkeyChallenge(ground: RaceGround): Promise<Round> {
  const { rig, app } = ground;
  const details = { name: '', terms: true };
  const member = await atCredential(ground, newAddress());
  const authenticator = openAuthenticator(rig.issuer);
  const asked = await (await posting(member, '/passkey/new/options', details, true))(rig.front);
  const credential = authenticator.create(JSON.parse(asked.body));
  await (await posting(member, '/passkey/new', { ...details, credential }, true))(rig.front);
  const person = personAtFront(ground);
  await person.goto(await app.authorizationUrl());
  const options = await (await posting(person, '/passkey/options', {}, true))(rig.front);
  const answer = authenticator.get(JSON.parse(options.body));
  const send = await posting(person, '/passkey', { credential: answer }, true);
  const used = async () => {
    const [row] = await rig.place.db('events').where({ type: 'passkey.used' }).count();
    return Number(row?.['count']);
  };
  const before = await used();
  return {
    use: async dispatcher => {
      const { status } = await send(dispatcher);
      return { status, won: status === 200 };
    },
    audit: async () => {
      const times = (await used()) - before;
      return times === 1 ? [] : [`the passkey was used ${times} times`];
    },
  };
}
