import { inflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { signXml } from '@node-saml/node-saml/lib/xml.js';
import { fetch } from 'undici';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, peopleOnRecord } from '../support/ledger.js';
import type { Person } from '../support/person.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { openSamlPeer, type Participant, participantIn, type SamlPeer } from '../support/saml-peer.js';
import { AWAY, broughtBy, openServiceProvider } from '../support/service-provider.js';
import { continueWith, declareProvider, untilOffered } from '../support/upstream.js';

let keyhold: TestKeyhold;
let house: RelyingParty;
let company: SamlPeer;

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true });
  company = await openSamlPeer(() => us);
  await declareCompany();
  await untilOffered(personAt(keyhold), house, 'Acme');
});

afterAll(async () => {
  await company?.close();
  await house?.close();
  await keyhold?.close();
});

let us: Participant | undefined;

const at = (path: string) => `${keyhold.origin}/federation/acme/${path}`;

const declareCompany = (settings: object = {}, more: object = {}) =>
  declareProvider(keyhold, {
    id: 'acme',
    name: 'Acme',
    kind: 'saml',
    secrets: {},
    settings: { metadata_url: company.metadataUrl, ...settings },
    mapping: { email_domains: ['acme.test'] },
    ...more,
  });

/* As a company reads it, that encrypts from then on for that certificate, and takes what is signed with this key alone. */
async function readUs(): Promise<string> {
  const answer = await fetch(at('metadata'));
  expect(answer.headers.get('content-type')).toContain('application/samlmetadata+xml');
  const { encryption, ...participant } = participantIn(await answer.text());
  expect(participant).toMatchObject({ entityId: at('metadata'), logoutUrl: at('logout') });
  us = participant;
  return encryption;
}

/* To the page of the company on which somebody is signed in there. */
async function goThere(person: Person): Promise<void> {
  await person.goto(await house.authorizationUrl());
  await continueWith(person, 'acme');
  if (person.page.heading === 'On to Acme') await person.follow('Continue with Acme');
  expect(person.page.heading).toBe('Signed in at the company');
}

async function signInThere(person: Person): Promise<void> {
  await goThere(person);
  await person.press('Go on');
}

async function openAccount(id: string, email: string): Promise<Person> {
  company.manners.employee = { id, attributes: { email, name: 'Somebody' } };
  const person = personAt(keyhold);
  await signInThere(person);
  expect(person.page.heading).toBe('Create your account with Acme');
  person.tick('I accept the terms');
  await person.press('Create account');
  expect(person.page.heading).toBe('Back in the app');
  return person;
}

const troubles = () =>
  keyhold.db('events').where({ type: 'identity_provider.failed' }).orderBy('id').pluck('detail');

test('somebody of a company opens an account by what it says, and is signed in by it from then on', async () => {
  await openAccount('a7c3', 'ada@acme.test');
  const first = (await house.exchange()).claims();
  expect(first?.['acr']).toBe('aal1');
  const again = personAt(keyhold);
  await signInThere(again);
  expect(again.page.heading).toBe('Back in the app');
  expect((await house.exchange()).claims()?.sub).toBe(first?.sub);
  expect(await accountOf(keyhold.db, 'ada@acme.test')).toBe(first?.sub);
});

test('C45: an answer is taken once, in the browser and request that asked', async () => {
  company.manners.employee = { id: 'a7c3' };
  const ada = personAt(keyhold);
  await goThere(ada);
  const [, SAMLResponse = ''] = /name="SAMLResponse" value="([^"]+)"/.exec(ada.page.html) ?? [];
  const [, RelayState = ''] = /name="RelayState" value="([^"]+)"/.exec(ada.page.html) ?? [];
  const before = await peopleOnRecord(keyhold.db);
  /* Whoever saw it on the way brings it first: their browser began nothing. */
  const thief = personAt(keyhold);
  await thief.goto(keyhold.origin);
  await thief.post(at('callback'), { SAMLResponse, RelayState });
  expect(thief.page.status).toBe(404);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
  await ada.press('Go on');
  expect(ada.page.heading).not.toBe('Back in the app');
  expect(await peopleOnRecord(keyhold.db)).toBe(before);

  const again = personAt(keyhold);
  await goThere(again);
  await again.press('Go on');
  expect(again.page.heading).toBe('Back in the app');
  for (const person of [again, thief]) {
    await person.post(at('callback'), { SAMLResponse, RelayState });
    expect(person.page.status).toBe(404);
  }
});

test('a form that says something twice, or says too much, is not read', async () => {
  const post = (body: string) =>
    fetch(at('callback'), {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
  expect((await post('SAMLResponse=AAAA&SAMLResponse=BBBB&RelayState=x')).status).toBe(400);
  expect((await post('SAMLResponse=AAAA&RelayState=x&RelayState=y')).status).toBe(400);
  expect((await post(`RelayState=x&SAMLResponse=${'A'.repeat(10_000_000)}`)).status).toBe(400);
});

test.each([
  ['somebody changed', (xml: string) => xml.replace('a7c3', 'b8d4'), 'signature'],
  ['has a document type', (xml: string) => `<!DOCTYPE x>${xml}`, 'forbidden_markup'],
  [
    'says a name with a comment in it',
    (xml: string) => xml.replace('a7c3', 'a7<!---->c3'),
    'forbidden_markup',
  ],
])('C46: an answer that %s signs nobody in, and is on record', async (_name, tamper, reason) => {
  company.manners.employee = { id: 'a7c3' };
  company.manners.tamper = tamper;
  const before = await peopleOnRecord(keyhold.db);
  const ada = personAt(keyhold);
  await signInThere(ada);
  company.manners.tamper = xml => xml;
  expect(ada.page.status).toBe(403);
  expect(ada.page.heading).toBe('This did not work');
  expect(ada.page.text).toContain('What Acme sent could not be checked');
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
  expect((await troubles()).at(-1)).toEqual({ provider: 'acme', kind: 'untrue', reason });
});

function signedAs(id: string, xml: string): string {
  const named = xml.replace(/(<saml:Assertion[^>]* ID=")[^"]*/, `$1${id}`);
  const assertion = "/*/*[local-name(.)='Assertion']";
  const place = { reference: `${assertion}/*[local-name(.)='Issuer']`, action: 'after' } as const;
  const { privateKey } = company.manners.key;
  return signXml(named, assertion, place, {
    privateKey,
    signatureAlgorithm: 'sha256',
    digestAlgorithm: 'sha256',
  });
}

test('an assertion of the same name in answer to another trip signs nobody in', async () => {
  company.manners.employee = { id: 'a7c3' };
  company.manners.signAssertion = false;
  company.manners.tamper = xml => signedAs('_the-same-twice', xml);
  const first = personAt(keyhold);
  await signInThere(first);
  expect(first.page.heading).toBe('Back in the app');
  const second = personAt(keyhold);
  await signInThere(second);
  company.manners.signAssertion = true;
  company.manners.tamper = xml => xml;
  expect(second.page.heading).toBe('This did not work');
  expect((await troubles()).at(-1)).toEqual({ provider: 'acme', kind: 'untrue', reason: 'seen_before' });
});

test('an assertion is opened that was encrypted for the certificate in our metadata', async () => {
  const encryption = await readUs();
  company.manners.employee = { id: 'a7c3' };
  company.manners.encryptFor = encryption;
  company.manners.signResponse = true;
  const ada = personAt(keyhold);
  await signInThere(ada);
  company.manners.encryptFor = undefined;
  company.manners.signResponse = false;
  expect(ada.page.heading).toBe('Back in the app');
});

test('a company that wants requests by a form gets a signed one, and a page says where it leads', async () => {
  await readUs();
  await declareCompany({ binding: 'post' });
  company.manners.employee = { id: 'a7c3' };
  const ada = personAt(keyhold);
  await ada.goto(await house.authorizationUrl());
  await continueWith(ada, 'acme');
  expect(ada.page.heading).toBe('On to Acme');
  expect(ada.page.headers.get('content-security-policy')).toMatch(
    new RegExp(`form-action [^;]*${company.origin}`),
  );
  expect(ada.page.html).not.toContain('name="csrf"');
  await ada.press('Continue with Acme');
  const request = Buffer.from(company.requests.at(-1)?.body['SAMLRequest'] ?? '', 'base64').toString();
  expect(request).toMatch(/<samlp:AuthnRequest .*<SignatureValue>/s);
  await ada.press('Go on');
  await declareCompany();
  expect(ada.page.heading).toBe('Back in the app');
});

test('how somebody was recognised there counts as its mapping says, and nothing less than what was asked for', async () => {
  const context = 'urn:example:two-factors';
  const mapping = { email_domains: ['acme.test'], acr: { [context]: 'aal2' } };
  await declareCompany({ contexts: [context] }, { mapping });
  company.manners.employee = { id: 'a7c3' };
  const ada = personAt(keyhold);
  await signInThere(ada);
  expect(ada.page.heading).toBe('This did not work');
  expect((await troubles()).at(-1)).toMatchObject({ reason: 'context' });
  company.manners.context = context;
  const again = personAt(keyhold);
  await signInThere(again);
  company.manners.context = undefined;
  await declareCompany();
  expect(again.page.heading).toBe('Back in the app');
  expect((await house.exchange()).claims()?.['acr']).toBe('aal2');
});

test('a company that is disabled while somebody is there lets nobody in', async () => {
  company.manners.employee = { id: 'a7c3' };
  const ada = personAt(keyhold);
  await goThere(ada);
  const before = await peopleOnRecord(keyhold.db);
  await declareCompany({}, { state: 'disabled' });
  await ada.press('Go on');
  await declareCompany();
  await untilOffered(personAt(keyhold), house, 'Acme');
  expect(ada.page.heading).toBe('This did not work');
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

const living = (accountId: string | undefined) =>
  keyhold.db('sessions').where({ account_id: accountId }).whereNull('ended_at').pluck('uid');

test('a company that signs somebody out ends the session here that came by theirs, and no other', async () => {
  await readUs();
  company.manners.sessionIndex = '_grace-1';
  const grace = await openAccount('g1', 'grace@acme.test');
  const accountId = await accountOf(keyhold.db, 'grace@acme.test');
  company.manners.sessionIndex = '_grace-2';
  const phone = personAt(keyhold);
  await signInThere(phone);
  expect(await living(accountId)).toHaveLength(2);

  await phone.goto(company.startLogout);
  expect(phone.page.heading).toBe('Signed out at the company');
  expect(await living(accountId)).toHaveLength(1);
  await grace.goto(`${keyhold.origin}/account`);
  expect(grace.page.text).toContain('grace@acme.test');
  const events = await keyhold.db('events').where({ account_id: accountId, type: 'federated_session.ended' });
  expect(events.map(event => event.detail)).toEqual([{ provider: 'acme', sessions: 1 }]);
});

test('a wish to sign somebody out that nobody signed, or that came before, ends nothing', async () => {
  await readUs();
  company.manners.sessionIndex = '_hedy-1';
  const hedy = await openAccount('h1', 'hedy@acme.test');
  const accountId = await accountOf(keyhold.db, 'hedy@acme.test');
  await hedy.goto(company.startLogout);
  expect(await living(accountId)).toEqual([]);
  const asked = hedy.trail.find(({ pathname }) => pathname.endsWith('/logout'));

  await signInThere(hedy);
  expect(await living(accountId)).toHaveLength(1);
  const stranger = personAt(keyhold);
  await stranger.goto(asked ?? '');
  expect(stranger.page.status).toBe(400);
  await stranger.goto(String(asked).replace(/&Signature=.*/, ''));
  expect(stranger.page.status).toBe(400);
  expect(await living(accountId)).toHaveLength(1);
  expect((await troubles()).slice(-2)).toEqual([
    { provider: 'acme', kind: 'untrue', reason: 'seen_before' },
    { provider: 'acme', kind: 'untrue', reason: 'unsigned' },
  ]);
});

test('whoever signs out here signs out at their company as well, and goes on to the app', async () => {
  await readUs();
  company.manners.sessionIndex = '_joan-1';
  const joan = await openAccount('j1', 'joan@acme.test');
  const tokens = await house.exchange();
  const accountId = await accountOf(keyhold.db, 'joan@acme.test');
  await joan.goto(
    house.endSessionUrl({
      id_token_hint: tokens.id_token ?? '',
      post_logout_redirect_uri: house.client.post_logout_redirect_uris?.[0] ?? '',
    }),
  );
  expect(joan.page.headers.get('content-security-policy')).toMatch(
    new RegExp(`form-action [^;]*${company.origin}`),
  );
  await joan.press('Sign out');
  expect(joan.page.heading).toBe('Signed out of the app');
  expect(joan.trail.map(({ origin, pathname }) => `${origin}${pathname}`)).toEqual(
    expect.arrayContaining([`${company.origin}/slo`, at('logout')]),
  );
  expect(await living(accountId)).toEqual([]);
  /* The way back leads on once. */
  const back = joan.trail.find(({ pathname }) => pathname.endsWith('/logout'));
  await joan.goto(back ?? '');
  expect(joan.page.heading).toBe('You are signed out');
});

test('whoever came from a company and went on to an app that speaks SAML signs out at both', async () => {
  await readUs();
  const app = await openServiceProvider(keyhold, { metadata: { first_party: true, optional_claims: [] } });
  company.manners.sessionIndex = '_lou-1';
  company.manners.employee = { id: 'lou', attributes: { email: 'lou@acme.test', name: 'Lou' } };
  const lou = personAt(keyhold, { away: [AWAY] });
  await signInThere(lou);
  lou.tick('I accept the terms');
  await lou.press('Create account');
  await lou.goto(await app.requestUrl());
  await lou.press('Continue');
  const { sessionIndex = '' } = await app.profileOf(lou.page);
  await lou.goto(`${keyhold.origin}/sign-out`);
  await lou.press('Sign out');
  expect(lou.trail.map(({ origin, pathname }) => `${origin}${pathname}`)).toContain(`${company.origin}/slo`);
  expect([lou.page.heading, lou.page.text]).toEqual(['One moment', expect.stringContaining('Timesheets')]);
  await lou.press('Continue');
  expect(broughtBy(lou.page).xml).toContain(sessionIndex);
  await lou.goto(`${keyhold.origin}/saml/logout/next`);
  expect(lou.page.heading).toBe('You are signed out');
  expect(await living(await accountOf(keyhold.db, 'lou@acme.test'))).toEqual([]);
});

test('signing out by the page of here leads by the company as well', async () => {
  await readUs();
  company.manners.sessionIndex = '_kay-1';
  const kay = await openAccount('k1', 'kay@acme.test');
  await kay.goto(`${keyhold.origin}/sign-out`);
  expect(kay.page.headers.get('content-security-policy')).toMatch(
    new RegExp(`form-action [^;]*${company.origin}`),
  );
  await kay.press('Sign out');
  expect(kay.page.heading).toBe('You are signed out');
  expect(kay.trail.map(({ origin, pathname }) => `${origin}${pathname}`)).toContain(`${company.origin}/slo`);
  expect(await living(await accountOf(keyhold.db, 'kay@acme.test'))).toEqual([]);
});

test('an app that wants somebody asked anew has them asked anew at their company', async () => {
  company.manners.employee = { id: 'a7c3' };
  const ada = personAt(keyhold);
  await ada.goto(await house.authorizationUrl({ prompt: 'login' }));
  await continueWith(ada, 'acme');
  const asked = inflateRawSync(Buffer.from(company.requests.at(-1)?.query['SAMLRequest'] ?? '', 'base64'));
  expect(asked.toString()).toContain('ForceAuthn="true"');
  await ada.press('Go on');
  expect(ada.page.heading).toBe('Back in the app');
});

test('a company is added to an account by a form as well, and untying it ends what came by it', async () => {
  await readUs();
  const lee = await openAccount('l1', 'lee@acme.test');
  const accountId = await accountOf(keyhold.db, 'lee@acme.test');
  const beta = { id: 'beta', name: 'Beta', kind: 'saml', secrets: {} };
  const settings = { metadata_url: company.metadataUrl, binding: 'post' };
  await declareProvider(keyhold, { ...beta, settings });
  await untilOffered(personAt(keyhold), house, 'Beta');
  us = undefined;
  await lee.goto(`${keyhold.origin}/account/linked`);
  await lee.press('Add Beta');
  expect(lee.page.heading).toBe('On to Beta');
  await lee.press('Continue with Beta');
  await lee.press('Go on');
  expect(lee.page.text).toContain('Beta');
  const links = await keyhold.db('federated_links').where({ account_id: accountId }).orderBy('linked_at');
  expect(links.map(link => [link.provider_id, link.subject])).toEqual([
    ['acme', 'l1'],
    ['beta', 'l1'],
  ]);

  await lee.goto(`${keyhold.origin}/account/linked/${links[0]?.id}`);
  await lee.press('Take Acme away');
  expect(await living(accountId)).toEqual([]);
});

test('a company whose signing out is down keeps nobody signed in here', async () => {
  company.manners.sessionIndex = '_ida-1';
  const ida = await openAccount('i1', 'ida@acme.test');
  const accountId = await accountOf(keyhold.db, 'ida@acme.test');
  await declareCompany({}, { state: 'disabled' });
  await ida.goto(`${keyhold.origin}/sign-out`);
  await ida.press('Sign out');
  await declareCompany();
  expect(ida.page.heading).toBe('You are signed out');
  expect(await living(accountId)).toEqual([]);
});
