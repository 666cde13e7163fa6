import { openAuthenticator } from './authenticator.js';
import { appCode, codesOn, secretOn } from './authenticator-app.js';
import type { Flow, State } from './flow-table.js';
import { signIn } from './journeys.js';
import type { TestKeyhold } from './keyhold.js';
import type { Person } from './person.js';
import type { RelyingParty } from './relying-party.js';
import { memberOf, postScript, postStep } from './steps.js';

/** What an app asks for that must have two factors (OpenID Connect Core §5.5.1.1). */
export const AAL2 = {
  claims: JSON.stringify({ id_token: { acr: { essential: true, value: 'aal2' } } }),
} as const;

/** The recovery codes of whoever is at a place that takes one. */
const codesOf = new WeakMap<Person, readonly string[]>();

/** From a new request to what comes after the password. */
export async function afterPassword(
  person: Person,
  app: RelyingParty,
  email: string,
  wishes: Readonly<Record<string, string>> = AAL2,
): Promise<void> {
  await person.goto(await app.authorizationUrl(wishes));
  await signIn(person, email);
}

/** Makes a passkey on the page where a second factor is chosen, up to the recovery codes; gives its authenticator. */
export async function choosePasskey(keyhold: Pick<TestKeyhold, 'origin'>, person: Person) {
  const { body } = await postScript(person, '/passkey/new/options');
  const authenticator = openAuthenticator(keyhold.origin);
  const kept = await postScript(person, '/passkey/new', { credential: authenticator.create(body as never) });
  await person.goto(new URL(String(kept.body['location']), keyhold.origin));
  return authenticator;
}

/** Sets up an authenticator app on the page where a second factor is chosen, up to the recovery codes; gives its secret. */
export async function chooseApp(person: Person): Promise<string> {
  await person.press('Use an authenticator app');
  const secret = secretOn(person);
  person.fill('Code from your app', appCode(secret));
  await person.press('Turn on');
  return secret;
}

async function toChoice(flow: Flow, person: Person, wishes?: Readonly<Record<string, string>>) {
  const email = `new${flow.next()}@example.test`;
  await memberOf(flow.keyhold, flow.app, email);
  await afterPassword(person, flow.app, email, wishes);
  return email;
}

const CHOICE = { step: 'second-factor', heading: 'Set up a second step' } as const;

/** The places of whoever must have a second factor, or is offered one. */
export const STEP_UP_STATES: Readonly<Record<string, State>> = {
  'second-factor': { ...CHOICE, reach: (flow, person) => toChoice(flow, person) },
  'second-factor of a wish': {
    ...CHOICE,
    reach: (flow, person) => toChoice(flow, person, { acr_values: 'aal2' }),
  },
  'second-factor-app': {
    step: 'second-factor-app',
    heading: 'Set up your authenticator app',
    reach: async (flow, person) => {
      await toChoice(flow, person);
      await person.press('Use an authenticator app');
    },
  },
  'second-factor-passkey': {
    step: 'second-factor-passkey',
    heading: 'Use your passkey',
    reach: async (flow, person) => {
      const email = await toChoice(flow, person);
      await choosePasskey(flow.keyhold, person);
      codesOf.set(person, codesOn(person));
      await postStep(person, '/back');
      await afterPassword(person, flow.app, email);
    },
  },
  'recovery-codes': {
    step: 'recovery-codes',
    heading: 'Write down your recovery codes',
    reach: async (flow, person) => {
      await toChoice(flow, person);
      await chooseApp(person);
    },
  },
};

/** A recovery code of somebody who is at a place that takes one in the place of a passkey. */
export function codeAt(person: Person): Readonly<Record<string, string>> | undefined {
  const [code] = codesOf.get(person) ?? [];
  return code === undefined ? undefined : { by: 'recovery', code };
}

/** The first code of the app that is being set up on the open page; a guess on any other. */
export function setupOn(person: Person): Readonly<Record<string, string>> {
  const setup = /name="setup" value="([^"]+)"/.exec(person.page.html)?.[1];
  if (setup === undefined) return { setup: 'x', code: '000000' };
  return { setup, code: appCode(secretOn(person)) };
}
