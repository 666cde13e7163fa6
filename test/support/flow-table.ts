import type { Step } from '../../src/journeys/sign-in/next-step.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openAuthenticator } from './authenticator.js';
import { appCode, type SetUp } from './authenticator-app.js';
import { until } from './jobs.js';
import { personAt, signIn } from './journeys.js';
import type { TestKeyhold } from './keyhold.js';
import { LOST_STATES, type Losing, newAppOn } from './lost-table.js';
import { mailsNow } from './mailbox.js';
import type { Person } from './person.js';
import type { RelyingParty } from './relying-party.js';
import { codeAt, STEP_UP_STATES, setupOn } from './step-up.js';
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
} from './steps.js';
import { continueWith, type TestUpstream } from './upstream.js';
import { GOOD_PASSWORD } from './walk.js';

/** All that walking through a pending request takes. */
export interface Flow {
  readonly keyhold: TestKeyhold;
  /** Asks for consent. */
  readonly app: RelyingParty;
  /** Asks for consent as well, and nobody has checked it. */
  readonly stranger: RelyingParty;
  /** Has a password and nothing else. */
  readonly member: string;
  /** Has a second step as well. */
  readonly careful: string;
  readonly mine: SetUp;
  /** Has one, and loses it. */
  readonly losing: Losing;
  /** The code that the pending request of this very browser waits for. */
  mailedCode(person: Person): Promise<Readonly<Record<string, unknown>>>;
  readonly passkey: ReturnType<typeof openAuthenticator>;
  /** The id of somebody's account, who is signed in in no browser of the model. */
  readonly memberId: string;
  /** The open link of somebody else's sign-up. */
  readonly link: string;
  /** An identity provider that is offered as `acme`. */
  readonly upstream: TestUpstream;
  /** A number that was not given before. */
  next(): number;
}

/** A place on the way: a step, and whose it is where that makes a difference. */
export interface State {
  readonly step: Step;
  readonly heading: string;
  reach(flow: Flow, person: Person): Promise<unknown>;
}

const NEW_PASSWORD = 'eleven walruses polish quiet trombones';
const GOOD_ACCOUNT = { password: GOOD_PASSWORD, name: 'X', terms: 'yes' };

const newAddress = (flow: Flow) => `new${flow.next()}@example.test`;

/* As if the app of whoever has one had shown no code yet. */
async function anotherPeriod({ keyhold, careful }: Flow): Promise<void> {
  const owner = keyhold.db('identifiers').where({ value: careful }).select('account_id');
  await keyhold.db('authenticator_apps').whereIn('account_id', owner).update({ last_period: 0 });
}

async function toSecond(flow: Flow, person: Person): Promise<void> {
  await anotherPeriod(flow);
  await toPassword(person, flow.app, flow.careful);
  await postStep(person, '/password', { password: GOOD_PASSWORD });
}

async function toRecoveringSecond(flow: Flow, person: Person): Promise<void> {
  await flow.keyhold.db('attempts').delete();
  await anotherPeriod(flow);
  await toRecoveryCredential(person, flow.app, flow.careful);
}

/** Takes the recovery code that is next, and leaves the one that came in its place for later. */
async function useRecoveryCode(flow: Flow, person: Person): Promise<void> {
  const code = flow.mine.codes[flow.next() % flow.mine.codes.length] ?? '';
  await postStep(person, '/second-step', { by: 'recovery', code });
  await flow.keyhold.db('recovery_codes').whereNotNull('used_at').update({ used_at: null });
}

/* At the provider, and nobody here. */
function somebodyNewThere(flow: Flow): void {
  const email = newAddress(flow);
  flow.upstream.says({ sub: email, email, email_verified: true });
}

async function somebody(flow: Flow): Promise<string> {
  const email = newAddress(flow);
  await memberOf(flow.keyhold, flow.app, email);
  return email;
}

/** Every place on the way through a pending request. A new step brings its line, or the model says that it is missing. */
export const STATES: Readonly<Record<string, State>> = {
  'choose-account': {
    step: 'choose-account',
    heading: 'Choose an account',
    reach: async (flow, person) => {
      const email = await somebody(flow);
      await person.goto(await flow.app.authorizationUrl());
      await signIn(person, email);
      await person.goto(await flow.app.authorizationUrl({ prompt: 'select_account' }));
    },
  },
  identifier: {
    step: 'identifier',
    heading: 'Sign in',
    reach: async (flow, person) => person.goto(await flow.app.authorizationUrl()),
  },
  organisation: {
    step: 'organisation',
    heading: 'Sign in with Acme',
    reach: (flow, person) => toPassword(person, flow.app, `m${flow.next()}@acme.test`),
  },
  password: {
    step: 'password',
    heading: 'Enter your password',
    reach: (flow, person) => toPassword(person, flow.app, flow.member),
  },
  'password of somebody with a second step': {
    step: 'password',
    heading: 'Enter your password',
    reach: (flow, person) => toPassword(person, flow.app, flow.careful),
  },
  'sign-in-code': {
    step: 'sign-in-code',
    heading: 'Check your email',
    reach: async (flow, person) => {
      await toPassword(person, flow.app, flow.member);
      await person.press('Email me a code');
    },
  },
  'sign-in-code of somebody with a second step': {
    step: 'sign-in-code',
    heading: 'Check your email',
    reach: async (flow, person) => {
      await toPassword(person, flow.app, flow.careful);
      await person.press('Email me a code');
    },
  },
  'passkey-offer': {
    step: 'passkey-offer',
    heading: 'Sign in faster next time',
    reach: async (flow, person) => toPasskeyOffer(person, flow.app, await somebody(flow)),
  },
  'sign-up-email': {
    step: 'sign-up-email',
    heading: 'Create your account',
    reach: async (flow, person) => person.goto(await flow.app.authorizationUrl({ prompt: 'create' })),
  },
  'sign-up-code': {
    step: 'sign-up-code',
    heading: 'Check your email',
    reach: (flow, person) => toSignUpCode(person, flow.app, newAddress(flow)),
  },
  'sign-up-credential': {
    step: 'sign-up-credential',
    heading: 'Finish your account',
    reach: (flow, person) => toCredential(person, flow.app, newAddress(flow)),
  },
  'federated-account': {
    step: 'federated-account',
    heading: 'Create your account with Acme',
    reach: async (flow, person) => {
      await person.goto(await flow.app.authorizationUrl());
      somebodyNewThere(flow);
      await continueWith(person, 'acme');
    },
  },
  'recovery-code': {
    step: 'recovery-code',
    heading: 'Check your email',
    reach: async (flow, person) => {
      await toPassword(person, flow.app, flow.member);
      await person.press('Forgot password?');
    },
  },
  'recovery-credential': {
    step: 'recovery-credential',
    heading: 'Choose how you sign in',
    reach: async (flow, person) => {
      await flow.keyhold.db('attempts').delete();
      await toRecoveryCredential(person, flow.app, await somebody(flow));
    },
  },
  'second-step': { step: 'second-step', heading: 'One more step', reach: toSecond },
  'second-step of a recovery': {
    step: 'second-step',
    heading: 'One more step',
    reach: toRecoveringSecond,
  },
  'new-recovery-code': {
    step: 'new-recovery-code',
    heading: 'Keep your new recovery code',
    reach: async (flow, person) => {
      await toSecond(flow, person);
      await useRecoveryCode(flow, person);
    },
  },
  'new-recovery-code of a recovery': {
    step: 'new-recovery-code',
    heading: 'Keep your new recovery code',
    reach: async (flow, person) => {
      await toRecoveringSecond(flow, person);
      await useRecoveryCode(flow, person);
    },
  },
  ...STEP_UP_STATES,
  ...LOST_STATES,
  'app-warning': {
    step: 'app-warning',
    heading: 'Do you know this app?',
    reach: async (flow, person) => {
      const email = newAddress(flow);
      await memberOf(flow.keyhold, flow.app, email);
      await person.goto(await flow.stranger.authorizationUrl());
      await signIn(person, email);
    },
  },
  consent: {
    step: 'consent',
    heading: 'Allow access?',
    reach: async (flow, person) => {
      const email = newAddress(flow);
      await memberOf(flow.keyhold, flow.app, email);
      await person.goto(await flow.app.authorizationUrl());
      await signIn(person, email);
    },
  },
  question: {
    step: 'question',
    heading: 'Nickname',
    reach: async (flow, person) => {
      const email = newAddress(flow);
      await memberOf(flow.keyhold, flow.app, email);
      await person.goto(await flow.app.authorizationUrl({ claims: NICKNAME }));
      await signIn(person, email);
      await person.press('Allow');
    },
  },
};

const NICKNAME = JSON.stringify({ userinfo: { nickname: { essential: true } } });

type Fields = Readonly<Record<string, unknown>>;
type Content = (flow: Flow, person: Person) => Promise<Fields> | Fields;

/** A post, what it carries, and the steps at which that leads anywhere. */
export interface Post {
  /** Sent by the page's script; its answer is no page. */
  readonly script?: true;
  /** What `:token` of its path is. */
  readonly token?: (flow: Flow) => string;
  /** All that is right anywhere: at a step that it does not belong to it changes nothing all the same. */
  readonly right: Content;
  /** What proves nothing, where it belongs; the step stays due. */
  readonly wrong?: Content;
  /** Where it leads to, by the heading of the page, from each place at which it is legal. */
  readonly legal: Readonly<Record<string, string>>;
}

const nothing = () => ({});
const GUESS = { code: '00000000' };

/** The code that the pending request of this very browser waits for, or a guess where it waits for none. */
export async function mailedCode({ keyhold }: Pick<Flow, 'keyhold'>, person: Person): Promise<Fields> {
  const binding = requestPath(person).split('/')[2] ?? '';
  const open = { binding, used_at: null, ended_at: null, decoy: false };
  const proof = await keyhold.db('email_proofs').where(open).first();
  if (!proof) return GUESS;
  const keyring = openKeyring(keyhold.config.secret);
  let found: string | undefined;
  await until(async () => {
    const { address: to, purpose, code_digest: digest } = proof;
    const codes = (await mailsNow(keyhold, to)).map(({ subject }) => subject.slice(0, 8));
    found = codes.find(code =>
      keyring.mac('email-code', JSON.stringify([purpose, binding, code])).equals(digest),
    );
    return found !== undefined;
  });
  return { code: found };
}

async function secondStep(flow: Flow, person: Person): Promise<Fields> {
  const written = codeAt(person);
  if (written) return written;
  await anotherPeriod(flow);
  return { by: 'app', code: appCode(flow.mine.secret) };
}

async function assertion({ passkey }: Flow, person: Person): Promise<Fields> {
  const { body } = await postScript(person, '/passkey/options');
  const options = typeof body['challenge'] === 'string' ? body : { challenge: 'x'.repeat(43) };
  return { credential: passkey.get(options as never) };
}

async function attestation({ keyhold }: Flow, person: Person): Promise<Fields> {
  const made = { name: 'X', terms: true };
  const { body } = await postScript(person, '/passkey/new/options', made);
  const user = { id: 'x'.repeat(22) };
  const options = typeof body['challenge'] === 'string' ? body : { challenge: 'x'.repeat(43), user };
  return { ...made, credential: openAuthenticator(keyhold.origin).create(options as never) };
}

const EVERYWHERE = Object.keys(STATES);
const BEFORE_CONSENT = EVERYWHERE.filter(name => !['consent', 'app-warning', 'question'].includes(name));
const to = (names: readonly string[], heading: string) =>
  Object.fromEntries(names.map(name => [name, heading]));

const CODES = ['recovery-codes', 'recovery-codes of a new phone'];
const CHOICES = ['second-factor', 'second-factor of a wish'];
const CONSENT = 'Allow access?';
const IN_THE_APP = 'Back in the app';

/** Every post of a pending request. A new route brings its line, or the model says that it is missing. */
export const POSTS: Readonly<Record<string, Post>> = {
  '/choose': {
    right: ({ memberId }) => ({ account: memberId }),
    wrong: ({ memberId }) => ({ account: memberId }),
    legal: to(BEFORE_CONSENT, ''),
  },
  '/identifier': {
    right: ({ member }) => ({ email: member }),
    legal: to(BEFORE_CONSENT, 'Enter your password'),
  },
  '/sign-up': {
    right: flow => ({ email: newAddress(flow) }),
    legal: to(BEFORE_CONSENT, 'Check your email'),
  },
  '/back': {
    right: nothing,
    legal: {
      ...to(BEFORE_CONSENT, 'Sign in'),
      'choose-account': 'Choose an account',
      'sign-up-email': 'Create your account',
      'sign-up-code': 'Create your account',
      'sign-up-credential': 'Create your account',
      'federated-account': 'Create your account',
    },
  },
  '/organisation': { right: () => ({ password: 'x' }), legal: { organisation: 'Sign in with Acme' } },
  '/organisation/around': { right: nothing, legal: { organisation: 'Enter your password' } },
  '/password': {
    right: () => ({ password: GOOD_PASSWORD }),
    wrong: () => ({ password: 'a wrong password of somebody' }),
    legal: { password: CONSENT, 'password of somebody with a second step': 'One more step' },
  },
  '/code/send': {
    right: nothing,
    legal: {
      password: 'Check your email',
      'password of somebody with a second step': 'Check your email',
      'sign-in-code': 'Check your email',
      'sign-in-code of somebody with a second step': 'Check your email',
      'sign-up-code': 'Check your email',
      'recovery-code': 'Check your email',
      'lost-code': 'Check your email',
    },
  },
  '/code': {
    right: mailedCode,
    wrong: () => GUESS,
    legal: {
      'sign-in-code': CONSENT,
      'sign-in-code of somebody with a second step': 'One more step',
      'sign-up-code': 'Finish your account',
      'recovery-code': 'Choose how you sign in',
      'lost-code': 'What was on the phone?',
    },
  },
  '/recovery': {
    right: nothing,
    legal: {
      password: 'Check your email',
      'password of somebody with a second step': 'Check your email',
      'sign-in-code': 'Check your email',
      'sign-in-code of somebody with a second step': 'Check your email',
    },
  },
  '/recovery/password': {
    right: () => ({ password: NEW_PASSWORD }),
    wrong: () => ({ password: 'too short' }),
    legal: { 'recovery-credential': CONSENT },
  },
  '/recovery/gone': {
    right: ({ memberId }) => ({ gone: memberId }),
    legal: { 'recovery-credential': 'Choose how you sign in' },
  },
  '/second-step': {
    right: secondStep,
    wrong: () => ({ by: 'app', code: '000000' }),
    legal: {
      'second-step': IN_THE_APP,
      'second-step of a recovery': 'Choose how you sign in',
      'second-factor-passkey': 'Keep your new recovery code',
    },
  },
  '/second-step/kept': {
    right: nothing,
    legal: { 'new-recovery-code': IN_THE_APP, 'new-recovery-code of a recovery': 'Choose how you sign in' },
  },
  '/second-factor/app': { right: nothing, legal: to(CHOICES, 'Set up your authenticator app') },
  '/second-factor/other': { right: nothing, legal: { 'second-factor-app': 'Set up a second step' } },
  '/second-factor/app/code': {
    right: (_flow, person) => setupOn(person),
    wrong: (_flow, person) => ({ ...setupOn(person), code: '000000' }),
    legal: { 'second-factor-app': 'Write down your recovery codes' },
  },
  '/second-factor/skip': { right: nothing, legal: { 'second-factor of a wish': CONSENT } },
  '/recovery-codes/file': { right: nothing, legal: to(CODES, 'Recovery codes.') },
  '/recovery-codes/kept': {
    right: nothing,
    legal: { 'recovery-codes': CONSENT, 'recovery-codes of a new phone': IN_THE_APP },
  },
  '/lost': {
    right: nothing,
    legal: to(['second-step', 'second-step of a recovery'], 'Your phone is gone?'),
  },
  '/lost/back': {
    right: nothing,
    legal: to(['lost', 'lost of a recovery', 'lost-password', 'lost-code'], 'One more step'),
  },
  '/lost/continue': {
    right: nothing,
    legal: { lost: 'Check your email', 'lost of a recovery': 'And your password' },
  },
  '/lost/password': {
    right: () => ({ password: GOOD_PASSWORD }),
    wrong: () => ({ password: 'a wrong password of somebody' }),
    legal: { 'lost-password': 'What was on the phone?' },
  },
  '/lost/begin': { right: nothing, legal: { 'lost-what': 'Now you wait' } },
  '/lost/app': {
    right: (_flow, person) => newAppOn(person),
    wrong: (_flow, person) => ({ ...newAppOn(person), code: '000000' }),
    legal: { 'lost-new': 'Write down your recovery codes' },
  },
  '/lost/stop': { right: () => ({ how: 'stop' }), legal: { 'stop-recovery': 'Enter your password' } },
  '/link/:token': {
    token: ({ link }) => link,
    right: nothing,
    legal: { 'sign-up-code': 'This link has expired' },
  },
  '/link/:token/deny': {
    token: () => 'x'.repeat(43),
    right: nothing,
    legal: to(EVERYWHERE, 'It is ended'),
  },
  '/account': {
    right: () => GOOD_ACCOUNT,
    wrong: () => ({ ...GOOD_ACCOUNT, terms: '' }),
    legal: { 'sign-up-credential': CONSENT },
  },
  '/new-account': {
    right: () => ({ name: 'X', terms: 'yes' }),
    wrong: () => ({ name: 'X', terms: '' }),
    legal: { 'federated-account': CONSENT },
  },
  '/federated/:provider': {
    right: flow => {
      somebodyNewThere(flow);
      return {};
    },
    legal: to(BEFORE_CONSENT, 'Create your account with Acme'),
  },
  '/passkey/skip': { right: nothing, legal: { 'passkey-offer': CONSENT } },
  '/consent/known': { right: nothing, legal: { 'app-warning': CONSENT } },
  '/consent': { right: () => ({ allow: 'scope:email' }), legal: { consent: IN_THE_APP } },
  '/question': {
    right: () => ({ question: 'nickname', value: 'Countess' }),
    legal: { question: IN_THE_APP },
  },
  '/question/skip': { right: () => ({ question: 'nickname' }), legal: { question: IN_THE_APP } },
  '/deny': { right: nothing, legal: to(EVERYWHERE, 'Refused: access_denied') },
  '/passkey/options': { script: true, right: nothing, legal: to(BEFORE_CONSENT, '') },
  '/passkey': {
    script: true,
    right: assertion,
    wrong: () => ({ credential: { id: 'x' } }),
    legal: to(BEFORE_CONSENT, CONSENT),
  },
  '/passkey/new/options': {
    script: true,
    right: () => ({ name: 'X', terms: true }),
    legal: to(['sign-up-credential', 'passkey-offer', 'recovery-credential', ...CHOICES, 'lost-new'], ''),
  },
  '/passkey/new': {
    script: true,
    right: attestation,
    wrong: () => ({ name: 'X', terms: true, credential: { id: 'x' } }),
    legal: {
      ...to(['sign-up-credential', 'passkey-offer', 'recovery-credential'], CONSENT),
      ...to(CHOICES, 'Write down your recovery codes'),
      'lost-new': 'Write down your recovery codes',
    },
  },
};

/** Somebody at this place, in a browser of their own. */
export async function reach(flow: Flow, name: string): Promise<Person> {
  const person = personAt(flow.keyhold);
  await STATES[name]?.reach(flow, person);
  return person;
}
