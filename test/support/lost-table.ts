import { suspendApps } from '../../src/domain/factors/factors.js';
import { beginRecovery } from '../../src/domain/recoveries/recoveries.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openWork } from '../../src/platform/storage/work.js';
import { appCode, type SetUp, secretOn } from './authenticator-app.js';
import type { State } from './flow-table.js';
import type { TestKeyhold } from './keyhold.js';
import { agedAddresses, letPass } from './lost-phone.js';
import type { Person } from './person.js';
import type { RelyingParty } from './relying-party.js';
import { postStep, toPassword } from './steps.js';
import { GOOD_PASSWORD } from './walk.js';

/** Somebody with a second step who loses their phone again and again. */
export interface Losing {
  readonly email: string;
  readonly accountId: string;
  readonly mine: SetUp;
}

interface Way {
  readonly keyhold: TestKeyhold;
  readonly app: RelyingParty;
  readonly losing: Losing;
  mailedCode(person: Person): Promise<Readonly<Record<string, unknown>>>;
}

const asOwner = ({ accountId }: Losing) => ({ kind: 'person', id: accountId }) as const;

/* As if nothing had ever been lost. */
async function foundAgain({ keyhold: { db }, losing: { accountId } }: Way): Promise<void> {
  const apps = () => db('authenticator_apps').where({ account_id: accountId });
  await db('recoveries').where({ account_id: accountId }).delete();
  const first = await apps().orderBy('added_at').first('id');
  await apps().whereNot({ id: first.id }).delete();
  await apps().update({ suspended_for: null, last_period: 0 });
  await db('passkeys').where({ account_id: accountId }).delete();
  const fresh = { second_step: true, proofs_from: null, signed_out_before: null };
  await db('accounts').where({ id: accountId }).update(fresh);
}

/** A recovery that has waited for so many hours. */
async function waiting({ keyhold, losing }: Way, hours: number): Promise<void> {
  const { accountId } = losing;
  await agedAddresses(keyhold);
  const askedFrom = openKeyring(keyhold.config.secret).seal('recovery', '{}');
  await openWork(keyhold.db, asOwner(losing), async work => {
    const { recovery } = await beginRecovery(work, { accountId, waitHours: 72, askedFrom });
    await suspendApps(work, accountId, recovery?.id ?? '');
  });
  await letPass(keyhold, accountId, hours);
}

async function toGone({ app, losing }: Way, person: Person): Promise<void> {
  await toPassword(person, app, losing.email);
  await postStep(person, '/password', { password: GOOD_PASSWORD });
  await postStep(person, '/lost');
}

async function showBoth(way: Way, person: Person): Promise<void> {
  await toGone(way, person);
  await postStep(person, '/lost/continue');
  const { code } = await way.mailedCode(person);
  await postStep(person, '/code', { code: String(code) });
}

async function toRecoveringSecond({ app, losing, mailedCode }: Way, person: Person): Promise<void> {
  await toPassword(person, app, losing.email);
  await postStep(person, '/recovery');
  const { code } = await mailedCode(person);
  await postStep(person, '/code', { code: String(code) });
}

/** What the page to set up another phone would send. */
export function newAppOn(person: Person): Readonly<Record<string, string>> {
  const setup = /name="setup" value="([^"]+)"/.exec(person.page.html)?.[1] ?? '';
  const secret = secretOn(person);
  return { setup, code: secret === '' ? '000000' : appCode(secret) };
}

const state = (
  step: State['step'],
  heading: string,
  reach: (way: Way, person: Person) => Promise<unknown>,
): State => ({
  step,
  heading,
  reach: async (flow, person) => {
    await foundAgain(flow);
    await reach(flow, person);
  },
});

/** Every place on the way of somebody whose phone is lost. */
export const LOST_STATES: Readonly<Record<string, State>> = {
  lost: state('lost', 'Your phone is gone?', toGone),
  'lost of a recovery': state('lost', 'Your phone is gone?', async (way, person) => {
    await toRecoveringSecond(way, person);
    await postStep(person, '/lost');
  }),
  'lost-code': state('lost-code', 'Check your email', async (way, person) => {
    await toGone(way, person);
    await postStep(person, '/lost/continue');
  }),
  'lost-password': state('lost-password', 'And your password', async (way, person) => {
    await toRecoveringSecond(way, person);
    await postStep(person, '/lost');
    await postStep(person, '/lost/continue');
  }),
  'lost-what': state('lost-what', 'What was on the phone?', showBoth),
  'lost-waiting': state('lost-waiting', 'Now you wait', async (way, person) => {
    await waiting(way, 71);
    await showBoth(way, person);
  }),
  'lost-new': state('lost-new', 'Set up your new phone', async (way, person) => {
    await waiting(way, 73);
    await showBoth(way, person);
  }),
  'recovery-codes of a new phone': state(
    'recovery-codes',
    'Write down your recovery codes',
    async (way, person) => {
      await waiting(way, 73);
      await showBoth(way, person);
      await postStep(person, '/lost/app', newAppOn(person));
    },
  ),
  'stop-recovery': state('stop-recovery', 'Have you lost your phone?', async (way, person) => {
    const { app, losing } = way;
    await waiting(way, 1);
    await toPassword(person, app, losing.email);
    await postStep(person, '/password', { password: GOOD_PASSWORD });
    await postStep(person, '/second-step', { by: 'app', code: appCode(losing.mine.secret) });
  }),
};
