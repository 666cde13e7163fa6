import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { giveRole } from '../../src/domain/accounts/accounts.js';
import { addDomain, removeDomain, setProviderState } from '../../src/domain/federation/federation.js';
import { openWork, type Work } from '../../src/platform/storage/work.js';
import { declareDirectory, inhabitant, openDirectory, type TestDirectory } from '../support/directory.js';
import { until } from '../support/jobs.js';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, peopleOnRecord, recordedDuring } from '../support/ledger.js';
import type { Person } from '../support/person.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { csrfOf, memberOf, postScript, postStep, signUpWithPasskey, toPassword } from '../support/steps.js';
import { claimDomain, declareOpenid, openUpstream, type TestUpstream } from '../support/upstream.js';
import { GOOD_PASSWORD } from '../support/walk.js';

let keyhold: TestKeyhold;
let house: RelyingParty;
let directory: TestDirectory;
let upstream: TestUpstream;

const THERE = 'the password of there';
const PAGE = 'Sign in with Acme';
const IN = 'Back in the app';

beforeAll(async () => {
  keyhold = await startKeyhold({ RATE_LIMITS: 'on' });
  house = await openRelyingParty(keyhold, { first_party: true });
  directory = await openDirectory();
  upstream = await openUpstream();
  await declareDirectory(keyhold, directory, {
    id: 'acme',
    name: 'Acme',
    mapping: {
      attributes: {
        given_name: { from: 'givenName', wins: 'until_edited' },
        family_name: { from: 'sn', wins: 'always' },
      },
    },
  });
  await declareOpenid(keyhold, { id: 'guild', name: 'Guild', issuer: upstream.issuer });
  await claim('acme.test', 'acme');
  await claim('guild.test', 'guild');
});

beforeEach(async () => {
  directory.behave('well');
  await keyhold.db('attempts').delete();
});

afterAll(async () => {
  await directory?.close();
  await upstream?.close();
  await house?.close();
  await keyhold?.close();
});

const asOperator = <T>(act: (work: Work) => Promise<T>) => openWork(keyhold.db, { kind: 'operator' }, act);

/** Claims a domain as an operator would, whose record was found. */
async function claim(
  domain: string,
  providerId: string,
  required = false,
  exceptRoles: readonly string[] = [],
) {
  await claimDomain(keyhold, domain, providerId, { required, exceptRoles });
  await settled(domain, required ? 'required' : 'there');
}

/* What pages go by is held in memory, and changed by notices. */
async function settled(domain: string, how: 'there' | 'required' | 'gone'): Promise<void> {
  await until(async () => {
    const person = personAt(keyhold);
    await toPassword(person, house, `nobody@${domain}`);
    const leads = person.page.heading.startsWith('Sign in with');
    if (how === 'gone') return !leads;
    return leads && (how === 'required') === !person.page.html.includes('Sign in another way');
  });
}

const there = (uid: string, more: Parameters<typeof inhabitant>[2] = {}) => {
  directory.people.push(inhabitant(uid, THERE, more));
  return `${uid}@acme.test`;
};

async function typeThere(person: Person, password: string): Promise<void> {
  person.fill('Your password at Acme', password);
  await person.press('Sign in');
}

/** Somebody of Acme signs in, and opens their account where they have none. */
async function arrive(email: string, person = personAt(keyhold)): Promise<Person> {
  await toPassword(person, house, email);
  await typeThere(person, THERE);
  if (person.page.heading !== 'Create your account with Acme') return person;
  person.tick('I accept the terms');
  await person.press('Create account');
  return person;
}

const profileOf = async (email: string) => {
  const rows = await keyhold
    .db('profile_attributes')
    .where({ account_id: await accountOf(keyhold.db, email) });
  return Object.fromEntries(rows.map(({ attribute, value, source }) => [attribute, `${value} ${source}`]));
};

test('whoever has an address of a claimed domain is asked for the password of there, and opens an account with what is known there', async () => {
  const email = there('ada', { givenName: 'Ada', sn: 'Lovelace' });
  const ada = personAt(keyhold);
  await toPassword(ada, house, email);
  expect([ada.page.status, ada.page.heading]).toEqual([200, PAGE]);
  expect(ada.page.text).toContain('Email addresses at acme.test sign in with Acme.');
  await typeThere(ada, THERE);
  expect(ada.page.heading).toBe('Create your account with Acme');
  expect(ada.page.text).toContain('Lovelace');
  ada.tick('I accept the terms');
  await ada.press('Create account');
  expect(ada.page.heading).toBe(IN);
  expect((await house.exchange()).claims()?.['amr']).toContain('fed');
  expect(await profileOf(email)).toMatchObject({
    given_name: 'Ada provider:acme',
    family_name: 'Lovelace provider:acme',
  });
  const account_id = await accountOf(keyhold.db, email);
  expect(await keyhold.db('passwords').where({ account_id })).toEqual([]);
  await ada.goto(new URL('/account/profile', keyhold.origin));
  expect(ada.page.text).toContain('Acme sent it when you signed in there.');
});

test('at the next sign-in the provider wins or the person does, as the mapping says', async () => {
  const email = there('grace', { givenName: 'Grace', sn: 'Murray' });
  const grace = await arrive(email);
  const entry = directory.people.at(-1);
  Object.assign(entry?.attributes ?? {}, { givenName: 'Amazing', sn: 'Hopper' });
  expect((await arrive(email)).page.heading).toBe(IN);
  expect(await profileOf(email)).toMatchObject({
    given_name: 'Amazing provider:acme',
    family_name: 'Hopper provider:acme',
  });
  for (const [attribute, label] of [
    ['given_name', 'First name'],
    ['family_name', 'Last name'],
  ] as const) {
    await grace.goto(new URL(`/account/profile/change/${attribute}`, keyhold.origin));
    grace.fill(label, 'Mine');
    await grace.press('Save');
  }
  Object.assign(entry?.attributes ?? {}, { givenName: 'Another', sn: 'Again' });
  await arrive(email);
  expect(await profileOf(email)).toMatchObject({
    given_name: 'Mine person',
    family_name: 'Again provider:acme',
  });
});

test('a wrong password and nobody look alike, whether there is an account here or none, and are on record', async () => {
  const email = there('wrong');
  await arrive(email);
  const pages: string[] = [];
  const events = await recordedDuring(keyhold.db, async () => {
    for (const [address, password] of [
      [email, 'not it'],
      [there('unused'), 'not it'],
      ['nobody@acme.test', 'not it'],
      ['nobody@acme.test', THERE],
    ] as const) {
      const person = personAt(keyhold);
      await toPassword(person, house, address);
      await typeThere(person, password);
      const plain = person.page.text.replaceAll(address, 'ADDRESS');
      pages.push(`${person.page.status} ${person.page.heading} ${plain}`);
    }
  });
  expect(new Set(pages).size).toBe(1);
  expect(pages[0]).toContain('400 Sign in with Acme');
  expect(pages[0]).toContain('Acme does not know this address with this password.');
  const failures = events.filter(({ type }) => type === 'sign_in.failed');
  expect(failures.map(({ account_id }) => account_id)).toEqual([
    await accountOf(keyhold.db, email),
    null,
    null,
    null,
  ]);
  const reasons = events
    .filter(({ type }) => type === 'identity_provider.failed')
    .map(({ detail }) => detail['reason']);
  expect(reasons).toEqual(['password_wrong', 'password_wrong', 'no_entry', 'no_entry']);
});

test('an empty password goes nowhere', async () => {
  const person = personAt(keyhold);
  await toPassword(person, house, there('empty'));
  directory.asked.splice(0);
  await postStep(person, '/organisation', { password: '' });
  expect([person.page.status, person.page.heading]).toEqual([400, PAGE]);
  expect(directory.asked).toEqual([]);
});

test('C10: tries there and tries of the password here are one count, and a directory that does not answer counts none', async () => {
  const email = there('counted');
  await memberOf(keyhold, house, 'counted@elsewhere.test');
  const person = personAt(keyhold);
  await toPassword(person, house, email);
  directory.behave('busy');
  await typeThere(person, THERE);
  expect([person.page.status, person.page.alerts]).toEqual([
    503,
    [expect.stringContaining('Acme cannot be reached at the moment.')],
  ]);
  directory.behave('well');
  const statuses: number[] = [];
  for (let count = 0; count < 5; count++) {
    await typeThere(person, 'not it');
    statuses.push(person.page.status);
  }
  await person.press('Sign in another way');
  expect(person.page.heading).toBe('Enter your password');
  for (let count = 0; count < 5; count++) {
    person.fill('Password', 'not it');
    await person.press('Sign in');
    statuses.push(person.page.status);
  }
  expect(statuses).toEqual(Array.from({ length: 10 }, () => 400));
  await toPassword(person, house, email);
  directory.asked.splice(0);
  await typeThere(person, THERE);
  expect(person.page.status).toBe(429);
  expect(directory.asked).toEqual([]);
});

test('what only the right password is told stands on the page in plain words', async () => {
  const email = there('leaver', { userAccountControl: '514' });
  const person = personAt(keyhold);
  await toPassword(person, house, email);
  await typeThere(person, 'not it');
  expect(person.page.alerts).toEqual([expect.stringContaining('does not know this address')]);
  await typeThere(person, THERE);
  expect(person.page.alerts).toEqual([expect.stringContaining('Acme has switched off your account there.')]);
});

test('C01: an account that has the address is proved here as well before it is tied, and then the directory is enough', async () => {
  await asOperator(work => removeDomain(work, { domain: 'acme.test', providerId: 'acme' }));
  await settled('acme.test', 'gone');
  const email = there('known');
  await memberOf(keyhold, house, email);
  await claim('acme.test', 'acme');
  const person = await arrive(email);
  expect(person.page.heading).toBe('Enter your password');
  expect(
    await keyhold.db('federated_links').where({ account_id: await accountOf(keyhold.db, email) }),
  ).toEqual([]);
  person.fill('Password', GOOD_PASSWORD);
  await person.press('Sign in');
  expect(person.page.heading).toBe(IN);
  expect((await arrive(email)).page.heading).toBe(IN);
});

test('C01: an address of another domain counts as proved by nobody there', async () => {
  await memberOf(keyhold, house, 'victim@elsewhere.test');
  const email = there('mallory', { mail: ['mallory@acme.test', 'victim@elsewhere.test'] });
  const entry = directory.people.at(-1);
  if (entry) entry.attributes['mail'] = 'victim@elsewhere.test';
  Object.assign(entry?.attributes ?? {}, { uid: email, objectClass: ['person'] });
  await keyhold
    .db('identity_providers')
    .where({ id: 'acme' })
    .update({
      settings: keyhold.db.raw(`settings || '{"login": ["uid"]}'`),
    });
  const before = await peopleOnRecord(keyhold.db);
  const person = personAt(keyhold);
  await toPassword(person, house, email);
  await typeThere(person, THERE);
  expect(person.page.heading).toBe('Create your account');
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
  await keyhold
    .db('identity_providers')
    .where({ id: 'acme' })
    .update({
      settings: keyhold.db.raw(`settings || '{"login": ["mail"]}'`),
    });
});

test.each(['the domain is given up', 'the provider is disabled'])(
  'C03: when %s in the middle, the ordinary way goes on and the directory is not asked',
  async what => {
    const person = personAt(keyhold);
    await toPassword(person, house, there('middle'));
    const isDomain = what.includes('domain');
    await asOperator(async work => {
      if (isDomain) await removeDomain(work, { domain: 'acme.test', providerId: 'acme' });
      else await setProviderState(work, 'acme', 'disabled');
    });
    directory.asked.splice(0);
    await postStep(person, '/organisation', { password: THERE });
    expect([person.page.status, person.page.heading]).toEqual([200, 'Enter your password']);
    expect(directory.asked).toEqual([]);
    await settled('acme.test', 'gone');
    await asOperator(async work => {
      if (!isDomain) await setProviderState(work, 'acme', 'enabled');
    });
    if (isDomain) await claim('acme.test', 'acme');
    else await settled('acme.test', 'there');
  },
);

test('C03: an address that its directory vouched for counts no more once the domain is given up', async () => {
  const email = there('pending');
  const person = personAt(keyhold);
  await toPassword(person, house, email);
  await typeThere(person, THERE);
  expect(person.page.heading).toBe('Create your account with Acme');
  await asOperator(work => removeDomain(work, { domain: 'acme.test', providerId: 'acme' }));
  const before = await peopleOnRecord(keyhold.db);
  person.tick('I accept the terms');
  await person.press('Create account');
  expect(person.page.heading).not.toBe(IN);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
  await settled('acme.test', 'gone');
  await claim('acme.test', 'acme');
});

test('C03: a provider that is disabled while it is asked lets nobody in', async () => {
  const email = there('slow');
  await arrive(email);
  const person = personAt(keyhold);
  await toPassword(person, house, email);
  const before = directory.asked.length;
  directory.pause();
  const pressed = typeThere(person, THERE);
  await until(() => directory.asked.length > before);
  await asOperator(work => setProviderState(work, 'acme', 'disabled'));
  directory.resume();
  await pressed;
  expect(person.page.heading).toBe('Enter your password');
  await asOperator(work => setProviderState(work, 'acme', 'enabled'));
  await settled('acme.test', 'there');
});

test('a domain of a provider that people are sent to leads there, with the address', async () => {
  const asked = new Promise<string>(resolve =>
    upstream.server.service.once('beforeAuthorizeRedirect', (_to, request) => resolve(String(request.url))),
  );
  upstream.says({ sub: 'guild-1', email: 'mason@guild.test', email_verified: true });
  const mason = personAt(keyhold);
  await toPassword(mason, house, 'mason@guild.test');
  expect(mason.page.heading).toBe('Sign in with Guild');
  expect(mason.page.headers.get('content-security-policy')).toContain(upstream.issuer);
  await mason.press('Continue with Guild');
  expect(mason.page.heading).toBe('Create your account with Guild');
  expect(await asked).toContain('login_hint=mason%40guild.test');
});

test('where an address leads says nothing about who has an account, and is the same work', async () => {
  await arrive(there('present'));
  const seen: unknown[] = [];
  for (const email of ['present@acme.test', 'absent@acme.test']) {
    const person = personAt(keyhold);
    const trips = await keyhold.trips.during(() => toPassword(person, house, email));
    seen.push([person.page.status, person.page.text.replaceAll(email, 'ADDRESS'), trips.length]);
  }
  expect(seen[0]).toEqual(seen[1]);
});

test('an address of no claimed domain is asked for in memory: no statement names domains or providers', async () => {
  const person = personAt(keyhold);
  const trips = await keyhold.trips.during(async () => {
    await toPassword(person, house, 'counted@elsewhere.test');
    person.fill('Password', GOOD_PASSWORD);
    await person.press('Sign in');
  });
  expect(person.page.heading).toBe(IN);
  expect(trips.filter(trip => /federated|identity_providers/.test(trip))).toEqual([]);
});

test('required: no password, code, sign-up or passkey of here signs anybody in with an address of the domain', async () => {
  await claim('works.test', 'acme');
  await asOperator(work => removeDomain(work, { domain: 'works.test', providerId: 'acme' }));
  await settled('works.test', 'gone');
  const [email, keyed] = ['olga@works.test', 'keyed@works.test'];
  await memberOf(keyhold, house, email);
  const colleague = 'colleague@works.test';
  there('colleague', { mail: [colleague] });
  await memberOf(keyhold, house, colleague);
  const passkey = await signUpWithPasskey(personAt(keyhold), house, keyhold.origin, keyed);
  const begun = personAt(keyhold);
  await toPassword(begun, house, email);
  await claim('works.test', 'acme', true);

  begun.fill('Password', GOOD_PASSWORD);
  await begun.press('Sign in');
  expect(begun.page.heading).toBe(PAGE);

  const person = personAt(keyhold);
  await toPassword(person, house, email);
  expect(person.page.heading).toBe(PAGE);
  await postStep(person, '/organisation/around');
  expect(person.page.heading).toBe(PAGE);
  await postStep(person, '/password', { password: GOOD_PASSWORD });
  expect(person.page.heading).toBe(PAGE);
  await postStep(person, '/code/send');
  expect(person.page.heading).toBe(PAGE);

  await person.goto(await house.authorizationUrl({ prompt: 'create' }));
  person.fill('Email', 'new@works.test');
  await person.press('Continue');
  expect(person.page.heading).toBe(PAGE);

  for (const typed of [undefined, 'nobody@elsewhere.test', colleague]) {
    if (typed === undefined) await person.goto(await house.authorizationUrl());
    else await toPassword(person, house, typed);
    if (typed === colleague) {
      await typeThere(person, THERE);
      expect(person.page.heading).toBe('Enter your password');
    }
    const { body } = await postScript(person, '/passkey/options');
    const signed = await postScript(person, '/passkey', { credential: passkey.get(body as never) });
    await person.goto(new URL(String(signed.body['location']), keyhold.origin));
    expect(person.page.heading).toBe(PAGE);
  }
});

test('required: whoever has a role that is excepted comes in by the other way, which is offered to everybody then', async () => {
  const email = 'olga@works.test';
  await asOperator(async work => giveRole(work, await accountOf(keyhold.db, email), 'break-glass'));
  await asOperator(work =>
    addDomain(work, keyhold.config.issuer, {
      domain: 'works.test',
      providerId: 'acme',
      required: true,
      exceptRoles: ['break-glass'],
    }),
  );
  for (const [address, heading] of [
    [email, IN],
    ['keyed@works.test', 'Enter your password'],
  ] as const) {
    const person = personAt(keyhold);
    await toPassword(person, house, address);
    expect(person.page.heading).toBe(PAGE);
    await person.press('Sign in another way');
    person.fill('Password', GOOD_PASSWORD);
    await person.press('Sign in');
    expect(person.page.heading).toBe(heading);
  }
  await asOperator(work => removeDomain(work, { domain: 'works.test', providerId: 'acme' }));
});

test('the breaker opens after five outages, for everybody and at once, and other ways stay as they are', async () => {
  directory.behave('busy');
  const person = personAt(keyhold);
  await toPassword(person, house, there('outage'));
  for (let count = 0; count < 5; count++) await typeThere(person, THERE);
  const opened = directory.connections();
  await typeThere(person, THERE);
  expect([person.page.status, directory.connections()]).toEqual([503, opened]);
  expect(csrfOf(person)).not.toBe('');
  await toPassword(person, house, 'counted@elsewhere.test');
  person.fill('Password', GOOD_PASSWORD);
  await person.press('Sign in');
  expect(person.page.heading).toBe(IN);
});
