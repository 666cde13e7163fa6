import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { findAccount } from '../../src/domain/accounts/accounts.js';
import {
  type About,
  askRight,
  endRestriction,
  lawFor,
  type RightsRequest,
} from '../../src/domain/rights/rights.js';
import { type Keyring, openKeyring } from '../../src/platform/crypto/keyring.js';
import { openWork } from '../../src/platform/storage/work.js';
import { setProfile } from '../support/consented.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, recordedDuring } from '../support/ledger.js';
import type { Person } from '../support/person.js';
import { memberAgain, newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty, type Tokens } from '../support/relying-party.js';

// GDPR Art. 18 and 21: what somebody has restricted is kept, and leaves to nobody; they still sign in.

const ADA = 'ada@example.test';
const EVERYTHING: About = { everything: true, purposes: [], attributes: [] };

let keyhold: TestKeyhold;
let app: RelyingParty;
let keyring: Keyring;
let ada: Person;
let accountId: string;

beforeAll(async () => {
  keyhold = await startKeyhold();
  keyring = openKeyring(keyhold.config.secret);
  app = await openRelyingParty(keyhold, {
    purposes: ['account', 'age', 'naming', 'comfort', 'presence'],
    scope: 'openid profile email offline_access',
  });
  ada = await newMember(keyhold, app, ADA);
  accountId = await accountOf(keyhold.db, ADA);
  const known = { given_name: 'Ada', birthdate: '1990-12-10', zoneinfo: 'Europe/Paris' };
  await setProfile(keyhold.db, accountId, known);
});

beforeEach(async () => {
  await keyhold.db('rights_requests').delete();
  await keyhold.db('accounts').update({ restriction: null });
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

const restrict = (about: Partial<About>, more: object = {}) =>
  openWork(keyhold.db, { kind: 'person', id: accountId }, work =>
    askRight(work, keyring, {
      accountId,
      kind: 'restriction',
      law: lawFor({}),
      about: { ...EVERYTHING, everything: false, ...about },
      holdsBack: true,
      ...more,
    }),
  ) as Promise<RightsRequest>;

async function signedIn(): Promise<Tokens> {
  await memberAgain(keyhold, app, ADA);
  return app.exchange();
}

const namesIn = (told: object | undefined) => Object.keys(told ?? {});

test('what is restricted as a whole leaves in no ID token and by no UserInfo, with tokens from before too; sub goes out, and signing in works', async () => {
  const before = await signedIn();
  expect(namesIn(await app.userInfo(before))).toEqual(
    expect.arrayContaining(['sub', 'email', 'given_name', 'birthdate', 'zoneinfo']),
  );
  const recorded = await recordedDuring(keyhold.db, () => restrict(EVERYTHING));
  expect(recorded.map(({ type }) => type)).toEqual(['right.asked', 'restriction.begun']);
  expect(namesIn(await app.userInfo(before)).sort()).toEqual(['sale_opt_out', 'sub']);
  const after = await signedIn();
  expect(after.claims()?.sub).toBe(before.claims()?.sub);
  const personal = ['email', 'given_name', 'birthdate', 'zoneinfo', 'locale', 'updated_at'];
  expect(namesIn(after.claims()).filter(name => personal.includes(name))).toEqual([]);
  expect(namesIn(await app.userInfo(after)).sort()).toEqual(['sale_opt_out', 'sub']);
  const refreshed = before.refresh_token ? await app.refresh(before.refresh_token) : undefined;
  expect(namesIn(refreshed?.claims()).filter(name => personal.includes(name))).toEqual([]);
});

test('restricted by a purpose or by an attribute, just that is held back, and it comes back when its person ends it', async () => {
  const tokens = await signedIn();
  const one = await restrict({ purposes: ['age'] });
  await restrict({ attributes: ['zoneinfo'] });
  const told = await app.userInfo(tokens);
  expect(namesIn(told)).toEqual(expect.arrayContaining(['email', 'given_name']));
  expect([told.birthdate, told.zoneinfo]).toEqual([undefined, undefined]);
  await openWork(keyhold.db, { kind: 'person', id: accountId }, work =>
    endRestriction(work, keyring, one, 'person'),
  );
  const again = await app.userInfo(tokens);
  expect([again.birthdate, again.zoneinfo]).toEqual(['1990-12-10', undefined]);
});

test('it costs no further round trip: it rides with the read of the account', async () => {
  const tokens = await signedIn();
  await app.userInfo(tokens);
  const before = (await keyhold.trips.during(() => app.userInfo(tokens))).length;
  await restrict({ attributes: ['zoneinfo'] });
  await app.userInfo(tokens);
  expect((await keyhold.trips.during(() => app.userInfo(tokens))).length).toBe(before);
});

test('an app that asks whether it may use something that is restricted is told no, and why', async () => {
  await signedIn();
  const ask = async (purpose: string) => {
    const { client_id: id, client_secret: secret } = app.client;
    const response = await fetch(new URL('/access/v1/evaluation', keyhold.origin), {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
      },
      body: JSON.stringify({
        subject: { type: 'user', id: accountId },
        action: { name: 'use' },
        resource: { type: 'purpose', id: purpose },
      }),
    });
    const { decision, context } = (await response.json()) as {
      decision: boolean;
      context: { reason?: string };
    };
    return [decision, context?.reason];
  };
  expect(await ask('age')).toEqual([true, 'consented']);
  await restrict({ purposes: ['age'] });
  expect(await ask('age')).toEqual([false, 'restricted']);
  expect(await ask('naming')).toEqual([true, 'consented']);
});

test('two at once leave both in force, and ending one leaves the other', async () => {
  const [first] = await Promise.all([restrict({ purposes: ['age'] }), restrict({ purposes: ['naming'] })]);
  expect((await findAccount(keyhold.db, accountId))?.restriction?.purposes).toEqual(['age', 'naming']);
  await openWork(keyhold.db, { kind: 'system' }, work => endRestriction(work, keyring, first, 'person'));
  expect((await findAccount(keyhold.db, accountId))?.restriction?.purposes).toEqual(['naming']);
});

test('the account pages go on as before for whoever has restricted everything', async () => {
  await restrict(EVERYTHING);
  await ada.goto(new URL('/account/profile', keyhold.origin));
  expect(ada.page.text).toContain('Ada');
});
