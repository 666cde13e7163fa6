import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type SetUp, setUpApp } from '../support/authenticator-app.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { peopleOnRecord } from '../support/ledger.js';
import type { Person } from '../support/person.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import {
  memberOf,
  postScript,
  postStep,
  requestPath,
  toCredential,
  toPasskeyOffer,
  toPassword,
  toRecoveryCredential,
  toSignUpCode,
} from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

// Every post of the flow from every step of it, with the cookies and the token of the very browser (class C06).

let keyhold: TestKeyhold;
let app: RelyingParty;
let other: RelyingParty;
let count = 0;
const MEMBER = 'member@example.test';
/* Somebody with a second factor. */
const CAREFUL = 'careful@example.test';
let mine: SetUp;

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold);
  other = await openRelyingParty(keyhold, { client_name: 'Other app' });
  await memberOf(keyhold, app, MEMBER);
  mine = await setUpApp(keyhold, await newMember(keyhold, app, CAREFUL));
});

afterAll(async () => {
  await app?.close();
  await other?.close();
  await keyhold?.close();
});

const HEADINGS = {
  identifier: 'Sign in',
  password: 'Enter your password',
  'sign-in-code': 'Check your email',
  'passkey-offer': 'Sign in faster next time',
  'sign-up-email': 'Create your account',
  'sign-up-code': 'Check your email',
  'sign-up-credential': 'Finish your account',
  'recovery-code': 'Check your email',
  'recovery-credential': 'Choose how you sign in',
  'second-step': 'One more step',
  'second-step-recovering': 'One more step',
  'new-recovery-code': 'Keep your new recovery code',
  consent: 'Allow access?',
} as const;
type Step = keyof typeof HEADINGS;

const reach: Readonly<Record<Step, (person: Person) => Promise<unknown>>> = {
  identifier: async person => person.goto(await app.authorizationUrl()),
  password: person => toPassword(person, app, MEMBER),
  'sign-in-code': async person => {
    await toPassword(person, app, MEMBER);
    await person.press('Email me a code');
  },
  'passkey-offer': person => toPasskeyOffer(person, app, MEMBER),
  'sign-up-email': async person => person.goto(await app.authorizationUrl({ prompt: 'create' })),
  'sign-up-code': person => toSignUpCode(person, app, `new${++count}@example.test`),
  'sign-up-credential': person => toCredential(person, app, `new${++count}@example.test`),
  'recovery-code': async person => {
    await toPassword(person, app, MEMBER);
    await person.press('Forgot password?');
  },
  'recovery-credential': async person => {
    await keyhold.db('attempts').delete();
    await toRecoveryCredential(person, app, MEMBER);
  },
  'second-step': person => toSecondStep(person),
  'second-step-recovering': async person => {
    await keyhold.db('attempts').delete();
    await toRecoveryCredential(person, app, CAREFUL);
  },
  'new-recovery-code': async person => {
    await toSecondStep(person);
    const code = mine.codes[used++] ?? '';
    await postStep(person, '/second-step', { by: 'recovery', code });
  },
  consent: async person => {
    await person.goto(await other.authorizationUrl());
    await signIn(person, MEMBER);
  },
};

let used = 0;

async function toSecondStep(person: Person): Promise<void> {
  await toPassword(person, app, CAREFUL);
  await postStep(person, '/password', { password: GOOD_PASSWORD });
}

/** Each post as somebody sends it who has proved nothing: the page it leads to where it is legal there at all. */
const POSTS: readonly (readonly [
  path: string,
  fields: Readonly<Record<string, string>>,
  legal: Partial<Record<Step, string>>,
])[] = [
  ['/password', { password: 'a wrong password of somebody' }, { password: HEADINGS.password }],
  [
    '/code',
    { code: '00000000' },
    {
      'sign-in-code': HEADINGS['sign-in-code'],
      'sign-up-code': HEADINGS['sign-up-code'],
      'recovery-code': HEADINGS['recovery-code'],
    },
  ],
  [`/link/${'x'.repeat(43)}`, {}, { 'sign-up-code': 'This link has expired' }],
  [
    '/account',
    { password: GOOD_PASSWORD, name: 'X', terms: '' },
    { 'sign-up-credential': HEADINGS['sign-up-credential'] },
  ],
  [
    '/recovery/password',
    { password: 'too short' },
    { 'recovery-credential': HEADINGS['recovery-credential'] },
  ],
  [
    '/second-step',
    { by: 'app', code: '000000' },
    { 'second-step': HEADINGS['second-step'], 'second-step-recovering': HEADINGS['second-step'] },
  ],
  ['/second-step/kept', {}, { 'new-recovery-code': 'Back in the app' }],
  ['/passkey/skip', {}, { 'passkey-offer': 'Allow access?' }],
  ['/consent', { allow: 'scope:email' }, { consent: 'Back in the app' }],
];

/** Which steps begin anew when somebody types an address or turns back. */
const RESTARTS: readonly (readonly [
  path: string,
  fields: Readonly<Record<string, string>>,
  heading: string | undefined,
])[] = [
  ['/identifier', { email: 'somebody@example.test' }, HEADINGS.password],
  ['/sign-up', { email: 'somebody@example.test' }, HEADINGS['sign-up-code']],
  ['/back', {}, undefined],
  ['/code/send', {}, undefined],
  ['/recovery', {}, undefined],
];

const SCRIPTS = ['/passkey', '/passkey/new', '/passkey/new/options'] as const;
const PROVED: readonly Step[] = [
  'passkey-offer',
  'sign-up-credential',
  'recovery-credential',
  'second-step',
  'second-step-recovering',
  'new-recovery-code',
  'consent',
];

describe.each(Object.keys(HEADINGS) as Step[])('at %s', step => {
  test('C06, C15: no post of another step goes on, and nothing about anybody changes', async () => {
    const person = personAt(keyhold);
    await reach[step](person);
    expect(person.page.heading).toBe(HEADINGS[step]);
    const path = requestPath(person);
    const before = await peopleOnRecord(keyhold.db);
    for (const [post, fields, legal] of POSTS) {
      if (
        step in legal &&
        post !== '/password' &&
        post !== '/code' &&
        post !== '/account' &&
        post !== '/second-step' &&
        post !== '/recovery/password'
      )
        continue;
      const page = await postStep(person, post, fields);
      expect([post, page.heading]).toEqual([post, legal[step] ?? HEADINGS[step]]);
      await person.goto(new URL(path, keyhold.origin));
      expect([post, person.page.heading]).toEqual([post, HEADINGS[step]]);
    }
    for (const post of SCRIPTS) {
      const { status, body } = await postScript(person, post, {
        credential: { id: 'x' },
        terms: false,
        name: '',
      });
      expect([post, status, 'location' in body]).toEqual([post, status, false]);
      if (!(post === '/passkey/new/options' && (step === 'passkey-offer' || step === 'recovery-credential')))
        expect(status).toBeGreaterThanOrEqual(400);
    }
    await person.goto(new URL(path, keyhold.origin));
    expect(person.page.heading).toBe(HEADINGS[step]);
    expect(await peopleOnRecord(keyhold.db)).toBe(before);
  });

  test.each(RESTARTS)('C06: %s leads nowhere that needs a proof', async (post, fields, heading) => {
    const person = personAt(keyhold);
    await reach[step](person);
    const before = await peopleOnRecord(keyhold.db);
    const page = await postStep(person, post, fields);
    if (step === 'consent') expect(page.heading).toBe(HEADINGS.consent);
    else if (heading) expect(page.heading).toBe(heading);
    else if (!PROVED.includes(step) || post === '/back') {
      expect([
        HEADINGS.identifier,
        HEADINGS['sign-up-email'],
        HEADINGS['sign-in-code'],
        HEADINGS['sign-up-code'],
      ]).toContain(page.heading);
    }
    expect(await peopleOnRecord(keyhold.db)).toBe(before);
  });

  test('C06: what was proved is not proved any more after turning back', async () => {
    const person = personAt(keyhold);
    await reach[step](person);
    if (step === 'consent') return;
    await postStep(person, '/back');
    const before = await peopleOnRecord(keyhold.db);
    await postStep(person, '/account', { password: GOOD_PASSWORD, terms: 'yes' });
    await postStep(person, '/passkey/skip');
    await postStep(person, '/recovery/password', { password: GOOD_PASSWORD });
    expect([HEADINGS.identifier, HEADINGS['sign-up-email']]).toContain(person.page.heading);
    expect(await peopleOnRecord(keyhold.db)).toBe(before);
  });

  test('leaving tells the app access_denied and nothing else', async () => {
    const person = personAt(keyhold);
    await reach[step](person);
    const before = await peopleOnRecord(keyhold.db);
    await postStep(person, '/deny');
    expect(person.page.url.searchParams.get('error')).toBe('access_denied');
    expect(await peopleOnRecord(keyhold.db)).toBe(before);
  });
});
