import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, run } from '../support/keyhold-process.js';
import { codeIn, devMailbox } from '../support/mailbox.js';
import { newPerson, type Person } from '../support/person.js';
import { csrfOf, postScript, requestPath, sendStep } from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

/*
 * C09: nobody learns by the time of an answer who has an account. Samples for a known and an unknown address come in a
 * shuffled order, one after the other; the medians may be five milliseconds apart, or the two must not be told apart by
 * the Mann-Whitney test. `ENUMERATION_SAMPLES` and `SEED` change how many and in which order.
 */

const SAMPLES = Number(process.env['ENUMERATION_SAMPLES'] ?? 200);
const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
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
  'a wish for a passkey': async (place, email) => {
    const person = await begin(place, email);
    return () => postScript(person, '/passkey/options', { email });
  },
};

/** Mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

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

/** Measures one way; says whether the known and the unknown address can be told apart. */
async function measure(place: Place, name: string, way: Way, random: () => number): Promise<boolean> {
  const addresses = ['known@example.test', 'nobod@example.test'] as const;
  const knocks = [await way(place, addresses[0]), await way(place, addresses[1])] as const;
  const times: [number[], number[]] = [[], []];
  for (let at = 0; at < SAMPLES + 10; at++) {
    const pair = random() < 0.5 ? ([0, 1] as const) : ([1, 0] as const);
    for (const which of pair) {
      const began = performance.now();
      await knocks[which]();
      if (at >= 10) times[which].push(performance.now() - began);
    }
  }
  const [known, unknown] = [median(times[0]), median(times[1])];
  const p = mannWhitney(times[0], times[1]);
  const alike = Math.abs(known - unknown) < WIDEST_GAP_MS || p > SURE;
  const told = `known ${known.toFixed(2)} ms, unknown ${unknown.toFixed(2)} ms, p = ${p.toFixed(3)}`;
  console.info(`${alike ? 'ok  ' : 'FAIL'} ${name}: ${told}`);
  return alike;
}

async function signUp(place: Place, email: string): Promise<void> {
  const person = await begin(place, email, { prompt: 'create' });
  person.fill('Code', codeIn(await devMailbox({ origin: place.origin }).latest(email)));
  await person.press('Continue');
  const url = new URL(`${requestPath(person)}/account`, place.origin);
  await person.post(url, { csrf: csrfOf(person), password: GOOD_PASSWORD, terms: 'yes' });
}

/** Starts a Keyhold of its own and measures every way; gives how many can be told apart. */
export async function enumeration(): Promise<number> {
  console.info(`C09 by time: ${SAMPLES} samples each, SEED=${SEED}`);
  const folder = await mkdtemp(join(tmpdir(), 'keyhold-enumeration-'));
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const env = {
    PATH: process.env['PATH'] ?? '',
    KEYHOLD_ISSUER: origin,
    KEYHOLD_PORT: String(port),
    KEYHOLD_DATA_DIR: folder,
    KEYHOLD_RATE_LIMITS: 'off',
    KEYHOLD_LOG_LEVEL: 'error',
  };
  const keyhold = run('main', [], env);
  try {
    await answering(`${origin}/health/ready`);
    const file = join(folder, 'client.json');
    const redirect = 'https://app.example.test/callback';
    const metadata = { client_name: 'App', redirect_uris: [redirect], token_endpoint_auth_method: 'none' };
    await writeFile(file, JSON.stringify(metadata));
    const added = await run('cli', ['clients', 'add', file], env).ended;
    const { client_id } = JSON.parse(added.out) as { client_id: string };
    const place: Place = {
      origin,
      authorize: (more = {}) =>
        `${origin}/authorize?${new URLSearchParams({
          client_id,
          redirect_uri: redirect,
          response_type: 'code',
          scope: 'openid',
          code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
          code_challenge_method: 'S256',
          ...more,
        })}`,
    };
    await signUp(place, 'known@example.test').catch(error => {
      /* The app that the sign-up leads back to does not run. */
      if (!String(error?.cause ?? error).includes('ENOTFOUND')) throw error;
    });
    let failed = 0;
    const random = randomOf(SEED);
    for (const [name, way] of Object.entries(WAYS))
      failed += (await measure(place, name, way, random)) ? 0 : 1;
    return failed;
  } finally {
    keyhold.child.kill('SIGTERM');
    await keyhold.ended;
    await rm(folder, { recursive: true, force: true });
  }
}

async function answering(url: string): Promise<void> {
  const end = Date.now() + 60_000;
  while (Date.now() < end) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.status === 200) return;
    await new Promise(resolve => setTimeout(resolve, 100));
  }
  throw new Error('it does not start');
}

if (process.argv[1]?.endsWith('battery/enumeration.js')) {
  process.exitCode = (await enumeration()) === 0 ? 0 : 1;
}
