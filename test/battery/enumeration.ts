import { codeIn } from '../support/mailbox.js';
import { newPerson, type Person } from '../support/person.js';
import { postScript, sendStep } from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';
import { openRandom, type Random } from './random.js';
import type { Rig } from './rig.js';

/*
 * C09: nobody learns by the time of an answer who has an account. Samples for a known and an unknown address come in a
 * shuffled order, one after the other; the medians may be five milliseconds apart, or the two must not be told apart by
 * the Mann-Whitney test. The pages' tests compare the statements and jobs instead, since CI measures no time.
 */

const WIDEST_GAP_MS = 5;
const SURE = 0.01;

interface Place {
  readonly origin: string;
  readonly authorize: (more?: Readonly<Record<string, string>>) => string;
}

type Knock = () => Promise<unknown>;
type Way = (place: Place, email: string) => Promise<Knock>;

const begin = async (place: Place, email: string | undefined, more = {}): Promise<Person> => {
  const person = newPerson({ origin: place.origin });
  await person.goto(place.authorize(more));
  if (email === undefined) return person;
  person.fill('Email', email);
  await person.press('Continue');
  return person;
};

const WAYS: Readonly<Record<string, Way>> = {
  'an address': async (place, email) => {
    const person = await begin(place, undefined);
    return () => sendStep(person, '/identifier', { email });
  },
  'a wrong password': async (place, email) => {
    const person = await begin(place, email);
    return () => sendStep(person, '/password', { password: 'a wrong one of somebody' });
  },
  'a wish for a code': async (place, email) => {
    const person = await begin(place, email);
    return () => sendStep(person, '/code/send', {});
  },
  'a wish to recover': async (place, email) => {
    const person = await begin(place, email);
    await sendStep(person, '/recovery', {});
    return () => sendStep(person, '/code/send', {});
  },
  'a wish to sign up': async (place, email) => {
    const person = await begin(place, undefined, { prompt: 'create' });
    return () => sendStep(person, '/sign-up', { email });
  },
  'a wish to add an address': async (place, email) => {
    const person = await begin(place, ASKER);
    person.fill('Password', GOOD_PASSWORD);
    await person.press('Sign in');
    await person.goto(`${place.origin}/account/contacts/add-email`);
    const made = /name="for" value="([^"]+)"/.exec(person.page.html)?.[1] ?? '';
    return () => sendStep(person, '/account/contacts/add-email', { for: made, email });
  },
  'a wish for a passkey': async (place, email) => {
    const person = await begin(place, email);
    return () => postScript(person, '/passkey/options', { email });
  },
};

/** Who is signed in and asks about others. */
const ASKER = 'asker@example.test';

const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** The probability that two samples of one distribution differ as much: by rank, in the normal approximation. */
function mannWhitney(first: readonly number[], second: readonly number[]): number {
  const all = [...first.map(value => [value, 0] as const), ...second.map(value => [value, 1] as const)];
  all.sort(([a], [b]) => a - b);
  const ranks = all.reduce((sum, [, group], at) => sum + (group === 0 ? at + 1 : 0), 0);
  const [m, n] = [first.length, second.length];
  const u = ranks - (m * (m + 1)) / 2;
  const z = Math.abs(u - (m * n) / 2) / Math.sqrt((m * n * (m + n + 1)) / 12);
  /* Abramowitz and Stegun 26.2.17, both tails. */
  const t = 1 / (1 + 0.2316419 * z);
  const series =
    t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return (2 * Math.exp((-z * z) / 2) * series) / Math.sqrt(2 * Math.PI);
}

const [KNOWN, UNKNOWN] = ['known@example.test', 'nobod@example.test'] as const;
const WARM_UP = 10;

/** Measures one way: the milliseconds of each answer to the known and to the unknown address. */
async function measure(place: Place, way: Way, samples: number, random: Random) {
  const knocks = [await way(place, KNOWN), await way(place, UNKNOWN)] as const;
  const times: [number[], number[]] = [[], []];
  for (let at = 0; at < samples + WARM_UP; at++) {
    for (const which of random.pick([[0, 1] as const, [1, 0] as const])) {
      const began = performance.now();
      await knocks[which]();
      if (at >= WARM_UP) times[which].push(performance.now() - began);
    }
  }
  return times;
}

async function signUp(rig: Rig, place: Place, email: string): Promise<void> {
  const person = await begin(place, email, { prompt: 'create' });
  person.fill('Code', codeIn(await rig.mailbox.latest(email)));
  await person.press('Continue');
  await sendStep(person, '/account', { password: GOOD_PASSWORD, terms: 'yes' });
}

/** Measures every way in which somebody could ask about an address. */
export async function runEnumeration(
  rig: Rig,
  { samples, seed }: { readonly samples: number; readonly seed: number },
  say: (sentence: string) => void,
): Promise<{ readonly problems: readonly string[]; readonly ways: number; readonly samples: number }> {
  const redirect = 'https://app.example.test/callback';
  const { client_id } = await rig.registerClient({
    client_name: 'App',
    redirect_uris: [redirect],
    token_endpoint_auth_method: 'none',
  });
  const base = {
    client_id,
    redirect_uri: redirect,
    response_type: 'code',
    scope: 'openid',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
  };
  const authorize = (more = {}) => `${rig.issuer}/authorize?${new URLSearchParams({ ...base, ...more })}`;
  const place: Place = { origin: rig.issuer, authorize };
  for (const email of [KNOWN, ASKER]) await signUp(rig, place, email);
  const random = openRandom(seed);
  const problems: string[] = [];
  for (const [name, way] of Object.entries(WAYS)) {
    const [known, unknown] = await measure(place, way, samples, random);
    const p = mannWhitney(known, unknown);
    const told = `${name}: known ${median(known).toFixed(2)} ms, unknown ${median(unknown).toFixed(2)} ms, p = ${p.toFixed(3)}`;
    say(told);
    if (Math.abs(median(known) - median(unknown)) >= WIDEST_GAP_MS && p <= SURE) problems.push(told);
  }
  return { problems, ways: Object.keys(WAYS).length, samples };
}
