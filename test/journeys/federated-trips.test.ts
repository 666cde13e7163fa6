import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { removeLink, setProviderState } from '../../src/domain/federation/federation.js';
import { openWork } from '../../src/platform/storage/work.js';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, peopleOnRecord, recordedDuring } from '../support/ledger.js';
import type { Person } from '../support/person.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { postStep, requestPath } from '../support/steps.js';
import { continueWith, declareOpenid, openUpstream, type TestUpstream } from '../support/upstream.js';

let keyhold: TestKeyhold;
let house: RelyingParty;
let acme: TestUpstream;
let other: TestUpstream;
let count = 0;

beforeAll(async () => {
  keyhold = await startKeyhold({ RATE_LIMITS: 'on' });
  house = await openRelyingParty(keyhold, { first_party: true });
  [acme, other] = await Promise.all([openUpstream(), openUpstream()]);
  await declareOpenid(keyhold, { id: 'acme', name: 'Acme', issuer: acme.issuer });
  await declareOpenid(keyhold, { id: 'other', name: 'Other', issuer: other.issuer });
});

afterAll(async () => {
  await Promise.all([acme?.close(), other?.close(), house?.close()]);
  await keyhold?.close();
});

/** Somebody new at the provider who has an account here by it. */
async function owner(): Promise<{ readonly email: string }> {
  const email = `owner${++count}@example.test`;
  acme.says({ sub: email, email, email_verified: true });
  const person = personAt(keyhold);
  await person.goto(await house.authorizationUrl());
  await continueWith(person, 'acme');
  person.tick('I accept the terms');
  await person.press('Create account');
  expect(person.page.heading).toBe('Back in the app');
  return { email };
}

interface Halted {
  readonly person: Person;
  /** Addresses that are arrived at and not asked; may be changed on the way. */
  readonly stops: string[];
}

const CALLBACK = '/federation/';

/** Somebody on their way back, whose browser has not asked for the callback yet. */
async function onTheWayBack(id = 'acme'): Promise<Halted> {
  const stops = [keyhold.origin + CALLBACK];
  const person = personAt(keyhold, { away: stops });
  await person.goto(await house.authorizationUrl());
  await continueWith(person, id);
  expect(person.page.url.pathname).toBe(`/federation/${id}/callback`);
  return { person, stops };
}

/** One step further: what came was kept, and nobody has looked at it. */
async function kept(halted: Halted): Promise<void> {
  const { person, stops } = halted;
  const callback = person.page.url;
  stops.splice(0, 1, `${keyhold.origin}/interaction/`);
  await person.goto(callback);
  expect(person.page.url.pathname).toMatch(/^\/interaction\/[\w-]+\/federated\/[\w-]{36}$/);
}

async function goOn({ person, stops }: Halted): Promise<Person> {
  stops.length = 0;
  await person.goto(person.page.url);
  return person;
}

const REPLAY = { type: 'replay.refused', account_id: null, detail: { kind: 'federated_answer' } };

/** What it was refused with, where nothing changed and it is on record. */
async function isRefused(act: () => Promise<Person>): Promise<Person> {
  const before = await peopleOnRecord(keyhold.db);
  let person: Person | undefined;
  const events = await recordedDuring(keyhold.db, async () => {
    person = await act();
  });
  expect(events).toMatchObject([REPLAY]);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
  if (!person) throw new Error('nobody came');
  expect(person.page.status).toBeGreaterThanOrEqual(400);
  return person;
}

test('C02, C41, C45: an answer of one provider is none at the callback of another', async () => {
  await owner();
  const halted = await onTheWayBack();
  const there = new URL(halted.person.page.url.href.replace('/acme/', '/other/'));
  await isRefused(async () => {
    const elsewhere = [...halted.stops];
    halted.stops.length = 0;
    await halted.person.goto(there);
    halted.stops.push(...elsewhere);
    return halted.person;
  });
});

test('C02, C45: nor in another browser, which does not use it up', async () => {
  await owner();
  const halted = await onTheWayBack();
  const stranger = personAt(keyhold);
  await stranger.goto(await house.authorizationUrl());
  await isRefused(async () => {
    await stranger.goto(halted.person.page.url);
    return stranger;
  });
  expect((await goOn(halted)).page.heading).toBe('Back in the app');
});

test('C02, C45: what was kept of an answer is nothing to another browser, or to another request of the same one', async () => {
  await owner();
  const halted = await onTheWayBack();
  await kept(halted);
  const { pathname } = halted.person.page.url;
  const stranger = personAt(keyhold);
  await stranger.goto(await house.authorizationUrl());
  await stranger.goto(new URL(pathname, keyhold.origin));
  expect([stranger.page.status, stranger.page.heading]).toEqual([404, 'Request error']);
  const trip = pathname.split('/').at(-1) ?? '';
  await isRefused(async () => {
    await stranger.goto(
      new URL(`${requestPathOf(await newRequest(stranger))}/federated/${trip}`, keyhold.origin),
    );
    return stranger;
  });
  const same = halted.person;
  halted.stops.length = 0;
  await isRefused(async () => {
    await same.goto(new URL(`${requestPathOf(await newRequest(same))}/federated/${trip}`, keyhold.origin));
    return same;
  });
  await same.goto(new URL(pathname, keyhold.origin));
  expect(same.page.heading).toBe('Back in the app');
});

async function newRequest(person: Person): Promise<Person> {
  await person.goto(await house.authorizationUrl({ prompt: 'login' }));
  return person;
}
const requestPathOf = (person: Person) => requestPath(person);

test('C45: the way back works once, whatever is sent again', async () => {
  await owner();
  const halted = await onTheWayBack();
  const callback = halted.person.page.url;
  await kept(halted);
  const finish = halted.person.page.url;
  halted.stops.length = 0;
  await isRefused(async () => {
    await halted.person.goto(callback);
    return halted.person;
  });
  await halted.person.goto(finish);
  expect(halted.person.page.heading).toBe('Back in the app');
  await halted.person.goto(finish);
  expect(halted.person.page.status).toBeGreaterThanOrEqual(400);
});

test.each(['answered', 'kept'])('C45: and not after ten minutes, %s or not', async when => {
  await owner();
  const halted = await onTheWayBack();
  if (when === 'kept') await kept(halted);
  const tenMinutes = keyhold.db.raw("now() - interval '1 second'");
  await keyhold.db('federated_requests').update({ expires_at: tenMinutes });
  const person = await isRefused(() => goOn(halted));
  if (when === 'kept') expect(person.page.text).toContain('it took too long');
});

test('C02: an answer without a state, with a made-up one, or with two is none', async () => {
  const stranger = personAt(keyhold);
  await isRefused(async () => {
    await stranger.goto(new URL('/federation/acme/callback?code=1', keyhold.origin));
    return stranger;
  });
  await isRefused(async () => {
    await stranger.goto(new URL(`/federation/acme/callback?code=1&state=${'x'.repeat(43)}`, keyhold.origin));
    return stranger;
  });
  await isRefused(async () => {
    await stranger.goto(new URL('/federation/no.such/callback?code=1&state=1', keyhold.origin));
    return stranger;
  });
  const { person } = await onTheWayBack();
  await stranger.goto(`${person.page.url.href}&state=another`);
  expect(stranger.page.status).toBe(400);
});

type Change = 'disabled' | 'removed' | 'replaced' | 'changed';
const CHANGES: Readonly<Record<Change, () => Promise<unknown>>> = {
  disabled: () =>
    openWork(keyhold.db, { kind: 'operator' }, work => setProviderState(work, 'acme', 'disabled')),
  removed: () => keyhold.db('identity_providers').where({ id: 'acme' }).delete(),
  /* Under its name, and at its address: what was sealed for the one must be nothing to the other. */
  replaced: async () => {
    await CHANGES.removed();
    await asItWas();
  },
  changed: () =>
    declareOpenid(keyhold, { id: 'acme', name: 'Acme', issuer: acme.issuer, mapping: { email_domains: [] } }),
};

const asItWas = () => declareOpenid(keyhold, { id: 'acme', name: 'Acme', issuer: acme.issuer });

/** Every place of a trip at which a provider may be turned off, and what somebody does from there. */
const PLACES: Readonly<Record<string, { come(): Promise<Halted>; go(halted: Halted): Promise<Person> }>> = {
  'before its callback': { come: () => onTheWayBack(), go: goOn },
  'before what came is looked at': {
    come: async () => {
      const halted = await onTheWayBack();
      await kept(halted);
      return halted;
    },
    go: goOn,
  },
};

describeEach(['disabled', 'removed', 'replaced', 'changed'], Object.keys(PLACES));

function describeEach(changes: readonly Change[], places: readonly string[]): void {
  for (const change of changes) {
    for (const place of places) {
      test(`C03: a provider that is ${change} ${place} signs nobody in`, async () => {
        await owner();
        const halted = await PLACES[place]?.come();
        if (!halted) throw new Error(`no such place: ${place}`);
        await CHANGES[change]();
        const before = await peopleOnRecord(keyhold.db);
        const person = await PLACES[place]?.go(halted);
        expect([person?.page.status, person?.page.heading]).toEqual([404, 'This did not work']);
        expect(await peopleOnRecord(keyhold.db)).toBe(before);
        await asItWas();
        expect((await goOn(await onTheWayBack())).page.heading).toBe('Back in the app');
      });
    }
  }
}

test('C03: a provider that is disabled cannot be begun with, and its button goes', async () => {
  await owner();
  const person = personAt(keyhold);
  await person.goto(await house.authorizationUrl());
  await CHANGES.disabled();
  await continueWith(person, 'acme');
  expect([person.page.status, person.page.heading]).toEqual([404, 'This did not work']);
  await asItWas();
});

test.each(['disabled', 'changed'] as const)(
  'C03: a provider that is %s before the account is opened opens none',
  async change => {
    const email = `late${++count}@example.test`;
    acme.says({ sub: email, email, email_verified: true });
    const halted = await onTheWayBack();
    const person = await goOn(halted);
    expect(person.page.heading).toBe('Create your account with Acme');
    await CHANGES[change]();
    const before = await peopleOnRecord(keyhold.db);
    await postStep(person, '/new-account', { name: '', terms: 'yes' });
    expect([person.page.status, person.page.heading]).toEqual([404, 'This did not work']);
    expect(await peopleOnRecord(keyhold.db)).toBe(before);
    await asItWas();
  },
);

test('C02, C03: a link that is taken away on the way signs nobody in, nor does it later', async () => {
  const { email } = await owner();
  const accountId = await accountOf(keyhold.db, email);
  const halted = await onTheWayBack();
  await kept(halted);
  const { id } = await keyhold.db('federated_links').where({ account_id: accountId }).first();
  await openWork(keyhold.db, { kind: 'person', id: accountId }, work => removeLink(work, accountId, id));
  const person = await goOn(halted);
  expect(person.page.heading).toBe('Enter your password');
});

test('C03: an account that may not act is let in by no provider', async () => {
  const { email } = await owner();
  const id = await accountOf(keyhold.db, email);
  await keyhold.db('accounts').where({ id }).update({ state: 'suspended' });
  const halted = await onTheWayBack();
  const events = await recordedDuring(keyhold.db, async () => {
    await goOn(halted);
  });
  expect([halted.person.page.status, halted.person.page.heading]).toEqual([403, 'Request error']);
  expect(events).toMatchObject([{ type: 'sign_in.failed', account_id: id, detail: { by: 'provider' } }]);
});

test('what is known at one provider by a number is nobody at another', async () => {
  const { email } = await owner();
  other.says({ sub: email });
  const person = await goOn(await onTheWayBack('other'));
  expect(person.page.heading).toBe('Create your account');
});
