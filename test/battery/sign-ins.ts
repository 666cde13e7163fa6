import { setTimeout as pause } from 'node:timers/promises';
import { codeIn } from '../support/mailbox.js';
import { newPerson } from '../support/person.js';
import { openRelyingParty } from '../support/relying-party.js';
import { GOOD_PASSWORD } from '../support/walk.js';
import type { Rig } from './rig.js';

/** People who sign in, whatever else is done, and how long that takes them. */
export interface SignIns {
  /** Takes down how long those take that begin from now on, under this name. */
  during(name: string): void;
  /** Of those that began then, in milliseconds, and how many there were. */
  took(name: string): { readonly p50: number; readonly p95: number; readonly count: number };
  /** What went wrong. */
  readonly problems: readonly string[];
  /** Begins no more, and waits for those under way. */
  stop(): Promise<void>;
}

const MEMBERS = 8;

/**
 * Signs in so many a second, each from an app's request to its code, whether those before have ended or not: who waits longer
 * makes nobody else come later.
 */
export async function startSignIns(rig: Rig, perSecond: number): Promise<SignIns> {
  const app = await openRelyingParty(rig, { first_party: true }, { dispatcher: rig.front });
  const browser = () =>
    newPerson({
      origin: rig.issuer,
      dispatcher: rig.front,
      mailbox: rig.mailbox,
      away: [app.redirectUri],
    });
  const emails = Array.from({ length: MEMBERS }, (_, nr) => `coming-${nr}@example.test`);
  for (const email of emails) {
    const person = browser();
    await person.goto(await app.authorizationUrl({ prompt: 'create' }));
    person.fill('Email', email);
    await person.press('Continue');
    person.fill('Code', codeIn(await person.latestMail(email)));
    await person.press('Continue');
    person.tick('I accept the terms');
    person.fill('Password', GOOD_PASSWORD);
    await person.press('Create account');
  }
  const signIn = async (email: string) => {
    const person = browser();
    await person.goto(await app.authorizationUrl());
    person.fill('Email', email);
    await person.press('Continue');
    person.fill('Password', GOOD_PASSWORD);
    await person.press('Sign in');
    if (!person.page.url.searchParams.has('code'))
      throw new Error(`no code, but ${person.page.status} ${person.page.heading}`);
  };
  const times = new Map<string, number[]>();
  const [underWay, problems] = [new Set<Promise<void>>(), [] as string[]];
  let [name, going] = ['warming up', true];
  const began = performance.now();
  const coming = (async () => {
    for (let nth = 0; going; nth++) {
      await pause(Math.max(0, began + (nth * 1_000) / perSecond - performance.now()));
      const [during, since] = [name, performance.now()];
      const one = signIn(emails[nth % MEMBERS] ?? '')
        .then(() => void times.set(during, [...(times.get(during) ?? []), performance.now() - since]))
        .catch(error => void problems.push(`signing in: ${String(error)}`))
        .finally(() => underWay.delete(one));
      underWay.add(one);
    }
  })();
  return {
    problems,
    during: next => {
      name = next;
    },
    took: which => {
      const sorted = (times.get(which) ?? []).toSorted((a, b) => a - b);
      const at = (part: number) => Math.round(sorted[Math.floor(sorted.length * part)] ?? Number.NaN);
      return { p50: at(0.5), p95: at(0.95), count: sorted.length };
    },
    stop: async () => {
      going = false;
      await coming;
      await Promise.all(underWay);
      await app.close();
    },
  };
}
