import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { setAccountState } from '../../src/domain/accounts/accounts.js';
import { disableClient } from '../../src/domain/clients/clients.js';
import { endAppAccess } from '../../src/oidc/app-access.js';
import { openWork } from '../../src/platform/storage/work.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import type { Person } from '../support/person.js';
import { eventsOf, newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { authnRequest, byAddress, byForm, freshId, signedText } from '../support/saml-messages.js';
import {
  AWAY,
  broughtBy,
  newPair,
  openServiceProvider,
  type ServiceProvider,
} from '../support/service-provider.js';
import { GOOD_PASSWORD } from '../support/walk.js';

const EMAIL = 'ada@example.test';

let keyhold: TestKeyhold;
let house: RelyingParty;
let app: ServiceProvider;
let wiki: ServiceProvider;
let key: string;
let otherKey: string;
let accountId: string;
let place: string;
let open: (name: string, more?: object) => Promise<ServiceProvider>;

beforeAll(async () => {
  keyhold = await startKeyhold();
  place = `${keyhold.origin}/saml/sso`;
  house = await openRelyingParty(keyhold, { first_party: true });
  const [pair, other] = await Promise.all([newPair(), newPair()]);
  [key, otherKey] = [pair.privateKey, other.privateKey];
  const metadata = { first_party: true, optional_claims: [] };
  open = (name, more = {}) =>
    openServiceProvider(keyhold, { name, pair, metadata: { ...metadata, ...more } });
  app = await open('timesheets');
  wiki = await openServiceProvider(keyhold, {
    name: 'wiki',
    signs: false,
    metadata,
  });
  await newMember(keyhold, house, EMAIL);
  accountId = await accountOf(keyhold.db, EMAIL);
}, 60_000);

afterAll(async () => {
  await house?.close();
  await keyhold?.close();
});

beforeEach(async () => {
  await openWork(keyhold.db, { kind: 'operator' }, work => setAccountState(work, accountId, 'active'));
});

const away = (...more: readonly string[]) => personAt(keyhold, { away: [AWAY, ...more] });
const asked = (more: object = {}) => authnRequest({ issuer: app.entityId, destination: place, ...more });
const countOf = async (table: string) => Number((await keyhold.db(table).count({ n: '*' }))[0]?.['n']);
const refusals = async () => (await eventsOf(keyhold.db, 'saml.refused')).length;

async function adaHere(...more: readonly string[]): Promise<Person> {
  const ada = away(...more);
  await ada.goto(await house.authorizationUrl());
  await signIn(ada, EMAIL);
  return ada;
}

/** Another tab of the same browser. */
async function copyOf(person: Person, ...stops: readonly string[]): Promise<Person> {
  const tab = away(...stops);
  for (const cookie of await person.jar.getCookies(keyhold.origin))
    await tab.jar.setCookie(cookie, keyhold.origin);
  return tab;
}

/** Nothing was begun, nobody was sent anywhere, and the page says no more than that. */
async function expectRefused(send: (person: Person) => Promise<unknown>, noted = true): Promise<void> {
  const person = away();
  const [kept, events] = [await countOf('saml_requests'), await refusals()];
  await send(person);
  expect(person.page.url.origin).toBe(keyhold.origin);
  expect(person.page.status).toBeGreaterThanOrEqual(400);
  expect(person.page.status).toBeLessThan(500);
  expect(await countOf('saml_requests')).toBe(kept);
  expect(await refusals()).toBe(events + (noted ? 1 : 0));
}

test('what is signed as it should be is taken, by address and by form', async () => {
  const ada = away();
  await ada.goto(byAddress(place, asked(), { key, relayState: 'x' }));
  expect(ada.page.heading).toBe('Sign in');
  await ada.post(place, byForm(signedText(asked(), key)));
  expect(ada.page.heading).toBe('Sign in');
});

test('C46: where an app has a key, what it did not sign is refused: unsigned, by another key, over SHA-1, or changed since', async () => {
  const url = byAddress(place, asked(), { key, relayState: 'here' });
  const changed = new URL(url.href.replace('RelayState=here', 'RelayState=there'));
  const signed = signedText(asked(), key);
  for (const sent of [
    byAddress(place, asked()),
    byAddress(place, asked(), { key: otherKey }),
    byAddress(place, asked(), { key, algorithm: 'http://www.w3.org/2000/09/xmldsig#rsa-sha1' }),
    changed,
  ]) {
    await expectRefused(person => person.goto(sent));
  }
  for (const text of [
    asked(),
    signedText(asked(), otherKey),
    signedText(asked(), key, 'sha1'),
    signed.replace('Version="2.0"', 'Version="2.0" ForceAuthn="true"'),
  ]) {
    await expectRefused(person => person.post(place, byForm(text)));
  }
});

test('C46: a signature counts for what it covers and for nothing beside it (wrapping, in eight forms)', async () => {
  const inner = asked({ id: '_signed' });
  const signed = signedText(inner, key);
  const signature = /<ds:Signature[\s\S]*<\/ds:Signature>/.exec(signed)?.[0] ?? '';
  const bare = signed.replace(signature, '');
  const evil = (within: string, id = freshId()) =>
    asked({ id, attributes: 'ForceAuthn="false"' }).replace(
      '</samlp:AuthnRequest>',
      `${within}</samlp:AuthnRequest>`,
    );
  const forms = [
    evil(signed),
    evil(`${signature}${bare}`),
    evil(signature.replace('</ds:Signature>', `<ds:Object>${bare}</ds:Object></ds:Signature>`)),
    evil(`<samlp:Extensions>${signed}</samlp:Extensions>`),
    evil(`<samlp:Extensions>${bare}</samlp:Extensions>${signature}`),
    evil(`${signature}`, '_signed'),
    `<x xmlns="urn:x">${signed}${evil('')}</x>`,
    signed.replace('</samlp:AuthnRequest>', `${evil('')}</samlp:AuthnRequest>`),
  ];
  for (const [at, text] of forms.entries()) {
    const noted = at !== 6;
    await expectRefused(person => person.post(place, byForm(text)), noted);
  }
});

test('C46: what declares anything, is too large, too deep or sent twice is refused before it is read', async () => {
  const xxe = `<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>${asked({ within: '<x>&x;</x>' })}`;
  const billion = `<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>${asked()}`;
  const deep = asked({ within: `${'<a>'.repeat(60)}${'</a>'.repeat(60)}` });
  const unread = [
    xxe,
    billion,
    deep,
    asked().replace(app.entityId, `${app.entityId}<!---->.evil.test`),
    asked().replace('</saml:Issuer>', ''),
    'not XML at all',
    '',
  ];
  for (const text of unread) {
    await expectRefused(person => person.post(place, byForm(text)), false);
    await expectRefused(person => person.goto(byAddress(place, text, { key })), false);
  }
  const bomb = deflateRawSync(Buffer.alloc(20_000_000, 0x20));
  await expectRefused(person => person.goto(byAddress(place, '', { key, deflated: bomb })), false);
  await expectRefused(person => person.post(place, byForm('x'.repeat(300_000))), false);
  const url = byAddress(place, asked(), { key }).href;
  const message = /SAMLRequest=[^&]+/.exec(url)?.[0];
  await expectRefused(person => person.goto(`${url}&${message}`), false);
  await expectRefused(person => person.goto(`${url}&SAMLResponse=x`), false);
  await expectRefused(person => person.goto(place), false);
});

test('an answer goes to registered addresses only, whatever a request names; none that runs anything can be registered', async () => {
  for (const attributes of [
    'AssertionConsumerServiceURL="https://evil.test/acs"',
    `AssertionConsumerServiceURL="${app.entityId}/acs/../evil"`,
    'AssertionConsumerServiceURL="javascript:alert(1)"',
    'AssertionConsumerServiceURL="data:text/html,x"',
    'AssertionConsumerServiceIndex="7"',
    'ProtocolBinding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact"',
  ]) {
    await expectRefused(person => person.goto(byAddress(place, asked({ attributes }), { key })));
  }
  for (const url of [
    'javascript:alert(1)',
    'data:text/html,x',
    'http://evil.example/acs',
    'https://evil.example/#x',
  ]) {
    const saml = { entity_id: `urn:evil:${url}`, acs: [{ url }] };
    await expect(keyhold.registerClient({ saml })).rejects.toMatchObject({ code: 'invalid_client_metadata' });
  }
  const again = { entity_id: app.entityId, acs: [{ url: 'https://other.example/acs' }] };
  await expect(keyhold.registerClient({ saml: again })).rejects.toMatchObject({ code: 'entity_taken' });
  const ada = await adaHere();
  const exact = `AssertionConsumerServiceURL="${app.entityId}/acs"`;
  await ada.goto(byAddress(place, asked({ attributes: exact }), { key }));
  expect(ada.page.html).toContain(`action="${app.entityId}/acs"`);
});

test('what was meant for somebody else, for another time or by nobody known is refused', async () => {
  const late = new Date(Date.now() - 700_000);
  const early = new Date(Date.now() + 400_000);
  for (const more of [
    { destination: 'https://other.example/saml/sso' },
    { at: late },
    { at: early },
    { id: '1 2' },
    { attributes: 'IsPassive="maybe"' },
  ]) {
    await expectRefused(person => person.goto(byAddress(place, asked(more), { key })));
  }
  const unknown = away();
  await unknown.goto(byAddress(place, asked({ issuer: 'https://nobody.example' })));
  const off = await open('off');
  await openWork(keyhold.db, { kind: 'operator' }, work => disableClient(work, off.clientId));
  const disabled = away();
  await disabled.goto(byAddress(place, asked({ issuer: off.entityId }), { key }));
  const said = ({ page }: Person) => [page.status, page.text.replace(/[\da-f-]{36}/, '')];
  expect(said(unknown)).toEqual(said(disabled));
  expect(unknown.page.status).toBe(403);
});

test('RelayState is bounded, comes back untouched, and runs nowhere', async () => {
  await expectRefused(
    person => person.goto(byAddress(place, asked(), { key, relayState: 'x'.repeat(1_025) })),
    false,
  );
  const ada = await adaHere();
  const relayState = '"><script>alert(1)</script>&\'=+ ü\u{1f511}';
  await ada.goto(byAddress(place, asked(), { key, relayState }));
  expect(ada.page.html).not.toContain('<script>alert');
  await ada.press('Continue');
  expect(broughtBy(ada.page).fields.get('RelayState')).toBe(relayState);
});

test('C45: a request is answered once, in the browser that it came to first', async () => {
  const ada = await adaHere();
  const url = byAddress(place, asked(), { key });
  const bea = away();
  await bea.goto(url);
  expect(bea.page.heading).toBe('Sign in');
  await bea.goto(url);
  expect(bea.page.heading).toBe('Sign in');
  const before = (await eventsOf(keyhold.db, 'replay.refused')).length;
  await ada.goto(url);
  expect([ada.page.status, ada.page.url.pathname.startsWith('/saml/sso/')]).toEqual([403, true]);
  await signIn(bea, EMAIL);
  expect(bea.page.heading).toBe('One moment');
  const answer = bea.page.url;
  await bea.goto(answer);
  expect(bea.page.status).toBe(409);
  await bea.goto(url);
  expect(bea.page.status).toBe(409);
  const replays = (await eventsOf(keyhold.db, 'replay.refused')).slice(before);
  expect(replays.map(({ client_id, detail }) => [client_id, detail['kind']])).toEqual(
    Array.from({ length: 3 }, () => [app.clientId, 'SamlRequest']),
  );
});

test('C45: the engine’s answer is good for its own request, in its own browser, and once however often at once', async () => {
  const stop = `${keyhold.origin}/saml/answer`;
  const ada = await adaHere(stop);
  await ada.goto(byAddress(place, asked(), { key }));
  const first = ada.page.url;
  await ada.goto(byAddress(place, asked(), { key }));
  const second = ada.page.url;
  expect(first.pathname).toBe('/saml/answer');
  const swapped = new URL(first);
  swapped.searchParams.set('code', second.searchParams.get('code') ?? '');

  const free = personAt(keyhold, { away: [AWAY] });
  for (const cookie of await ada.jar.getCookies(keyhold.origin))
    await free.jar.setCookie(cookie, keyhold.origin);
  await free.goto(swapped);
  expect(free.page.status).toBe(403);
  const elsewhere = away();
  await elsewhere.goto(first);
  expect(elsewhere.page.status).toBe(403);
  await elsewhere.goto(`${keyhold.origin}/saml/answer?code=kh_ac_x&state=${freshId()}`);
  expect(elsewhere.page.status).toBe(403);

  /* The same request twice in one browser, before either was answered: two codes that are both good. */
  const begun = await copyOf(ada, `${place}/`);
  await begun.goto(byAddress(place, asked(), { key }));
  const goOn = begun.page.url;
  const answers = [second];
  for (const _ of [1, 2]) {
    const tab = await copyOf(begun, stop);
    await tab.goto(goOn);
    answers.push(tab.page.url);
  }
  const [, one, other] = answers.map(url => url.searchParams.get('code'));
  expect(one).not.toBe(other);

  const arrivals = async (urls: readonly URL[]) =>
    Promise.all(
      urls.map(async url => {
        const tab = await copyOf(ada);
        await tab.goto(url);
        return tab.page.status;
      }),
    );
  for (const urls of [[second, second, second, second], answers.slice(1)]) {
    const statuses = await arrivals(urls);
    expect(statuses.filter(status => status === 200)).toHaveLength(1);
    expect(statuses.filter(status => status >= 400 && status < 500)).toHaveLength(urls.length - 1);
  }
});

test('C03: an app that is turned off, or takes its answers elsewhere, gets none, however far somebody has come', async () => {
  const stop = `${keyhold.origin}/saml/answer`;
  const doomed = await open('doomed');
  const disable = () =>
    openWork(keyhold.db, { kind: 'operator' }, work => disableClient(work, doomed.clientId));
  const expectNone = ({ page }: Person) => {
    expect(page.status).toBeGreaterThanOrEqual(400);
    expect([page.url.origin, page.html.includes('SAMLResponse')]).toEqual([keyhold.origin, false]);
  };
  const atPassword = away();
  await atPassword.goto(byAddress(place, asked({ issuer: doomed.entityId }), { key }));
  atPassword.fill('Email', EMAIL);
  await atPassword.press('Continue');
  const atAnswer = await adaHere(stop);
  await atAnswer.goto(byAddress(place, asked({ issuer: doomed.entityId }), { key }));
  const answer = atAnswer.page.url;
  const begun = away(`${place}/`);
  await begun.goto(byAddress(place, asked({ issuer: doomed.entityId }), { key }));
  const goOn = begun.page.url;
  await disable();
  atPassword.fill('Password', GOOD_PASSWORD);
  await atPassword.press('Sign in');
  expectNone(atPassword);
  for (const [person, url] of [
    [atAnswer, answer],
    [begun, goOn],
  ] as const) {
    const free = await copyOf(person);
    await free.goto(url);
    expectNone(free);
  }
  const moved = await open('moved');
  await atAnswer.goto(byAddress(place, asked({ issuer: moved.entityId }), { key }));
  await keyhold
    .db('clients')
    .where({ client_id: moved.clientId })
    .update({
      metadata: keyhold.db.raw(
        `jsonb_set(metadata, '{saml,acs}', '[{"url": "https://new.example.test/acs"}]')`,
      ),
    });
  const late = await copyOf(atAnswer);
  await late.goto(atAnswer.page.url);
  expectNone(late);
});

test('C03: somebody who is suspended meanwhile is told about to nobody', async () => {
  const ada = await adaHere(`${keyhold.origin}/saml/answer`);
  await ada.goto(byAddress(place, asked(), { key }));
  const answer = ada.page.url;
  await openWork(keyhold.db, { kind: 'operator' }, work => setAccountState(work, accountId, 'suspended'));
  const free = await copyOf(ada);
  const told = await countOf('disclosures');
  await free.goto(answer);
  expect([free.page.status, free.page.html.includes('SAMLResponse')]).toEqual([403, false]);
  expect(await countOf('disclosures')).toBe(told);
});

test('C03: what was taken back, or who has signed out, on the way is told about to nobody', async () => {
  const asks = await open('asks', { first_party: false });
  const stop = `${keyhold.origin}/saml/answer`;
  const toAnswer = async () => {
    const ada = await adaHere(stop);
    await ada.goto(byAddress(place, asked({ issuer: asks.entityId }), { key }));
    if (ada.page.buttons.includes('Allow')) await ada.press('Allow');
    expect(ada.page.url.pathname).toBe('/saml/answer');
    return ada;
  };
  const expectNone = async (ada: Person) => {
    const tab = await copyOf(ada);
    await tab.goto(ada.page.url);
    expect([tab.page.status, tab.page.html.includes('SAMLResponse')]).toEqual([403, false]);
  };
  const takenBack = await toAnswer();
  await openWork(keyhold.db, { kind: 'person', id: accountId }, work =>
    endAppAccess(work, accountId, asks.clientId),
  );
  await expectNone(takenBack);
  const left = await toAnswer();
  const tab = await copyOf(left);
  await tab.goto(`${keyhold.origin}/sign-out`);
  await tab.press('Sign out');
  await expectNone(left);
});

test('without a key an app is answered at its registered address, and whatever signature comes along says nothing', async () => {
  const ada = await adaHere();
  const text = authnRequest({ issuer: wiki.entityId, destination: place });
  await ada.post(place, byForm(signedText(text, otherKey)));
  expect(ada.page.html).toContain(`action="${wiki.entityId}/acs"`);
});
