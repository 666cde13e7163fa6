import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import { type Dispatcher, fetch } from 'undici';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { asks, browserOf, inTurn, personVia, signInBeside, silently, subjectIn } from '../support/people.js';
import type { Person } from '../support/person.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { sendStep } from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

const [ADA, BOB, CLEO, DAN] = ['ada', 'bob', 'cleo', 'dan'].map(name => `${name}@example.test`) as [
  string,
  string,
  string,
  string,
];
const CODE = { code: expect.stringMatching(/^kh_ac_/) };
const GONE = { error: 'login_required' };
const ROUNDS = Number(process.env.KEYHOLD_TEST_ROUNDS ?? 3);

/* Each round is a few sign-ins long. */
jest.setTimeout(120_000);

/* Two instances on one database that is some milliseconds away; each request reaches the next one. */
let instances: readonly TestKeyhold[];
let keyhold: TestKeyhold;
let way: Dispatcher;
let house: RelyingParty;
let others: readonly RelyingParty[];
const hints = new Map<string, string>();

beforeAll(async () => {
  keyhold = await startKeyhold({ LOG_LEVEL: 'silent' }, { slow: true });
  instances = [keyhold, await startKeyhold({}, { beside: keyhold })];
  way = inTurn(instances);
  house = await openRelyingParty(keyhold, { first_party: true });
  others = await Promise.all([1, 2, 3].map(() => openRelyingParty(keyhold, { first_party: true })));
  for (const email of [ADA, BOB, CLEO, DAN]) {
    await newMember(keyhold, house, email);
    hints.set(email, (await house.exchange()).id_token ?? '');
  }
});

afterAll(async () => {
  await Promise.all([house, ...(others ?? [])].map(app => app?.close()));
  for (const instance of [...(instances ?? [])].reverse()) await instance.close();
});

const hint = (email: string) => ({ id_token_hint: hints.get(email) ?? '' });
const ask = (person: Person, email: string) => silently(person, house, hint(email), way);
const browser = (emails: readonly string[]) => browserOf(keyhold, house, emails, personVia(keyhold, way));

async function rounds(act: () => Promise<void>): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) await act();
}

/** Asks silently over and over while something else happens, and gives all the answers. */
async function meanwhile(person: Person, email: string, act: () => Promise<unknown>) {
  const state = { over: false };
  const keepAsking = async () => {
    const answers: Readonly<Record<string, string>>[] = [];
    while (!state.over) answers.push(await ask(person, email));
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

/** Opens a page to sign somebody in at, in a tab of its own; what comes back finishes it. */
async function loginTab(
  person: Person,
  email: string,
): Promise<() => Promise<Readonly<Record<string, string>>>> {
  await person.goto(await house.authorizationUrl({ prompt: 'login' }));
  if (person.page.heading === 'Choose an account') await person.follow('Use another account');
  person.fill('Email', email);
  await person.press('Continue');
  const { headers } = await sendStep(person, '/password', { password: GOOD_PASSWORD });
  const resume = new URL(headers.get('location') ?? '', keyhold.origin);
  expect(resume.pathname).toMatch(/^\/authorize\//);
  return () => asks(person, resume, way);
}

async function whoIsHere(person: Person): Promise<readonly string[]> {
  await person.goto(keyhold.origin);
  return [ADA, BOB, CLEO, DAN].filter(email => person.page.text.includes(email));
}

async function subjectOf(answer: Readonly<Record<string, string>>): Promise<string> {
  const url = new URL(house.redirectUri);
  url.search = new URLSearchParams(answer).toString();
  return subjectIn((await house.exchange(url)).id_token);
}

/** The answer of "Sign out" on a page that is open; sent when called. */
async function signOutOf(person: Person, email: string): Promise<() => Promise<number>> {
  await person.goto(house.endSessionUrl(hint(email)));
  const xsrf = /name="xsrf" value="([^"]+)"/.exec(person.page.html)?.[1] ?? '';
  const url = `${keyhold.origin}/end-session/confirm`;
  return async () => {
    const cookie = await person.jar.getCookieString(url);
    const body = new URLSearchParams({ xsrf, logout: 'yes' });
    const answer = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      headers: { cookie },
      body,
      dispatcher: way,
    });
    await answer.text();
    return answer.status;
  };
}

test('while somebody signs in, no silent request of those who are here fails, and none learns who came', async () => {
  const person = await browser([BOB]);
  await rounds(async () => {
    const formerly = personVia(keyhold, way);
    for (const [name, value] of await person.cookies(keyhold.origin)) {
      await formerly.jar.setCookie(`${name}=${value}`, keyhold.origin);
    }
    const finish = await loginTab(person, ADA);
    const answers = await meanwhile(person, BOB, async () => {
      expect(await finish()).toMatchObject(CODE);
      expect(await ask(formerly, BOB)).toMatchObject(CODE);
    });
    expect(answers.length).toBeGreaterThan(0);
    for (const answer of answers) expect(answer).toMatchObject(CODE);
    expect(await ask(formerly, ADA)).toMatchObject(GONE);
    expect(await (await signOutOf(person, ADA))()).toBe(303);
  });
});

test('somebody who signs out among silent renewals is gone, and nobody else is', async () => {
  const person = await browser([BOB]);
  await rounds(async () => {
    await signInBeside(person, house, ADA);
    const signOut = await signOutOf(person, ADA);
    let status: number | undefined;
    const answers = await meanwhile(person, ADA, async () => {
      await ask(person, ADA);
      status = await signOut();
    });
    expect(status).toBe(303);
    for (const answer of answers) expect([undefined, 'login_required']).toContain(answer['error']);
    expect(await ask(person, ADA)).toMatchObject(GONE);
    expect(await ask(person, BOB)).toMatchObject(CODE);
    expect(await whoIsHere(person)).toEqual([BOB]);
  });
});

test('two people who sign in at once beside others are both here, and so is everybody', async () => {
  const person = await browser([ADA, BOB]);
  await rounds(async () => {
    const finishes = [await loginTab(person, CLEO), await loginTab(person, DAN)];
    const answers = await Promise.all(finishes.map(finish => finish()));
    expect(await Promise.all(answers.map(subjectOf))).toEqual(
      [CLEO, DAN].map(email => subjectIn(hints.get(email))),
    );
    expect(await whoIsHere(person)).toEqual([ADA, BOB, CLEO, DAN]);
    for (const email of [CLEO, DAN]) await person.press(`Sign out ${email}`);
  });
});

test('the first two who sign in at once each get their own answer; at least one is here', async () => {
  await rounds(async () => {
    const person = personVia(keyhold, way);
    const finishes = [await loginTab(person, CLEO), await loginTab(person, DAN)];
    const answers = await Promise.all(finishes.map(finish => finish()));
    expect(await Promise.all(answers.map(subjectOf))).toEqual(
      [CLEO, DAN].map(email => subjectIn(hints.get(email))),
    );
    expect((await whoIsHere(person)).length).toBeGreaterThan(0);
  });
});

test('somebody who signs in twice at once is here', async () => {
  const person = await browser([ADA, BOB]);
  await rounds(async () => {
    const finishes = [await loginTab(person, ADA), await loginTab(person, ADA)];
    for (const answer of await Promise.all(finishes.map(finish => finish())))
      expect(answer).toMatchObject(CODE);
    expect(await whoIsHere(person)).toEqual([ADA, BOB]);
  });
});

test('two choices that are made at once each mean their own person', async () => {
  const person = await browser([ADA, BOB]);
  await rounds(async () => {
    const resumes: URL[] = [];
    for (const email of [ADA, BOB]) {
      await person.goto(await house.authorizationUrl());
      const account = subjectIn(hints.get(email));
      const { headers } = await sendStep(person, '/choose', { account });
      resumes.push(new URL(headers.get('location') ?? '', keyhold.origin));
    }
    const answers = await Promise.all(resumes.map(resume => asks(person, resume, way)));
    expect(await Promise.all(answers.map(subjectOf))).toEqual(
      [ADA, BOB].map(email => subjectIn(hints.get(email))),
    );
  });
});

test('apps that join a session at once are all kept, and all told when it ends', async () => {
  const sids: string[][] = others.map(() => []);
  await rounds(async () => {
    const person = await browser([BOB, ADA]);
    const joined = await Promise.all(
      others.map(async app => asks(person, await app.authorizationUrl({ login_hint: ADA }), way)),
    );
    for (const [i, app] of others.entries()) {
      const url = new URL(app.redirectUri);
      url.search = new URLSearchParams(joined[i]).toString();
      const tokens = await app.exchange(url);
      expect((await app.introspect(tokens.access_token)).active).toBe(true);
      sids[i]?.push(String(tokens.claims()?.['sid']));
    }
    expect(await (await signOutOf(person, ADA))()).toBe(303);
    for (const [i, app] of others.entries()) {
      expect(sids[i]).toContain(decodeJwt(await app.nextLogoutToken())['sid']);
    }
    expect(await ask(person, BOB)).toMatchObject(CODE);
  });
});
