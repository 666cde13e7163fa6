import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { allOf, readXml } from '../../src/saml/xml.js';
import { until } from '../support/jobs.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import type { Person } from '../support/person.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { byAddress, logoutRequest } from '../support/saml-messages.js';
import {
  AWAY,
  broughtBy,
  newPair,
  openServiceProvider,
  type ServiceProvider,
} from '../support/service-provider.js';

const EMAIL = 'ada@example.test';
const OTHER = 'bea@example.test';
const P = 'urn:oasis:names:tc:SAML:2.0:protocol';
const A = 'urn:oasis:names:tc:SAML:2.0:assertion';

let keyhold: TestKeyhold;
let house: RelyingParty;
let app: ServiceProvider;
let wiki: ServiceProvider;
let direct: ServiceProvider;
let keys: Readonly<Record<'app' | 'wiki', string>>;
let soap: Awaited<ReturnType<typeof openSoap>>;

/** Where an app hears of the end directly, and says it took it. */
async function openSoap() {
  const heard: string[] = [];
  let says = 'Success';
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', part => {
      body += part;
    });
    request.on('end', () => {
      heard.push(body);
      response.setHeader('Content-Type', 'text/xml');
      response.end(
        `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><p:LogoutResponse xmlns:p="${P}" ID="_1" Version="2.0"><p:Status><p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:${says}"/></p:Status></p:LogoutResponse></s:Body></s:Envelope>`,
      );
    });
  });
  await new Promise<void>(resolve => server.listen(0, 'localhost', resolve));
  return {
    heard,
    url: `http://localhost:${(server.address() as AddressInfo).port}/soap`,
    sayFrom: (status: string) => {
      says = status;
    },
    close: () => new Promise(resolve => server.close(resolve)),
  };
}

beforeAll(async () => {
  keyhold = await startKeyhold();
  soap = await openSoap();
  house = await openRelyingParty(keyhold, { first_party: true });
  const [one, two] = await Promise.all([newPair(), newPair()]);
  keys = { app: one.privateKey, wiki: two.privateKey };
  const metadata = { first_party: true, optional_claims: [] };
  const back = (name: string) => ({ logout: [{ binding: 'redirect', url: `${AWAY}/${name}/logout` }] });
  app = await openServiceProvider(keyhold, { pair: one, metadata, saml: back('timesheets') });
  wiki = await openServiceProvider(keyhold, {
    name: 'wiki',
    pair: two,
    metadata: { ...metadata, client_name: 'Wiki' },
    saml: { name_id: 'transient', logout: [{ binding: 'post', url: `${AWAY}/wiki/logout` }] },
  });
  direct = await openServiceProvider(keyhold, {
    name: 'direct',
    signs: false,
    metadata,
    saml: { logout: [{ binding: 'soap', url: soap.url }] },
  });
  await newMember(keyhold, house, EMAIL);
  await newMember(keyhold, house, OTHER);
}, 60_000);

afterAll(async () => {
  await soap?.close();
  await house?.close();
  await keyhold?.close();
});

beforeEach(() => soap.sayFrom('Success'));

/** Somebody at a browser of theirs, signed in to these apps. */
async function hereWith(email: string, apps: readonly ServiceProvider[], at?: Person) {
  const person = at ?? personAt(keyhold, { away: [AWAY] });
  await person.goto(await house.authorizationUrl(at ? { prompt: 'login' } : {}));
  await signIn(person, email);
  const profiles = [];
  for (const one of apps) {
    await person.goto(await one.requestUrl());
    if (person.page.heading === 'Choose an account')
      await person.press(`${email[0]?.toUpperCase()} ${email}`);
    await person.press('Continue');
    profiles.push(await one.profileOf(person.page));
  }
  return { person, profiles };
}

const liveOf = async (email: string) => {
  const { rows } = await keyhold.db.raw<{ rows: { uid: string }[] }>(
    `SELECT s.uid FROM sessions s JOIN account_snapshots a ON a.account_id = s.account_id
     WHERE a.email ->> 'address' = ? AND s.ended_at IS NULL ORDER BY 1`,
    [email],
  );
  return rows.map(({ uid }) => uid);
};

const nameIn = (xml: string) => [...allOf(readXml(xml), A, 'NameID')][0];
const sessionIn = (xml: string) => [...allOf(readXml(xml), P, 'SessionIndex')][0]?.text;

/** What the app, asked to end it, answers by its own library. */
async function answered(by: ServiceProvider, person: Person, well = true): Promise<URL> {
  const { fields, xml } = broughtBy(person.page);
  const posted = person.page.html !== '';
  const asked = posted
    ? await by.saml.validatePostRequestAsync(Object.fromEntries(fields))
    : await by.saml.validateRedirectAsync(Object.fromEntries(fields), person.page.url.search.slice(1));
  if (!asked.profile) throw new Error(xml);
  return new URL(await by.saml.getLogoutResponseUrlAsync(asked.profile, '', {}, well));
}

test('an app signs its person out: the session is over with all that hangs on it, other apps hear of it, and the app is answered', async () => {
  const { person, profiles } = await hereWith(EMAIL, [app, wiki, direct]);
  const [mine, theirs] = profiles;
  if (!mine || !theirs) throw new Error('nobody');
  const before = (await liveOf(EMAIL)).length;
  soap.heard.length = 0;
  await person.goto(await app.saml.getLogoutUrlAsync(mine, 'back here', {}));
  expect(await liveOf(EMAIL)).toHaveLength(before - 1);
  expect([person.page.heading, person.page.text]).toEqual(['One moment', expect.stringContaining('Wiki')]);
  await person.press('Continue');
  expect(person.page.url.href).toBe(`${AWAY}/wiki/logout`);
  const told = broughtBy(person.page).xml;
  expect([nameIn(told)?.text, sessionIn(told)]).toEqual([theirs.nameID, theirs.sessionIndex]);
  await person.goto(await answered(wiki, person));
  expect(person.page.text).toContain('Timesheets');
  await person.follow('Continue');
  const { fields, xml } = broughtBy(person.page);
  expect([person.page.url.pathname, fields.get('RelayState')]).toEqual(['/timesheets/logout', 'back here']);
  const { loggedOut } = await app.saml.validateRedirectAsync(
    Object.fromEntries(fields),
    person.page.url.search.slice(1),
  );
  expect([loggedOut, xml]).toEqual([true, expect.anything()]);
  await until(async () => soap.heard.length > 0);
  expect(sessionIn(soap.heard[0] ?? '')).toBe(profiles[2]?.sessionIndex);
  await person.goto(await app.requestUrl());
  expect(person.page.heading).toBe('Sign in');
});

test('of several people in a browser only the one who is meant is signed out, and in no other browser anybody', async () => {
  const { person, profiles } = await hereWith(EMAIL, [app]);
  await hereWith(OTHER, [], person);
  const { person: elsewhere } = await hereWith(EMAIL, [app]);
  const [ada, bea] = [await liveOf(EMAIL), await liveOf(OTHER)];
  const [mine] = profiles;
  if (!mine) throw new Error('nobody');
  await personAt(keyhold, { away: [AWAY] }).goto(await app.saml.getLogoutUrlAsync(mine, '', {}));
  await elsewhere.goto(await app.saml.getLogoutUrlAsync(mine, '', {}));
  expect([await liveOf(EMAIL), await liveOf(OTHER)]).toEqual([ada, bea]);
  const wrong = { ...mine, nameID: 'A'.repeat(43) };
  await person.goto(await app.saml.getLogoutUrlAsync(wrong, '', {}));
  expect([await liveOf(EMAIL), await liveOf(OTHER)]).toEqual([ada, bea]);
  await person.goto(await app.saml.getLogoutUrlAsync(mine, '', {}));
  expect([(await liveOf(EMAIL)).length, await liveOf(OTHER)]).toEqual([ada.length - 1, bea]);
});

test('C46: what signs people out must be signed by the app that they use', async () => {
  const { person, profiles } = await hereWith(EMAIL, [app]);
  const [mine] = profiles;
  const place = `${keyhold.origin}/saml/logout`;
  const within = `<saml:NameID>${mine?.nameID}</saml:NameID><samlp:SessionIndex>${mine?.sessionIndex}</samlp:SessionIndex>`;
  const before = await liveOf(EMAIL);
  for (const url of [
    byAddress(place, logoutRequest({ issuer: app.entityId, destination: place, within })),
    byAddress(place, logoutRequest({ issuer: app.entityId, destination: place, within }), { key: keys.wiki }),
    byAddress(place, logoutRequest({ issuer: direct.entityId, destination: place, within })),
    byAddress(place, logoutRequest({ issuer: app.entityId, destination: place }), { key: keys.app }),
    new URL(`${place}/asked?request=x`),
  ]) {
    await person.goto(url);
    expect([person.page.status >= 400, person.page.url.origin]).toEqual([true, keyhold.origin]);
  }
  await person.goto(
    byAddress(place, logoutRequest({ issuer: wiki.entityId, destination: place, within }), {
      key: keys.wiki,
    }),
  );
  expect(await liveOf(EMAIL)).toEqual(before);
});

test('whoever signs out here goes round by the apps that hear by the browser, and hears which did not answer', async () => {
  const { person } = await hereWith(EMAIL, [app, wiki]);
  await person.goto(`${keyhold.origin}/sign-out`);
  const before = (await liveOf(EMAIL)).length;
  await person.press('Sign out');
  expect(await liveOf(EMAIL)).toHaveLength(before - 1);
  const order = [];
  for (const _ of [1, 2]) {
    order.push(/taking you to (\w+)/.exec(person.page.text)?.[1]);
    if (person.page.buttons.includes('Continue')) await person.press('Continue');
    else await person.follow('Continue');
    const by = person.page.url.pathname.includes('wiki') ? wiki : app;
    await person.goto(by === wiki ? await answered(wiki, person) : `${keyhold.origin}/saml/logout/next`);
  }
  expect(order.sort()).toEqual(['Timesheets', 'Wiki']);
  expect(person.page.heading).toBe('You are signed out');
  expect(person.page.text).toContain('These apps could not be told');
  expect(person.page.text).toContain('Timesheets');
  await person.goto(`${keyhold.origin}/saml/logout/next`);
  expect(person.page.heading).toBe('You are signed out');
});

test('an app that does not take the end is tried again; whoever has no such app is signed out as ever', async () => {
  const { person, profiles } = await hereWith(EMAIL, [direct]);
  soap.heard.length = 0;
  soap.sayFrom('Responder');
  await person.goto(`${keyhold.origin}/sign-out`);
  await person.press('Sign out');
  expect(person.page.heading).toBe('You are signed out');
  await until(async () => soap.heard.length > 0);
  expect(nameIn(soap.heard[0] ?? '')?.text).toBe(profiles[0]?.nameID);
  await until(async () => {
    const { rows } = await keyhold.db.raw(
      `SELECT 1 FROM graphile_worker.jobs WHERE task_identifier = 'backchannel-logout' AND last_error IS NOT NULL`,
    );
    return rows.length > 0;
  });
});

test('an app that asked by the standard way gets its person back once the others have heard', async () => {
  const { person } = await hereWith(EMAIL, [wiki]);
  await person.goto(await house.authorizationUrl());
  const tokens = await house.exchange();
  const back = house.client.post_logout_redirect_uris?.[0] ?? '';
  await person.goto(
    house.endSessionUrl({ id_token_hint: tokens.id_token ?? '', post_logout_redirect_uri: back, state: 's' }),
  );
  await person.press('Sign out');
  expect(person.page.text).toContain('Wiki');
  await person.press('Continue');
  await person.goto(await answered(wiki, person));
  expect(person.page.url.href.startsWith(back)).toBe(true);
});
