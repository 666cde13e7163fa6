import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openAuthenticator } from '../support/authenticator.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, peopleOnRecord, recordedDuring } from '../support/ledger.js';
import { codeIn } from '../support/mailbox.js';
import { newPerson, type Person } from '../support/person.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import {
  csrfOf,
  memberOf,
  postScript,
  postStep,
  requestPath,
  signUpWithPasskey,
  toCredential,
  toPasskeyOffer,
  toPassword,
} from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

let keyhold: TestKeyhold;
let house: RelyingParty;
const ADA = 'ada@example.test';
const BEA = 'bea@example.test';

beforeAll(async () => {
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true });
  await memberOf(keyhold, house, ADA);
  await memberOf(keyhold, house, BEA);
});

afterAll(async () => {
  await house?.close();
  await keyhold?.close();
});

const here = (person: Person, path: string) => new URL(path, person.page.url);
const setState = async (email: string, state: string) =>
  keyhold
    .db('accounts')
    .where({ id: await accountOf(keyhold.db, email) })
    .update({ state });

test('a wrong password and an unknown address are told the same, and each is on record', async () => {
  const before = await peopleOnRecord(keyhold.db);
  for (const [email, account_id] of [
    [ADA, await accountOf(keyhold.db, ADA)],
    ['nobody@example.test', null],
  ] as const) {
    const person = personAt(keyhold);
    await toPassword(person, house, email);
    const events = await recordedDuring(keyhold.db, () =>
      postStep(person, '/password', { password: 'not the one' }),
    );
    expect([person.page.status, person.page.heading]).toEqual([400, 'Enter your password']);
    expect(person.page.alerts.join()).toContain('The email or the password is not right');
    const detail = { by: 'password' };
    expect(events).toEqual([{ type: 'sign_in.failed', account_id, client_id: house.clientId, detail }]);
  }
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('C03: an account that is suspended is not signed in, by a password or by a code', async () => {
  await setState(BEA, 'suspended');
  const before = await peopleOnRecord(keyhold.db);
  const bea = personAt(keyhold);
  await toPassword(bea, house, BEA);
  const tried = await recordedDuring(keyhold.db, () =>
    postStep(bea, '/password', { password: GOOD_PASSWORD }),
  );
  expect([bea.page.status, bea.page.heading]).toEqual([400, 'Enter your password']);
  expect(tried.map(event => event.type)).toEqual(['sign_in.failed']);
  const earlier = await keyhold.mailbox.latest(BEA);
  await bea.press('Email me a code');
  bea.fill('Code', codeIn(await bea.latestMail(BEA, earlier)));
  await bea.press('Continue');
  expect([bea.page.status, bea.page.heading]).toEqual([403, 'Request error']);
  expect(bea.page.text).toContain('This account cannot be used at the moment');
  const last = await keyhold.db('events').orderBy('id', 'desc').first('type', 'detail');
  expect(last).toEqual({ type: 'sign_in.failed', detail: { by: 'code' } });
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
  await setState(BEA, 'active');
});

test('an e-mailed code signs in, as something weaker than a password with a factor', async () => {
  const ada = personAt(keyhold);
  const earlier = await keyhold.mailbox.latest(ADA);
  await toPassword(ada, house, ADA);
  await ada.press('Email me a code');
  const code = codeIn(await ada.latestMail(ADA, earlier));
  ada.fill('Code', `${code.slice(0, 4)} ${code.slice(4)}`);
  await ada.press('Continue');
  expect(ada.page.heading).toBe('Back in the app');
  const claims = (await house.exchange()).claims();
  expect([claims?.['acr'], claims?.['amr'] ?? []]).toEqual(['aal1', []]);
});

test('C03: where the operator wants no codes none is offered, sent or taken, not even in a request under way', async () => {
  const strict = await startKeyhold({ EMAIL_CODE_SIGN_IN: 'off' });
  const app = await openRelyingParty(strict);
  try {
    await memberOf(strict, app, ADA);
    const ada = personAt(strict);
    await toPassword(ada, app, ADA);
    expect(ada.page.buttons).not.toContain('Email me a code');
    const before = await strict.db('email_proofs').count();
    await postStep(ada, '/code/send');
    expect(ada.page.heading).toBe('Enter your password');
    expect(await strict.db('email_proofs').count()).toEqual(before);
    const id = requestPath(ada).split('/').at(-1) ?? '';
    await strict
      .db('interactions')
      .where({ id })
      .update({ progress: { email: ADA, way: 'sign-in', codeSent: true } });
    await postStep(ada, '/code', { code: '12345678' });
    expect(ada.page.heading).toBe('Enter your password');
  } finally {
    await app.close();
    await strict.close();
  }
});

test('C14: the session cookie is another one after each sign-in, and the old one is dead', async () => {
  const ada = personAt(keyhold);
  const session = async () => (await ada.cookies(keyhold.origin)).get('keyhold_people');
  await toPassword(ada, house, ADA);
  const anonymous = await session();
  ada.fill('Password', GOOD_PASSWORD);
  await ada.press('Sign in');
  const first = await session();
  expect(first).toBeDefined();
  expect(first).not.toBe(anonymous);
  const thief = personAt(keyhold);
  for (const cookie of await ada.jar.getCookies(keyhold.origin))
    await thief.jar.setCookie(cookie, keyhold.origin);

  await ada.goto(await house.authorizationUrl({ prompt: 'login' }));
  await signIn(ada, ADA);
  expect(ada.page.heading).toBe('Back in the app');
  expect(await session()).not.toBe(first);
  await thief.goto(keyhold.origin);
  expect(thief.page.heading).toBe('Nobody is signed in');
});

test('a passkey signs up and in; another one, or a used challenge, does not', async () => {
  const cleo = personAt(keyhold);
  const authenticator = await signUpWithPasskey(cleo, house, keyhold.origin, 'cleo@example.test');
  expect(cleo.page.heading).toBe('Back in the app');
  expect((await house.exchange()).claims()).toMatchObject({ acr: 'phr', amr: ['hwk', 'user'] });

  const again = personAt(keyhold);
  await again.goto(await house.authorizationUrl());
  const options = await postScript(again, '/passkey/options');
  const credential = authenticator.get(options.body as never);
  const events = await recordedDuring(keyhold.db, async () => {
    const { status, body } = await postScript(again, '/passkey', { credential });
    expect(status).toBe(200);
    const twice = await postScript(again, '/passkey', { credential });
    expect([twice.status, twice.body['code'], twice.body['detail']]).toEqual([
      400,
      'passkey_refused',
      'The passkey could not be checked. Try again, or use another way.',
    ]);
    expect(twice.headers.get('content-language')).toBe('en');
    await again.goto(here(again, String(body['location'])));
  });
  expect(again.page.heading).toBe('Back in the app');
  expect(events.map(event => event.type)).toEqual([
    'passkey.used',
    'session.authenticated',
    'replay.refused',
  ]);
});

test('C03: a passkey of an account that is suspended does not sign in', async () => {
  const kai = personAt(keyhold);
  const authenticator = await signUpWithPasskey(kai, house, keyhold.origin, 'kai@example.test');
  await setState('kai@example.test', 'suspended');
  const before = await peopleOnRecord(keyhold.db);
  await kai.goto(await house.authorizationUrl({ prompt: 'login' }));
  const options = await postScript(kai, '/passkey/options');
  const events = await recordedDuring(keyhold.db, async () => {
    const { status } = await postScript(kai, '/passkey', {
      credential: authenticator.get(options.body as never),
    });
    expect(status).toBe(400);
  });
  expect(events.map(({ type, detail }) => [type, detail])).toEqual([['sign_in.failed', { by: 'passkey' }]]);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('C19: a passkey challenge of one request is no good in another, nor one for a new passkey for signing in', async () => {
  const dan = personAt(keyhold);
  const authenticator = await signUpWithPasskey(dan, house, keyhold.origin, 'dan@example.test');
  const [one, two] = [personAt(keyhold), personAt(keyhold)];
  for (const person of [one, two]) await person.goto(await house.authorizationUrl());
  const options = await postScript(one, '/passkey/options');
  const before = await peopleOnRecord(keyhold.db);
  const moved = await postScript(two, '/passkey', { credential: authenticator.get(options.body as never) });
  expect(moved.status).toBe(400);
  await toPasskeyOffer(two, house, ADA);
  const creation = await postScript(two, '/passkey/new/options');
  const crossed = await postScript(two, '/passkey', {
    credential: authenticator.get(creation.body as never),
  });
  expect(crossed.status).toBe(400);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('after a password a passkey is offered where one can be made; the sign-in is told as it was', async () => {
  const ada = personAt(keyhold);
  await toPasskeyOffer(ada, house, ADA);
  expect(ada.page.heading).toBe('Sign in faster next time');
  const events = await recordedDuring(keyhold.db, () => ada.press('Not now'));
  expect(events.map(event => event.type)).toEqual(['session.authenticated']);
  expect(ada.page.heading).toBe('Back in the app');
  expect((await house.exchange()).claims()).toMatchObject({ acr: 'aal1', amr: ['pwd'] });

  await ada.goto(await house.authorizationUrl({ prompt: 'login' }));
  ada.fill('Email', ADA);
  await ada.press('Continue');
  await postStep(ada, '/password', { password: GOOD_PASSWORD, passkeys: 'yes' });
  expect(ada.page.heading).toBe('Back in the app');
});

test('C16: the time of the sign-in is when the password was right, however long the offer stood', async () => {
  const ada = personAt(keyhold);
  await toPasskeyOffer(ada, house, ADA);
  const id = requestPath(ada).split('/').at(-1) ?? '';
  await keyhold.db.raw(
    `UPDATE interactions SET progress = jsonb_set(progress, '{signedIn,at}',
       to_jsonb((progress->'signedIn'->>'at')::bigint - 600000)) WHERE id = ?`,
    [id],
  );
  await ada.press('Not now');
  const session = await keyhold.db('sessions').orderBy('login_ts').first('login_ts');
  expect(Math.floor(Date.now() / 1000) - Number(session?.login_ts)).toBeGreaterThanOrEqual(600);
});

test('a passkey made at the offer is kept, its owner told by mail, and signs in next time', async () => {
  await memberOf(keyhold, house, 'eve@example.test');
  const eve = personAt(keyhold);
  await toPasskeyOffer(eve, house, 'eve@example.test');
  const authenticator = openAuthenticator(keyhold.origin);
  const earlier = await keyhold.mailbox.latest('eve@example.test');
  const options = await postScript(eve, '/passkey/new/options');
  const kept = await postScript(eve, '/passkey/new', {
    credential: authenticator.create(options.body as never),
  });
  await eve.goto(here(eve, String(kept.body['location'])));
  expect(eve.page.heading).toBe('Back in the app');
  expect((await keyhold.mailbox.latest('eve@example.test', earlier)).subject).toContain('passkey was added');
  const again = personAt(keyhold);
  await again.goto(await house.authorizationUrl());
  const asked = await postScript(again, '/passkey/options');
  const answer = await postScript(again, '/passkey', { credential: authenticator.get(asked.body as never) });
  await again.goto(here(again, String(answer.body['location'])));
  expect(again.page.heading).toBe('Back in the app');
  const other = personAt(keyhold);
  await toPasskeyOffer(other, house, 'eve@example.test');
  expect(other.page.heading).toBe('Back in the app');
});

test('C03: an account that is suspended while a passkey is offered gets none, and is not signed in', async () => {
  await memberOf(keyhold, house, 'gil@example.test');
  const gil = personAt(keyhold);
  await toPasskeyOffer(gil, house, 'gil@example.test');
  const options = await postScript(gil, '/passkey/new/options');
  await setState('gil@example.test', 'suspended');
  const before = await peopleOnRecord(keyhold.db);
  const credential = openAuthenticator(keyhold.origin).create(options.body as never);
  const { status, body } = await postScript(gil, '/passkey/new', { credential });
  expect([status, body['code']]).toEqual([403, 'account_unavailable']);
  const events = await recordedDuring(keyhold.db, () => gil.press('Not now'));
  expect([gil.page.status, gil.page.heading]).toEqual([403, 'Request error']);
  expect(events.map(event => event.type)).toEqual(['sign_in.failed']);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('login_hint and whoever is signed in already stand in the field', async () => {
  const ada = personAt(keyhold);
  const typed = () => /id="login-identifier"[^>]* value="([^"]*)"/.exec(ada.page.html)?.[1];
  await ada.goto(await house.authorizationUrl({ login_hint: 'hint@example.test' }));
  expect(typed()).toBe('hint@example.test');
  await ada.goto(await house.authorizationUrl({ login_hint: '+49 170 1' }));
  expect(typed()).toBe('');
  await signIn(ada, ADA);
  await ada.goto(await house.authorizationUrl({ prompt: 'login' }));
  expect(typed()).toBe(ADA);
  expect(ada.page.text).toContain('The app asks you to sign in again');
  await ada.goto(await house.authorizationUrl({ prompt: 'create', login_hint: 'new@example.test' }));
  expect(ada.page.html).toContain('value="new@example.test"');
});

const claim = (acr: object) => JSON.stringify({ id_token: { acr } });

test('a stronger sign-in that is wished or needed is explained, before and after a weaker one', async () => {
  const ada = personAt(keyhold);
  await ada.goto(await house.authorizationUrl({ acr_values: 'phr' }));
  expect(ada.page.text).toContain('prefers a sign-in with a passkey');
  await signIn(ada, ADA);
  await ada.press('Not now');
  expect(ada.page.heading).toBe('Back in the app');
  const claims = claim({ essential: true, value: 'phr' });
  await ada.goto(await house.authorizationUrl({ claims }));
  expect(ada.page.text).toContain('Use a passkey');
  await signIn(ada, ADA);
  expect(ada.page.heading).toBe('Set up a second step');
  await ada.press('Return to the app');
  expect(ada.page.url.searchParams.get('error')).toBe('access_denied');
});

test('somebody else than the one asked for is told so, and can change to them without scripts', async () => {
  const ada = personAt(keyhold);
  await ada.goto(await house.authorizationUrl());
  await signIn(ada, ADA);
  const hint = (await house.exchange()).id_token ?? '';
  const bea = personAt(keyhold);
  await bea.goto(await house.authorizationUrl({ id_token_hint: hint }));
  await signIn(bea, BEA);
  expect(bea.page.heading).toBe('Sign in');
  expect(bea.page.text).toContain('The app asks for another account');
  await signIn(bea, ADA);
  if (bea.page.buttons.includes('Continue')) await bea.press('Continue');
  expect(bea.page.heading).toBe('Back in the app');
  expect((await house.exchange()).claims()?.sub).toBe(await accountOf(keyhold.db, ADA));
});

test('two tabs of one browser both reach their app', async () => {
  const ada = personAt(keyhold);
  const [one, two] = [await house.authorizationUrl(), await house.authorizationUrl()];
  await ada.goto(one);
  const firstTab = ada.page.url;
  await toPassword(ada, house, ADA);
  ada.fill('Password', GOOD_PASSWORD);
  await ada.press('Sign in');
  expect(ada.page.heading).toBe('Back in the app');
  await ada.goto(firstTab);
  await signIn(ada, ADA);
  expect(ada.page.heading).toBe('Back in the app');
  await ada.goto(two);
  expect(ada.page.heading).toBe('Back in the app');
});

test('a finished request, one that waited too long and one of another browser each say what to do', async () => {
  const ada = personAt(keyhold);
  await toPassword(ada, house, ADA);
  const { url } = ada.page;
  const csrf = csrfOf(ada);
  ada.fill('Password', GOOD_PASSWORD);
  await ada.press('Sign in');
  const before = await peopleOnRecord(keyhold.db);
  await ada.goto(url);
  expect([ada.page.status, ada.page.heading]).toEqual([409, 'This step is already done']);
  const again = await ada.post(`${url.href}/password`, { csrf, password: GOOD_PASSWORD });
  expect([again.status, again.heading]).toEqual([409, 'This step is already done']);
  const stranger = personAt(keyhold);
  await stranger.goto(url);
  expect([stranger.page.status, stranger.page.heading]).toEqual([404, 'Request error']);
  expect(stranger.page.text).toContain('Go back to the app and sign in again');
  expect(await peopleOnRecord(keyhold.db)).toBe(before);
});

test('the language an app wishes is spoken, until the person chooses another', async () => {
  const ada = newPerson({ origin: keyhold.origin, language: 'en' });
  await ada.goto(await house.authorizationUrl({ ui_locales: 'pt fr-CA de' }));
  expect(ada.page.heading).toBe('Connexion');
  await ada.follow('English');
  expect(ada.page.heading).toBe('Sign in');
  await ada.goto(await house.authorizationUrl({ ui_locales: 'de' }));
  expect(ada.page.heading).toBe('Sign in');
});

test('C53: a password counts in full: case, the 73rd byte and what stands after a NUL', async () => {
  const long = `${GOOD_PASSWORD} ${'é'.repeat(40)}`;
  const fay = personAt(keyhold);
  await toCredential(fay, house, 'fay@example.test');
  await postStep(fay, '/account', { password: `${long}\u0000tail`, terms: 'yes' });
  expect(fay.page.heading).toBe('Back in the app');
  const tries: readonly (readonly [string, string])[] = [
    [`${long}\u0000TAIL`, 'Enter your password'],
    [long, 'Enter your password'],
    [`${long.slice(0, -1)}e\u0000tail`, 'Enter your password'],
    [`${long}\u0000tail`.normalize('NFD'), 'Back in the app'],
  ];
  for (const [password, heading] of tries) {
    const again = personAt(keyhold);
    await toPassword(again, house, 'fay@example.test');
    await postStep(again, '/password', { password });
    expect(again.page.heading).toBe(heading);
    fay.jar.removeAllCookiesSync();
  }
});
