import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { disableClient } from '../../src/domain/clients/clients.js';
import { openWork } from '../../src/platform/storage/work.js';
import { signUp } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { newPerson } from '../support/person.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

const SHOP = 'https://shop.example.org/start?from=here';

let keyhold: TestKeyhold;
let shop: RelyingParty;

beforeAll(async () => {
  keyhold = await startKeyhold();
  shop = await openRelyingParty(keyhold, {
    client_name: 'Shop',
    initiate_login_uri: SHOP,
    first_party: true,
  });
});

afterAll(async () => {
  await shop?.close();
  await keyhold?.close();
});

const someone = () => newPerson({ origin: keyhold.origin, away: ['https://shop.example.org/'] });

test('an app is started at its own address and told by whom; the sign-in is its own', async () => {
  const person = someone();
  await person.goto(`${keyhold.origin}/`);
  await person.follow('Apps');
  const { url } = await person.follow('Shop');
  expect(url.href).toBe(`${SHOP}&iss=${encodeURIComponent(keyhold.issuer)}`);
  /* The app knows the issuer and begins (OpenID Connect Core §4). */
  expect(url.searchParams.get('iss')).toBe(shop.configuration.serverMetadata().issuer);
  await signUp(person, shop, 'ada@example.test');
  expect((await shop.userInfo(await shop.exchange())).email).toBe('ada@example.test');
});

test('only apps that can be started are shown, by name, a page at a time', async () => {
  const metadata = {
    redirect_uris: ['https://app.example.org/cb'],
    initiate_login_uri: 'https://app.example.org/',
  };
  await keyhold.registerClient({ client_name: 'Hidden', redirect_uris: metadata.redirect_uris });
  const { client_id } = await keyhold.registerClient({ client_name: 'Turned off', ...metadata });
  await openWork(keyhold.db, { kind: 'operator' }, work => disableClient(work, client_id));
  for (let n = 10; n < 65; n++) await keyhold.registerClient({ client_name: `app ${n}`, ...metadata });
  const person = someone();
  await person.goto(`${keyhold.origin}/apps`);
  const first = person.page.text;
  await person.follow('More apps');
  const all = first + person.page.text;
  expect(first).toContain('app 10');
  expect(first).not.toContain('Shop');
  for (const name of ['app 10', 'app 59', 'app 60', 'app 64', 'Shop']) expect(all).toContain(name);
  for (const name of ['Hidden', 'Turned off']) expect(all).not.toContain(name);
  expect(() => person.follow('More apps')).toThrow();
});
