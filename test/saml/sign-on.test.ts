import { afterAll, beforeAll, expect, test } from '@jest/globals';
import saml2, { type Asserted } from 'saml2-js';
import { fetch } from 'undici';
import { setAttributes, standardSchema } from '../../src/domain/profiles/profiles.js';
import { askRight, lawFor } from '../../src/domain/rights/rights.js';
import { runKeys } from '../../src/key-commands.js';
import type { CertifiedKey } from '../../src/platform/crypto/certificates.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openDatabase } from '../../src/platform/storage/db.js';
import { openWork } from '../../src/platform/storage/work.js';
import { readAppMetadata } from '../../src/saml/app-metadata.js';
import { advanceSamlKeys, openSamlKeys } from '../../src/saml/keys.js';
import { pemOf } from '../../src/saml/signing.js';
import { allOf, readXml } from '../../src/saml/xml.js';
import { leftTo } from '../support/disclosures.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import type { Person } from '../support/person.js';
import { memberAgain, newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { authnRequest, byAddress } from '../support/saml-messages.js';
import {
  AWAY,
  broughtBy,
  newPair,
  openServiceProvider,
  type ProviderOptions,
  type ServiceProvider,
  statusIn,
} from '../support/service-provider.js';
import { chooseApp } from '../support/step-up.js';

const EMAIL = 'ada@example.test';
const OTHER = 'bea@example.test';
const FORMAT = 'urn:oasis:names:tc:SAML:2.0:nameid-format:';
const DS = 'http://www.w3.org/2000/09/xmldsig#';

let keyhold: TestKeyhold;
let house: RelyingParty;
let app: ServiceProvider;
let unsigned: ServiceProvider;
let accountId: string;
let pair: CertifiedKey;

const open = (options: ProviderOptions = {}) => openServiceProvider(keyhold, { pair, ...options });

beforeAll(async () => {
  keyhold = await startKeyhold();
  pair = await newPair();
  house = await openRelyingParty(keyhold, { first_party: true });
  app = await open();
  unsigned = await open({
    name: 'wiki',
    signs: false,
    saml: { startable: true, start_state: 'welcome' },
    metadata: { client_name: 'Wiki', first_party: true },
  });
  await newMember(keyhold, house, EMAIL);
  accountId = await accountOf(keyhold.db, EMAIL);
  await openWork(keyhold.db, { kind: 'operator' }, work =>
    setAttributes(work, standardSchema().schema, accountId, { name: 'Ada Lovelace' }, 'operator'),
  );
}, 60_000);

afterAll(async () => {
  await house?.close();
  await keyhold?.close();
});

const away = () => personAt(keyhold, { away: [AWAY] });

/** Ada at a browser of hers, signed in through the house's own app. */
async function adaHere(): Promise<Person> {
  const ada = away();
  await ada.goto(await house.authorizationUrl());
  await signIn(ada, EMAIL);
  return ada;
}

/** Goes from the page that passes the answer on to the app. */
async function arrive(person: Person): Promise<void> {
  expect(person.page.heading).toBe('One moment');
  await person.press('Continue');
}

const wiki = (more: Partial<Parameters<typeof authnRequest>[0]> = {}) =>
  byAddress(
    `${keyhold.origin}/saml/sso`,
    authnRequest({ issuer: unsigned.entityId, destination: `${keyhold.origin}/saml/sso`, ...more }),
  );

const contextOf = (person: Person) =>
  [
    ...allOf(
      readXml(broughtBy(person.page).xml),
      'urn:oasis:names:tc:SAML:2.0:assertion',
      'AuthnContextClassRef',
    ),
  ][0]?.text;

test('somebody signs in to an app that speaks SAML, allows it, and a service provider’s library takes the answer', async () => {
  const ada = away();
  await ada.goto(await app.requestUrl('/reports?week=3&of="me"'));
  expect(ada.page.heading).toBe('Sign in');
  await signIn(ada, EMAIL);
  expect([ada.page.heading, ada.page.text]).toEqual(['Allow access?', expect.stringContaining('Timesheets')]);
  expect(ada.page.text).toContain('timesheets.example.test');
  await ada.press('Allow');
  const code = ada.page.url.searchParams.get('code') ?? '';
  await arrive(ada);
  expect(ada.page.url.href).toBe(`${app.entityId}/acs`);
  expect(broughtBy(ada.page).fields.get('RelayState')).toBe('/reports?week=3&of="me"');
  const profile = await app.profileOf(ada.page);
  expect(profile).toMatchObject({
    email: EMAIL,
    nameIDFormat: `${FORMAT}persistent`,
    spNameQualifier: app.entityId,
  });
  expect(profile).not.toHaveProperty('name');
  expect(profile.nameID).toMatch(/^[\w-]{43}$/);

  const left = await leftTo({ db: keyhold.db, email: EMAIL, clientId: app.clientId });
  expect(left.map(({ way, claim }) => `${way} ${claim}`).sort()).toEqual(['saml email', 'saml sub']);
  const consent = await keyhold
    .db('consents')
    .where({ account_id: accountId, client_id: app.clientId })
    .first();
  expect(new Set(left.map(({ consent_id }) => consent_id))).toEqual(new Set([consent.id]));

  const redeemed = await fetch(`${keyhold.origin}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: app.clientId,
      code,
      redirect_uri: `${keyhold.origin}/saml/answer`,
      code_verifier: 'a'.repeat(43),
    }),
  });
  expect([redeemed.status, await redeemed.json()]).toEqual([
    401,
    expect.objectContaining({ error: 'invalid_client' }),
  ]);
});

test('whoever is signed in comes through at once, by the same name in the same app and by another in another', async () => {
  const ada = await adaHere();
  await ada.goto(await app.requestUrl());
  await arrive(ada);
  const first = await app.profileOf(ada.page);
  await ada.goto(await app.requestUrl());
  await arrive(ada);
  const again = await app.profileOf(ada.page);
  expect([again.nameID, again.sessionIndex]).toEqual([first.nameID, first.sessionIndex]);
  await ada.goto(await unsigned.requestUrl());
  await arrive(ada);
  const elsewhere = await unsigned.profileOf(ada.page);
  expect(elsewhere.nameID).not.toBe(first.nameID);
  expect([first.nameID, elsewhere.nameID]).not.toContain(accountId);
});

test('a request that comes by POST from the app’s own site goes on where the browser’s cookies are', async () => {
  const ada = await adaHere();
  await ada.post(`${keyhold.origin}/saml/sso`, await app.requestForm('deep link'));
  await arrive(ada);
  expect(broughtBy(ada.page).fields.get('RelayState')).toBe('deep link');
  expect((await app.profileOf(ada.page)).email).toBe(EMAIL);
});

test('a transient name is another one in each session; an e-mail address is a name only where that is registered', async () => {
  const named = async (person: Person, format: string, by = unsigned) => {
    await person.goto(await by.requestUrl('', { identifierFormat: format }));
    await arrive(person);
    return broughtBy(person.page);
  };
  const [ada, elsewhere] = [await adaHere(), await adaHere()];
  await named(ada, `${FORMAT}transient`);
  const here = await unsigned.profileOf(ada.page);
  await named(elsewhere, `${FORMAT}transient`);
  const there = await unsigned.profileOf(elsewhere.page);
  expect([here.nameIDFormat, there.nameIDFormat]).toEqual([`${FORMAT}transient`, `${FORMAT}transient`]);
  expect(here.nameID).not.toBe(there.nameID);
  const address = 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress';
  const refused = await named(ada, address);
  expect(statusIn(refused)).toBe('InvalidNameIDPolicy');
  expect(refused.xml).not.toContain('Assertion ');

  const byMail = await open({
    name: 'crm',
    signs: false,
    saml: { name_id: 'email' },
  });
  await ada.goto(await byMail.requestUrl());
  await ada.press('Allow');
  await arrive(ada);
  expect(await byMail.profileOf(ada.page)).toMatchObject({ nameID: EMAIL, nameIDFormat: address });
  const left = await leftTo({ db: keyhold.db, email: EMAIL, clientId: byMail.clientId });
  expect(left.map(({ claim }) => claim)).toEqual(['email']);
});

test('an address that was not proved is no attribute and no name: apps would take it for proved', async () => {
  const loose = await open({
    name: 'loose',
    signs: false,
    saml: { name_id: 'email' },
    metadata: { first_party: true },
  });
  const ada = await adaHere();
  /* Whoever has proved one keeps one, says the database; an account that was brought may never have had one. */
  const owner = openDatabase(keyhold.config.migrationDatabaseUrl);
  const proved = async (verified_at: Date | null) => {
    await owner.raw('ALTER TABLE email_addresses DISABLE TRIGGER email_addresses__reachable');
    await owner('email_addresses').where({ account_id: accountId }).update({ verified_at });
    await owner.raw('ALTER TABLE email_addresses ENABLE TRIGGER email_addresses__reachable');
  };
  await proved(null);
  await ada.goto(await loose.requestUrl());
  await arrive(ada);
  expect(statusIn(broughtBy(ada.page))).toBe('RequestDenied');
  await ada.goto(await unsigned.requestUrl());
  await arrive(ada);
  expect(await unsigned.profileOf(ada.page)).not.toHaveProperty('email');
  await proved(new Date());
  await owner.destroy();
  await ada.goto(await loose.requestUrl());
  await arrive(ada);
  expect((await loose.profileOf(ada.page)).nameID).toBe(EMAIL);
});

test('an app with a key to read with is answered encrypted; attributes go by the names that it knows', async () => {
  const secret = await open({
    name: 'secret',
    encrypts: true,
    saml: { attributes: { email: 'urn:oid:0.9.2342.19200300.100.1.3' } },
    metadata: { first_party: true },
  });
  const ada = await adaHere();
  await ada.goto(await secret.requestUrl());
  await arrive(ada);
  const { xml } = broughtBy(ada.page);
  expect([xml.includes(EMAIL), xml.includes('EncryptedAssertion')]).toEqual([false, true]);
  expect(await secret.profileOf(ada.page)).toMatchObject({ 'urn:oid:0.9.2342.19200300.100.1.3': EMAIL });
});

test('another library, registered by its own metadata, reads an encrypted answer and knows it for its own', async () => {
  const { privateKey, certificate } = pair;
  const entity = `${AWAY}/saml2-js`;
  const provider = new saml2.ServiceProvider({
    entity_id: entity,
    private_key: privateKey,
    certificate,
    assert_endpoint: `${entity}/assert`,
    sign_get_request: true,
    allow_unencrypted_assertion: false,
    notbefore_skew: 5,
  });
  const ours = readXml(await (await fetch(`${keyhold.origin}/saml/metadata`)).text());
  const us = new saml2.IdentityProvider({
    sso_login_url: `${keyhold.origin}/saml/sso`,
    sso_logout_url: `${keyhold.origin}/saml/logout`,
    certificates: [...allOf(ours, DS, 'X509Certificate')].map(({ text }) => pemOf(text)),
  });
  await keyhold.registerClient({
    client_name: 'Reports',
    first_party: true,
    purposes: ['account', 'naming'],
    required_claims: ['email', 'name'],
    saml: readAppMetadata(provider.create_metadata()),
  });
  const [url, id] = await new Promise<[string, string]>((resolve, reject) => {
    provider.create_login_request_url(us, { relay_state: 'week 3' }, (error, ...made) =>
      error ? reject(error) : resolve(made),
    );
  });
  const ada = await adaHere();
  await ada.goto(url);
  await arrive(ada);
  const fields = Object.fromEntries(broughtBy(ada.page).fields);
  expect([ada.page.url.href, fields['RelayState']]).toEqual([`${entity}/assert`, 'week 3']);
  const { user, response_header } = await new Promise<Asserted>((resolve, reject) => {
    provider.post_assert(us, { request_body: fields }, (error, asserted) =>
      error ? reject(error) : resolve(asserted),
    );
  });
  expect(response_header.in_response_to).toBe(id);
  expect(user.attributes).toEqual({ email: [EMAIL], name: ['Ada Lovelace'] });
  expect([user.name_id, user.session_index]).toEqual([
    expect.stringMatching(/^[\w-]{43}$/),
    expect.any(String),
  ]);
});

test('whoever must prove themselves anew does, and whoever may not be asked is not', async () => {
  const stranger = away();
  await stranger.goto(await app.requestUrl('quiet', { passive: true }));
  await arrive(stranger);
  expect(statusIn(broughtBy(stranger.page))).toBe('NoPassive');
  expect(broughtBy(stranger.page).fields.get('RelayState')).toBe('quiet');

  const ada = await adaHere();
  await ada.goto(await app.requestUrl('', { passive: true }));
  await arrive(ada);
  expect((await app.profileOf(ada.page)).email).toBe(EMAIL);
  await ada.goto(await app.requestUrl('', { passive: true, forceAuthn: true }));
  await arrive(ada);
  expect(statusIn(broughtBy(ada.page))).toBe('NoPassive');

  await ada.goto(await app.requestUrl('', { forceAuthn: true }));
  expect(ada.page.heading).toBe('Sign in');
  const before = Math.floor(Date.now() / 1000) * 1000;
  await signIn(ada, EMAIL);
  await arrive(ada);
  const [statement] = allOf(
    readXml(broughtBy(ada.page).xml),
    'urn:oasis:names:tc:SAML:2.0:assertion',
    'AuthnStatement',
  );
  expect(Date.parse(statement?.attributes['AuthnInstant'] ?? '')).toBeGreaterThanOrEqual(before);
  expect((await app.profileOf(ada.page)).email).toBe(EMAIL);
});

test('how strongly somebody signs in is asked for by class, and told by the app’s own word', async () => {
  const classes = (...names: readonly string[]) =>
    `<samlp:RequestedAuthnContext>${names.map(name => `<saml:AuthnContextClassRef>${name}</saml:AuthnContextClassRef>`).join('')}</samlp:RequestedAuthnContext>`;
  const password = 'urn:oasis:names:tc:SAML:2.0:ac:classes:Password';
  const ada = await adaHere();
  await ada.goto(wiki({ within: classes(password) }));
  await arrive(ada);
  expect(contextOf(ada)).toBe(password);
  await ada.goto(wiki({ within: classes('urn:oasis:names:tc:SAML:2.0:ac:classes:Kerberos') }));
  await arrive(ada);
  expect(statusIn(broughtBy(ada.page))).toBe('NoAuthnContext');
  await ada.goto(wiki({ within: '<saml:Subject><saml:NameID>somebody</saml:NameID></saml:Subject>' }));
  await arrive(ada);
  expect(statusIn(broughtBy(ada.page))).toBe('RequestUnsupported');
  await ada.goto(wiki({ within: classes('https://refeds.org/profile/mfa') }));
  expect(ada.page.url.pathname).toMatch(/^\/interaction\//);
  expect(ada.page.heading).not.toBe('One moment');
  await ada.goto(wiki({ within: classes('https://refeds.org/profile/mfa'), attributes: 'IsPassive="true"' }));
  await arrive(ada);
  expect(statusIn(broughtBy(ada.page))).toBe('NoPassive');
});

test('where two factors are asked for, by the request or by the registration, no answer comes before there were two', async () => {
  const mfa = '<saml:AuthnContextClassRef>https://refeds.org/profile/mfa</saml:AuthnContextClassRef>';
  const within = `<samlp:RequestedAuthnContext Comparison="minimum">${mfa}</samlp:RequestedAuthnContext>`;
  const email = 'cleo@example.test';
  const metadata = { first_party: true, optional_claims: [] };
  const strict = await open({ name: 'strict', metadata: { ...metadata, minimum_acr: 'aal2' } });
  const plain = await open({ name: 'plain', signs: false, metadata });
  await newMember(keyhold, house, email);
  const cleo = await memberAgain(keyhold, house, email, { away: [AWAY] });
  const asked = { issuer: plain.entityId, destination: `${keyhold.origin}/saml/sso`, within };
  await cleo.goto(byAddress(asked.destination, authnRequest(asked)));
  expect(cleo.page.heading).toBe('Sign in');
  await signIn(cleo, email);
  expect(cleo.page.heading).toBe('Set up a second step');
  await chooseApp(cleo);
  await cleo.press('I have kept them');
  await arrive(cleo);
  expect(contextOf(cleo)).toBe('https://refeds.org/profile/mfa');
  await cleo.goto(await strict.requestUrl());
  await arrive(cleo);
  expect((await strict.profileOf(cleo.page)).email).toBe(email);
  const again = await memberAgain(keyhold, house, email, { away: [AWAY] });
  await again.goto(await strict.requestUrl());
  expect(again.page.heading).toBe('Sign in');
});

test('whoever does not allow it is not told about', async () => {
  const picky = await open({ name: 'picky' });
  const ada = await adaHere();
  await ada.goto(await picky.requestUrl());
  await ada.press("Don't allow");
  await arrive(ada);
  expect(statusIn(broughtBy(ada.page))).toBe('RequestDenied');
  await expect(picky.profileOf(ada.page)).rejects.toThrow();
  expect(await keyhold.db('disclosures').where({ client_id: picky.clientId })).toEqual([]);
});

test('nothing leaves that could not be written down, nor what its person had restricted', async () => {
  const ada = await adaHere();
  const owner = openDatabase(keyhold.config.migrationDatabaseUrl);
  const refuse = 'ALTER TABLE disclosures ADD CONSTRAINT disclosures__refused CHECK (false) NOT VALID';
  const fresh = await open({ name: 'fresh', metadata: { first_party: true } });
  try {
    await owner.raw(refuse);
    await ada.goto(await fresh.requestUrl());
    expect([ada.page.status, ada.page.html.includes('SAMLResponse')]).toEqual([500, false]);
  } finally {
    await owner.raw('ALTER TABLE disclosures DROP CONSTRAINT disclosures__refused');
    await owner.destroy();
  }
  await openWork(keyhold.db, { kind: 'person', id: accountId }, work =>
    askRight(work, openKeyring(keyhold.config.secret), {
      accountId,
      kind: 'restriction',
      law: lawFor({}),
      about: { everything: true, purposes: [], attributes: [] },
      holdsBack: true,
    }),
  );
  await ada.goto(await fresh.requestUrl());
  await arrive(ada);
  expect(await fresh.profileOf(ada.page)).not.toHaveProperty('email');
  await keyhold.db('accounts').update({ restriction: null });
});

test('an app is started from the page of apps, and from no page of anybody else', async () => {
  const ada = await adaHere();
  await ada.goto(`${keyhold.origin}/apps`);
  expect(ada.page.buttons).toEqual(['Wiki']);
  await ada.press('Wiki');
  await arrive(ada);
  const { xml, fields } = broughtBy(ada.page);
  expect([xml.includes('InResponseTo'), fields.get('RelayState')]).toEqual([false, 'welcome']);
  const lenient = { validateInResponseTo: 'ifPresent' as never };
  const { profile } = await Object.assign(unsigned.saml, {
    options: { ...unsigned.saml.options, ...lenient },
  }).validatePostResponseAsync(Object.fromEntries(fields));
  expect(profile?.nameID).toMatch(/^[\w-]{43}$/);

  const stopped = personAt(keyhold, { away: [`${keyhold.origin}/saml/sso/`] });
  await stopped.goto(`${keyhold.origin}/apps`);
  await stopped.press('Wiki');
  await ada.goto(stopped.page.url);
  expect(ada.page.status).toBe(403);

  const kept = async () => (await keyhold.db('saml_requests').count())[0]?.['count'];
  const before = await kept();
  await ada.post(`${keyhold.origin}/apps/${unsigned.clientId}/start`, {});
  expect(ada.page.status).toBe(403);
  await ada.goto(`${keyhold.origin}/apps`);
  await ada.post(`${keyhold.origin}/apps/${app.clientId}/start`, { csrf: csrfIn(ada) });
  expect([ada.page.status, await kept()]).toEqual([404, before]);
});

const csrfIn = (person: Person) => /name="csrf" value="([^"]+)"/.exec(person.page.html)?.[1] ?? '';

test('where several people are signed in, the one who is meant chooses themselves', async () => {
  await newMember(keyhold, house, OTHER);
  const both = await adaHere();
  await both.goto(await house.authorizationUrl({ prompt: 'login' }));
  await signIn(both, OTHER);
  await both.goto(await app.requestUrl());
  expect(both.page.heading).toBe('Choose an account');
  await both.goto(await app.requestUrl('', { passive: true }));
  await arrive(both);
  expect(statusIn(broughtBy(both.page))).toBe('NoPassive');
});

test('a new key is published before it signs, and the former one stays known for a while after', async () => {
  const certificates = async () => {
    const text = await (await fetch(`${keyhold.origin}/saml/metadata`)).text();
    return [...allOf(readXml(text), DS, 'X509Certificate')].map(({ text: each }) => each);
  };
  const { db, config } = keyhold;
  /* As a process that has just started would have them. */
  const fresh = async () => {
    const opened = openSamlKeys(db, openKeyring(config.secret), config.issuer);
    return { signs: (await opened.signing()).certificate, published: await opened.published() };
  };
  const known = (await certificates())[0];
  const printed: string[] = [];
  const keys = async (...words: readonly string[]) => {
    printed.length = 0;
    const print = (text: string) => void printed.push(text);
    const code = await runKeys(words, { db, config, print, fail: print });
    return { code, said: code === 0 ? JSON.parse(printed.join('')) : undefined };
  };
  const { kid, certificate } = (await keys('rotate', 'saml', '--in', '3')).said;
  expect((await keys('list')).said).toContainEqual(
    expect.objectContaining({ alg: 'saml', kid, state: 'pending' }),
  );
  expect(printed.join('')).not.toContain('PRIVATE');
  expect((await keys('rotate', 'saml', '--in', 'x')).code).toBe(2);
  const advance = (days: number) =>
    openWork(db, { kind: 'system' }, work =>
      advanceSamlKeys({ ...work, tx: work.tx, at: new Date(Date.now() + days * 86_400_000) }),
    );
  await advance(2);
  expect(await fresh()).toEqual({ signs: known, published: [known, certificate] });
  await advance(3.1);
  expect(await fresh()).toEqual({ signs: certificate, published: [certificate, known] });
  await advance(6);
  expect(await fresh()).toEqual({ signs: certificate, published: [certificate] });
  const left = await db('saml_keys').where({ certificate: known }).first('state', 'sealed');
  expect([left.state, left.sealed.length]).toEqual(['retired', 0]);
});

test('an app that speaks SAML can be asked for by its own requests only', async () => {
  const ada = await memberAgain(keyhold, house, EMAIL);
  const url = new URL('/authorize', keyhold.origin);
  url.search = new URLSearchParams({
    client_id: app.clientId,
    redirect_uri: `${keyhold.origin}/saml/answer`,
    response_type: 'code',
    scope: 'openid',
    code_challenge: 'a'.repeat(43),
    code_challenge_method: 'S256',
  }).toString();
  await ada.goto(url);
  expect([ada.page.status, ada.page.url.searchParams.get('code')]).toEqual([403, null]);
});
