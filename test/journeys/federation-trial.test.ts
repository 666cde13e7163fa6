import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { runFederation } from '../../src/federation-commands.js';
import { inhabitant, openDirectory } from '../support/directory.js';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import type { Person } from '../support/person.js';
import { openSamlPeer } from '../support/saml-peer.js';
import { declareOpenid, declareProvider, openUpstream, type TestUpstream } from '../support/upstream.js';

let keyhold: TestKeyhold;
let upstream: TestUpstream;

beforeAll(async () => {
  keyhold = await startKeyhold();
  upstream = await openUpstream();
  await declareOpenid(keyhold, {
    id: 'acme',
    name: 'Acme',
    issuer: upstream.issuer,
    mapping: {
      attributes: {
        given_name: { from: 'first' },
        family_name: { from: 'last' },
        shoe_size: { from: 'shoe' },
        birthdate: { from: 'born' },
      },
    },
  });
});

afterAll(async () => {
  await upstream?.close();
  await keyhold?.close();
});

/* `keyhold federation …` in a terminal beside the server. */
function terminal() {
  const printed: string[] = [];
  const { promise: address, resolve: offered } = Promise.withResolvers<string>();
  const run = async (...words: readonly string[]) => {
    const code = await runFederation(words, {
      db: keyhold.db,
      config: keyhold.config,
      env: {},
      print: text => void printed.push(text),
      fail: line => {
        if (line.startsWith('http')) offered(line);
      },
    });
    return { code, answer: printed.length > 0 ? JSON.parse(printed.join('')) : undefined };
  };
  return { run, address };
}

const tied = async () => [
  await keyhold.db('accounts'),
  await keyhold.db('federated_subjects'),
  await keyhold.db('federated_links'),
  await keyhold.db('sessions'),
];

const facts = async () =>
  keyhold.db('events').where('type', 'identity_provider.tried').orderBy('id').pluck('detail');

test('a trial shows what came and how it is read, on the page and in the terminal, and ties nobody to anything', async () => {
  upstream.says({
    sub: 'ada-1',
    email: 'ada@example.test',
    email_verified: true,
    first: 'Ada',
    acr: 'gold',
    shoe: 44,
    born: 'long ago',
  });
  const { run, address } = terminal();
  const running = run('test', 'acme');
  const ada = personAt(keyhold);
  await ada.goto(await address);
  expect(ada.page.heading).toBe('Try signing in with Acme');
  await ada.press('Continue to Acme');
  expect(ada.page.heading).toBe('What came back');
  for (const said of [
    'ada-1',
    'ada@example.test',
    'Proved there, and that counts here.',
    'One step',
    'gold',
    'Ada',
  ])
    expect(ada.page.text).toContain(said);
  expect(await running).toEqual({
    code: 0,
    answer: {
      came: true,
      subject: 'ada-1',
      email: { address: 'ada@example.test', proved: true, counts: true },
      strength: { told: 'gold', counts: 'aal1' },
      attributes: [
        { attribute: 'birthdate', from: 'born', value: 'long ago', left: 'unreadable' },
        { attribute: 'family_name', from: 'last' },
        { attribute: 'given_name', from: 'first', value: 'Ada' },
        { attribute: 'shoe_size', from: 'shoe', value: 44, left: 'unknown' },
      ],
      claims: expect.objectContaining({ sub: 'ada-1', first: 'Ada' }),
    },
  });
  expect(await tied()).toEqual([[], [], [], []]);
  expect(await keyhold.db('federation_trials')).toEqual([]);
  expect(await facts()).toEqual([{ provider: 'acme', came: true }]);
});

/* Somebody is at the provider, who would send them back to this address. */
async function wayBack(person: Person): Promise<string> {
  const answer = await fetch(person.page.url, { redirect: 'manual' });
  return answer.headers.get('location') ?? '';
}

test('the address is good once, and what came is shown once', async () => {
  upstream.says({ sub: 'ada-1' });
  const { run, address } = terminal();
  const running = run('test', 'acme');
  const ada = personAt(keyhold);
  await ada.goto(await address);
  await ada.press('Continue to Acme');
  const outcome = ada.page.url;
  await running;
  const before = await facts();
  for (const gone of [outcome, await address]) {
    await ada.goto(gone);
    expect(ada.page.status).toBe(404);
  }
  expect(await facts()).toEqual(before);
});

test('begun in one browser a trial cannot be finished in another (C02)', async () => {
  upstream.says({ sub: 'ada-1' });
  const { run, address } = terminal();
  const running = run('test', 'acme');
  const [ada, eve] = [personAt(keyhold, { away: [upstream.issuer] }), personAt(keyhold)];
  await ada.goto(await address);
  await ada.press('Continue to Acme');
  const before = await facts();
  await eve.goto(await wayBack(ada));
  expect(eve.page.status).toBe(404);
  expect(await facts()).toEqual(before);
  await ada.goto(eve.page.url);
  expect(ada.page.heading).toBe('What came back');
  expect((await running).answer).toMatchObject({ subject: 'ada-1' });
});

test('a form that was open when the address was used begins nothing', async () => {
  const { run, address } = terminal();
  const running = run('test', 'acme');
  const [ada, eve] = [personAt(keyhold, { away: [upstream.issuer] }), personAt(keyhold)];
  await eve.goto(await address);
  await ada.goto(await address);
  await ada.press('Continue to Acme');
  const trips = await keyhold.db('federated_requests');
  await eve.press('Continue to Acme');
  expect(eve.page.status).toBe(404);
  expect(await keyhold.db('federated_requests')).toHaveLength(trips.length);
  await ada.goto(await wayBack(ada));
  expect((await running).code).toBe(0);
});

test('a provider that is disabled can be tried, and nobody else gets through', async () => {
  await terminal().run('disable', 'acme');
  upstream.says({ sub: 'ada-1' });
  const { run, address } = terminal();
  const running = run('test', 'acme');
  const ada = personAt(keyhold);
  await ada.goto(await address);
  expect(ada.page.text).toContain('Signing in this way is switched off.');
  await ada.press('Continue to Acme');
  expect((await running).answer).toMatchObject({ came: true, subject: 'ada-1' });
  await terminal().run('enable', 'acme');
});

test('what went wrong is said, with its reason, on the page and in the terminal', async () => {
  upstream.says({ sub: 'ada-1', iss: 'https://somebody-else.example' });
  const { run, address } = terminal();
  const running = run('test', 'acme');
  const ada = personAt(keyhold);
  await ada.goto(await address);
  await ada.press('Continue to Acme');
  expect(ada.page.heading).toBe('This did not work');
  expect(ada.page.status).toBe(422);
  expect((await running).answer).toMatchObject({ came: false, trouble: 'untrue' });
  expect((await facts()).at(-1)).toEqual({ provider: 'acme', came: false });
});

test('a provider that cannot be reached is said to be so', async () => {
  await declareOpenid(keyhold, { id: 'gone', name: 'Gone', issuer: 'http://localhost:1' });
  const { run, address } = terminal();
  const running = run('test', 'gone');
  const ada = personAt(keyhold);
  await ada.goto(await address);
  await ada.press('Continue to Gone');
  expect((await running).answer).toMatchObject({ came: false, trouble: 'unreachable' });
});

test('a provider that is changed while somebody is there is said to have changed (C03)', async () => {
  upstream.says({ sub: 'ada-1' });
  const { run, address } = terminal();
  const running = run('test', 'acme');
  const ada = personAt(keyhold, { away: [upstream.issuer] });
  await ada.goto(await address);
  await ada.press('Continue to Acme');
  await terminal().run('disable', 'acme');
  await ada.goto(await wayBack(ada));
  expect(ada.page.heading).toBe('This did not work');
  expect((await running).answer).toEqual({ came: false, trouble: 'changed', reason: 'provider_unavailable' });
});

test('a company that speaks SAML is tried in the same way', async () => {
  const company = await openSamlPeer();
  const settings = { metadata_url: company.metadataUrl };
  await declareProvider(keyhold, { id: 'company', name: 'Company', kind: 'saml', secrets: {}, settings });
  company.manners.employee = { id: 'a7c3', attributes: { email: 'ada@acme.test' } };
  const { run, address } = terminal();
  const running = run('test', 'company');
  const ada = personAt(keyhold);
  await ada.goto(await address);
  await ada.press('Continue to Company');
  await ada.follow('Continue to Company');
  await ada.press('Go on');
  expect(ada.page.heading).toBe('What came back');
  expect((await running).answer).toMatchObject({ came: true, subject: 'a7c3' });
  await company.close();
});

test('a directory is tried by the password of there, which is right or wrong once for each address', async () => {
  const directory = await openDirectory();
  directory.people.push(inhabitant('ada', 'her password there', { givenName: 'Ada' }));
  await declareProvider(keyhold, {
    id: 'directory',
    name: 'Directory',
    kind: 'ldap',
    state: 'disabled',
    secrets: { bind_password: directory.bindPassword },
    settings: {
      urls: [`ldap://127.0.0.1:${directory.port}`],
      plain_on_loopback: true,
      bind_dn: directory.bindDn,
      base: directory.base,
    },
    mapping: { attributes: { given_name: { from: 'givenName' } } },
  });
  const tryWith = async (password: string) => {
    const { run, address } = terminal();
    const running = run('test', 'directory');
    const ada = personAt(keyhold);
    await ada.goto(await address);
    ada.fill('Email', 'ada@acme.test');
    ada.fill('Your password there', password);
    await ada.press('Continue to Directory');
    return { page: ada.page, answer: (await running).answer };
  };
  const wrong = await tryWith('another one');
  expect(wrong.answer).toMatchObject({ came: false, trouble: 'refused' });
  expect(wrong.page.status).toBe(422);
  const { answer } = await tryWith('her password there');
  expect(answer).toMatchObject({ came: true, attributes: [{ attribute: 'given_name', value: 'Ada' }] });
  expect(JSON.stringify(answer)).not.toContain('her password there');
  expect(await tied()).toEqual([[], [], [], []]);
  await directory.close();
});
