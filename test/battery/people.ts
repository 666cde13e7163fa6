import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { decodeJwt } from 'jose';
import { Dispatcher, fetch, getGlobalDispatcher } from 'undici';
import { signIn } from '../support/journeys.js';
import { type Answer, asks, silently, subjectIn } from '../support/people.js';
import { newPerson, type Person } from '../support/person.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { csrfOf, requestPath, sendStep } from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';
import { newcomer } from './races.js';
import type { Rig } from './rig.js';
import { brokenAnswers } from './witness.js';

const [ADA, BOB, CLEO, DAN] = ['ada', 'bob', 'cleo', 'dan'].map(name => `${name}@example.test`) as [
  string,
  string,
  string,
  string,
];
const EVERYBODY = [ADA, BOB, CLEO, DAN];

/** Two processes, the apps, and four people with an ID token each. */
interface Ground {
  readonly rig: Rig;
  /** Each request reaches the other process than the one before. */
  readonly way: Dispatcher;
  readonly house: RelyingParty;
  readonly others: readonly RelyingParty[];
  readonly hints: ReadonlyMap<string, string>;
}

type Scenario = (ground: Ground) => Promise<(round: number) => Promise<void>>;

/** What people in one browser do at once; each throws when it does not end as it should. */
const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'while somebody signs in no silent request of those who are here fails, and none learns who came':
    signInAmongRenewals,
  'somebody who signs out among silent renewals is gone, and nobody else is': signOutAmongRenewals,
  'two people who sign in at once beside others are both here, and so is everybody': twoSignIn,
  'the first two who sign in at once each get their own answer; at least one is here': firstTwoSignIn,
  'somebody who signs in twice at once is here': signInTwice,
  'two choices that are made at once each mean their own person': twoChoices,
  'apps that join a session at once are all kept, and all told when it ends': appsJoin,
};

/** How the scenarios ended. */
export interface PeopleResult {
  readonly scenarios: number;
  readonly rounds: number;
  readonly problems: readonly string[];
}

/** Lets several people in one browser do things at once, over two processes, so many rounds of each. */
export async function runPeople(
  rig: Rig,
  { rounds }: { readonly rounds: number },
  progress: (sentence: string) => void,
): Promise<PeopleResult> {
  const ground = await openGround(rig);
  const problems: string[] = [];
  try {
    for (const [name, scenario] of Object.entries(SCENARIOS)) {
      const found = await runScenario(scenario, ground, rounds);
      problems.push(...found.map(problem => `${name}, ${problem}`));
      progress(`${name}: ${rounds - found.length} of ${rounds} rounds`);
    }
    problems.push(...brokenAnswers(rig.witness));
  } finally {
    await Promise.all([ground.house, ...ground.others].map(app => app.close()));
  }
  return { scenarios: Object.keys(SCENARIOS).length, rounds, problems };
}

async function runScenario(scenario: Scenario, ground: Ground, rounds: number): Promise<string[]> {
  const problems: string[] = [];
  let run = await scenario(ground);
  for (let round = 1; round <= rounds; round++) {
    try {
      await run(round);
    } catch (error) {
      problems.push(`round ${round}: ${error instanceof Error ? error.message : String(error)}`);
      /* The browser may be left in any state. */
      run = await scenario(ground);
    }
  }
  return problems;
}

async function openGround(rig: Rig): Promise<Ground> {
  const way = inTurn(rig);
  const open = () => openRelyingParty(rig, { first_party: true }, { dispatcher: rig.front });
  const [house, ...others] = [await open(), await open(), await open(), await open()];
  if (!house) throw new Error('no app');
  const hints = new Map<string, string>();
  for (const email of EVERYBODY) {
    const person = await newcomer({ rig, app: house }, email);
    hints.set(email, (await house.exchange(person.page.url)).id_token ?? '');
  }
  return { rig, way, house, others, hints };
}

function inTurn({ issuer, servers }: Rig): Dispatcher {
  let turn = 0;
  return new (class extends Dispatcher {
    override dispatch(...[options, handler]: Parameters<Dispatcher['dispatch']>): boolean {
      const server = String(options.origin) === issuer ? servers[turn++ % servers.length] : undefined;
      return (server?.dispatcher ?? getGlobalDispatcher()).dispatch(options, handler);
    }
  })();
}

const personOf = ({ rig, way }: Ground): Person =>
  newPerson({ origin: rig.issuer, dispatcher: way, mailbox: rig.mailbox });

async function browserOf(ground: Ground, emails: readonly string[]): Promise<Person> {
  const person = personOf(ground);
  for (const email of emails) await signInBeside(ground, person, email);
  return person;
}

async function toSignIn({ house }: Ground, person: Person): Promise<void> {
  await person.goto(await house.authorizationUrl({ prompt: 'login' }));
  if (person.page.heading === 'Choose an account') await person.follow('Use another account');
}

async function signInBeside(ground: Ground, person: Person, email: string): Promise<void> {
  await toSignIn(ground, person);
  await signIn(person, email);
  ok(person.page.url.searchParams.has('code'), `${email} did not come back: ${person.page.url.href}`);
}

const hint = ({ hints }: Ground, email: string) => ({ id_token_hint: hints.get(email) ?? '' });
const ask = (ground: Ground, person: Person, email: string) =>
  silently(person, ground.house, hint(ground, email), ground.way);

const cameBack = (answer: Answer) => match(answer['code'] ?? JSON.stringify(answer), /^kh_ac_/);
const isGone = (answer: Answer) => equal(answer['error'], 'login_required');

/** Asks silently over and over while something else happens, and gives all the answers. */
async function meanwhile(ground: Ground, person: Person, email: string, act: () => Promise<unknown>) {
  const state = { over: false };
  const keepAsking = async () => {
    const answers: Answer[] = [];
    while (!state.over) answers.push(await ask(ground, person, email));
    return answers;
  };
  const asking = [keepAsking(), keepAsking(), keepAsking()];
  try {
    await act();
  } finally {
    state.over = true;
  }
  return (await Promise.all(asking)).flat();
}

/**
 * Opens a page to sign somebody in at, in a tab of its own, up to the last request: the resumption or, where nobody is signed in
 * yet, the password itself. What comes back sends it.
 */
async function loginTab(ground: Ground, person: Person, email: string): Promise<() => Promise<Answer>> {
  await toSignIn(ground, person);
  person.fill('Email', email);
  await person.press('Continue');
  const here = (await person.cookies(ground.rig.issuer)).has('keyhold_people');
  const fields = { csrf: csrfOf(person), password: GOOD_PASSWORD };
  const form = [`${ground.rig.issuer}${requestPath(person)}/password`, fields] as const;
  const finish = async ({ headers }: SentForm) => {
    const to = new URL(headers.get('location') ?? '', ground.rig.issuer);
    equal(/^\/authorize\//.test(to.pathname), here, `the answer led to ${to.pathname}`);
    return here ? asks(person, to, ground.way) : Object.fromEntries(to.searchParams);
  };
  if (!here) return async () => finish(await sendForm(ground, person, ...form));
  const answered = await sendForm(ground, person, ...form);
  return () => finish(answered);
}

type SentForm = Awaited<ReturnType<typeof sendForm>>;

/** Sends a form as one of the browser's tabs, and keeps its cookies. */
async function sendForm(
  { way }: Ground,
  person: Person,
  url: string,
  fields: Readonly<Record<string, string>>,
) {
  const headers = { cookie: await person.jar.getCookieString(url) };
  const body = new URLSearchParams(fields);
  const answer = await fetch(url, { method: 'POST', redirect: 'manual', headers, body, dispatcher: way });
  await answer.text();
  for (const cookie of answer.headers.getSetCookie()) await person.jar.setCookie(cookie, url);
  return answer;
}

async function whoIsHere({ rig }: Ground, person: Person): Promise<readonly string[]> {
  await person.goto(rig.issuer);
  return EVERYBODY.filter(email => person.page.text.includes(email));
}

async function subjectOf({ house }: Ground, answer: Answer): Promise<string> {
  cameBack(answer);
  const url = new URL(house.redirectUri);
  url.search = new URLSearchParams(answer).toString();
  return subjectIn((await house.exchange(url)).id_token);
}

const subjectsOf = ({ hints }: Ground, emails: readonly string[]) =>
  emails.map(email => subjectIn(hints.get(email)));

/** The answer of "Sign out" on a page that is open; sent when called. */
async function signOutOf(ground: Ground, person: Person, email: string): Promise<() => Promise<number>> {
  await person.goto(ground.house.endSessionUrl(hint(ground, email)));
  const xsrf = /name="xsrf" value="([^"]+)"/.exec(person.page.html)?.[1] ?? '';
  const url = `${ground.rig.issuer}/end-session/confirm`;
  return async () => (await sendForm(ground, person, url, { xsrf, logout: 'yes' })).status;
}

async function signInAmongRenewals(ground: Ground) {
  const { rig } = ground;
  const person = await browserOf(ground, [BOB]);
  return async () => {
    const formerly = personOf(ground);
    for (const [name, value] of await person.cookies(rig.issuer)) {
      await formerly.jar.setCookie(`${name}=${value}`, rig.issuer);
    }
    const finish = await loginTab(ground, person, ADA);
    const answers = await meanwhile(ground, person, BOB, async () => {
      cameBack(await finish());
      cameBack(await ask(ground, formerly, BOB));
    });
    ok(answers.length > 0, 'nobody asked meanwhile');
    for (const answer of answers) cameBack(answer);
    isGone(await ask(ground, formerly, ADA));
    equal(await (await signOutOf(ground, person, ADA))(), 303);
  };
}

async function signOutAmongRenewals(ground: Ground) {
  const person = await browserOf(ground, [BOB]);
  return async () => {
    await signInBeside(ground, person, ADA);
    const signOut = await signOutOf(ground, person, ADA);
    let status: number | undefined;
    const answers = await meanwhile(ground, person, ADA, async () => {
      await ask(ground, person, ADA);
      status = await signOut();
    });
    equal(status, 303);
    for (const answer of answers) ok([undefined, 'login_required'].includes(answer['error']));
    isGone(await ask(ground, person, ADA));
    cameBack(await ask(ground, person, BOB));
    deepEqual(await whoIsHere(ground, person), [BOB]);
  };
}

async function twoSignIn(ground: Ground) {
  const person = await browserOf(ground, [ADA, BOB]);
  return async () => {
    const finishes = [await loginTab(ground, person, CLEO), await loginTab(ground, person, DAN)];
    const answers = await Promise.all(finishes.map(finish => finish()));
    const subjects = await Promise.all(answers.map(answer => subjectOf(ground, answer)));
    deepEqual(subjects, subjectsOf(ground, [CLEO, DAN]));
    deepEqual(await whoIsHere(ground, person), EVERYBODY);
    for (const email of [CLEO, DAN]) await person.press(`Sign out ${email}`);
  };
}

async function firstTwoSignIn(ground: Ground) {
  return async () => {
    const person = personOf(ground);
    const finishes = [await loginTab(ground, person, CLEO), await loginTab(ground, person, DAN)];
    const answers = await Promise.all(finishes.map(finish => finish()));
    const subjects = await Promise.all(answers.map(answer => subjectOf(ground, answer)));
    deepEqual(subjects, subjectsOf(ground, [CLEO, DAN]));
    ok((await whoIsHere(ground, person)).length > 0, 'nobody is here');
  };
}

async function signInTwice(ground: Ground) {
  const person = await browserOf(ground, [ADA, BOB]);
  return async () => {
    const finishes = [await loginTab(ground, person, ADA), await loginTab(ground, person, ADA)];
    for (const answer of await Promise.all(finishes.map(finish => finish()))) cameBack(answer);
    deepEqual(await whoIsHere(ground, person), [ADA, BOB]);
  };
}

async function twoChoices(ground: Ground) {
  const person = await browserOf(ground, [ADA, BOB]);
  return async () => {
    const resumes: URL[] = [];
    for (const account of subjectsOf(ground, [ADA, BOB])) {
      await person.goto(await ground.house.authorizationUrl());
      const { headers } = await sendStep(person, '/choose', { account });
      resumes.push(new URL(headers.get('location') ?? '', ground.rig.issuer));
    }
    const answers = await Promise.all(resumes.map(resume => asks(person, resume, ground.way)));
    const subjects = await Promise.all(answers.map(answer => subjectOf(ground, answer)));
    deepEqual(subjects, subjectsOf(ground, [ADA, BOB]));
  };
}

async function appsJoin(ground: Ground) {
  const { others, way } = ground;
  const sids: string[][] = others.map(() => []);
  return async () => {
    const person = await browserOf(ground, [BOB, ADA]);
    const joined = await Promise.all(
      others.map(async app => asks(person, await app.authorizationUrl({ login_hint: ADA }), way)),
    );
    for (const [i, app] of others.entries()) {
      const url = new URL(app.redirectUri);
      url.search = new URLSearchParams(joined[i]).toString();
      const tokens = await app.exchange(url);
      equal((await app.introspect(tokens.access_token)).active, true);
      sids[i]?.push(String(tokens.claims()?.['sid']));
    }
    equal(await (await signOutOf(ground, person, ADA))(), 303);
    for (const [i, app] of others.entries()) {
      ok(sids[i]?.includes(String(decodeJwt(await app.nextLogoutToken())['sid'])), 'an app was not told');
    }
    cameBack(await ask(ground, person, BOB));
  };
}
