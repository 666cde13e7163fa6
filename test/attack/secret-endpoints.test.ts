import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { ACCOUNT_PAGES, API_OPERATIONS } from '../../src/journeys/manage/routes.js';
import { accountToken } from '../support/account-api.js';
import { declareDirectory, openDirectory, type TestDirectory } from '../support/directory.js';
import { until } from '../support/jobs.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import { agedAddresses, beginToWait, letPass, sayGone, typeMailedCode } from '../support/lost-phone.js';
import { beginMove, postMove, scan } from '../support/move.js';
import type { Person } from '../support/person.js';
import { memberAgain } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { engineRoutes, ownRoutes, type Route } from '../support/routes.js';
import { afterPassword, setupOn } from '../support/step-up.js';
import {
  csrfOf,
  memberOf,
  postAccountScript,
  postScript,
  postStep,
  sendStep,
  toPasskeyOffer,
  toPassword,
  toRecoveryCredential,
} from '../support/steps.js';
import { claimDomain } from '../support/upstream.js';
import { GOOD_PASSWORD } from '../support/walk.js';

// The register of every endpoint that looks at a secret or sends one, held against the routers (C10).

/** What an endpoint looks at, and what stands before it: a limit by its name, or so many random bits. */
type Entry =
  | { readonly secret: string; readonly limit: string }
  | { readonly secret: string; readonly bits: number };

const LINK = { secret: 'the token of a mailed link', bits: 256 };
const SEALED = { secret: 'the sealed token of a mailed link', bits: 128 };
const USER_CODE = { secret: 'the code that a device shows', limit: 'user-code' };
const CLIENT = 'the secret of an app, or its signature';

/** Operations of the API that change something and look at nothing but the token. One that looks at a code is not among them. */
const CHANGES_BY_TOKEN = [
  'PATCH /api/me/preferences',
  'POST /api/me/history/:id/object',
  'POST /api/me/devices/end-others',
  ...['/remembered', '/remembered/:id', '/:id'].map(path => `DELETE /api/me/devices${path}`),
  'PATCH /api/me/profile',
  'POST /api/me/profile/corrections',
  'PUT /api/me/profile/pictures/:attribute',
  ...['undo', 'withdraw'].map(path => `POST /api/me/profile/changes/:change/${path}`),
  'POST /api/me/contacts/changes/:change/undo',
  'POST /api/me/contacts/:id/primary',
  'DELETE /api/me/contacts/:id',
  'DELETE /api/me/recovery',
  'DELETE /api/me/deletion',
  'POST /api/me/rights',
  ...['withdraw', 'confirm', 'end'].map(act => `POST /api/me/rights/:id/${act}`),
  'DELETE /api/me/sign-in-methods/password',
  'POST /api/me/move',
  'POST /api/me/move/confirm',
  'DELETE /api/me/move',
  'PATCH /api/me/apps/:client',
  'DELETE /api/me/apps/:client',
  'POST /api/me/receipts/:event',
  ...['passkeys', 'apps'].flatMap(kind =>
    ['PATCH', 'DELETE'].map(method => `${method} /api/me/sign-in-methods/${kind}/:id`),
  ),
];

const MOVE = { secret: 'what this browser claimed a move with, sealed', bits: 256 };

const REGISTER: Readonly<Record<string, Entry>> = {
  'POST /interaction/:uid/password': { secret: 'a password', limit: 'password' },
  'POST /interaction/:uid/organisation': { secret: 'a password of elsewhere', limit: 'password' },
  'POST /interaction/:uid/code': { secret: 'a mailed code', limit: 'code' },
  'POST /interaction/:uid/code/send': { secret: 'sends a code', limit: 'mail' },
  'POST /interaction/:uid/sign-up': { secret: 'sends a code', limit: 'mail' },
  'POST /interaction/:uid/recovery': { secret: 'sends a code', limit: 'mail' },
  'POST /interaction/:uid/passkey/options': { secret: 'makes a challenge', limit: 'challenge' },
  'POST /interaction/:uid/passkey/new/options': { secret: 'makes a challenge', limit: 'challenge' },
  'POST /interaction/:uid/passkey': { secret: 'a signature over a challenge', bits: 256 },
  'POST /interaction/:uid/passkey/new': { secret: 'an answer to a challenge', bits: 256 },
  'POST /interaction/:uid/federated/:provider': { secret: 'begins a trip to a provider', limit: 'provider' },
  'GET /interaction/:uid/federated/:trip': { secret: 'the browser that a trip was begun in', bits: 256 },
  'POST /account/linked/add/:provider': { secret: 'begins a trip to a provider', limit: 'provider' },
  'GET /federation/:provider/callback': { secret: 'the state of a trip', bits: 256 },
  'POST /federation/:provider/callback': { secret: 'the state of a trip', bits: 256 },
  'GET /federation-test/:ticket': { secret: 'the address of a trial', bits: 256 },
  'POST /federation-test/:ticket': { secret: 'the address of a trial', bits: 256 },
  'GET /federation-test/:trial/:trip': { secret: 'the browser that a trial was begun in', bits: 256 },
  'GET /federation/:provider/logout': { secret: 'a signature of the provider', bits: 112 },
  'POST /federation/:provider/logout': { secret: 'a signature of the provider', bits: 112 },
  'POST /interaction/:uid/lost/continue': { secret: 'sends a code', limit: 'mail' },
  'POST /interaction/:uid/lost/password': { secret: 'a password', limit: 'password' },
  'POST /interaction/:uid/lost/app': { secret: 'the first code of an app', limit: 'second-step' },
  'GET /recovery/stop/:token': SEALED,
  'POST /recovery/stop/:token': SEALED,
  'POST /interaction/:uid/second-step': { secret: 'a code of an app, a recovery code', limit: 'second-step' },
  'POST /interaction/:uid/second-factor/app/code': {
    secret: 'the first code of an app',
    limit: 'second-step',
  },
  'POST /account/sign-in/apps/new': { secret: 'the first code of an app', limit: 'second-step' },
  'POST /account/sign-in/passkeys/new': { secret: 'an answer to a challenge', bits: 256 },
  'POST /account/sign-in/passkeys/new/options': { secret: 'makes a challenge', limit: 'challenge' },
  'GET /move/:secret': { secret: 'the picture of a move', bits: 256 },
  'POST /move/:secret': { secret: 'the picture of a move', bits: 256 },
  'GET /move': MOVE,
  'GET /move/state': MOVE,
  'GET /move/app': MOVE,
  'GET /move/tried': MOVE,
  'POST /move/leave': MOVE,
  'POST /move/try': MOVE,
  'POST /move/passkey': MOVE,
  'POST /move/passkey/options': { secret: 'makes a challenge', limit: 'challenge' },
  'POST /move/app': { secret: 'the first code of an app', limit: 'second-step' },
  'POST /account/data/delete': { secret: 'writes to every address', limit: 'deletion' },
  'POST /api/me/deletion': { secret: 'writes to every address', limit: 'deletion' },
  'GET /deletion/:token': { secret: 'the private link of a deletion', bits: 256 },
  'POST /deletion/:token/keep': { secret: 'the private link of a deletion', bits: 256 },
  'GET /deletion/:token/statement.jws': { secret: 'the private link of a deletion', bits: 256 },
  'GET /deletion/waiting/:sealed': SEALED,
  'POST /deletion/waiting/:sealed': SEALED,
  'POST /account/move': { secret: 'begins a move', limit: 'move' },
  'POST /account/merge': { secret: 'leads to a sign-in, which has limits of its own', limit: 'merge' },
  'POST /device': USER_CODE,
  'POST /device/confirm': USER_CODE,
  'POST /device/deny': USER_CODE,
  'GET /interaction/:uid/link/:token': LINK,
  'POST /interaction/:uid/link/:token': LINK,
  'POST /interaction/:uid/link/:token/deny': LINK,
  'POST /objection': SEALED,
  'GET /objection/:token': LINK,
  'POST /objection/:token': LINK,
  'POST /receipts/verify': { secret: 'a signed receipt', limit: 'receipt' },
  'POST /rights/agent': { secret: 'a signed mandate', limit: 'mandate' },
  'POST /commands/callback': { secret: 'the token of a command', limit: 'callback' },
  'GET /unsubscribe/:token': SEALED,
  'POST /unsubscribe/:token': SEALED,
  'POST /unsubscribe/:token/undo': SEALED,
  'GET /undo/:token': LINK,
  'POST /undo/:token': LINK,
  'POST /account/contacts/add-email': { secret: 'sends a code', limit: 'mail' },
  'POST /account/contacts/add-phone': { secret: 'sends a code', limit: 'sms' },
  'POST /account/contacts/:id/prove': { secret: 'sends a code', limit: 'sms' },
  'POST /account/contacts/proofs/:proof/send': { secret: 'sends a code', limit: 'mail' },
  'POST /account/contacts/proofs/:proof': { secret: 'a mailed code', limit: 'code' },
  'POST /token': { secret: `${CLIENT}; a code, a refresh token, a verifier`, bits: 256 },
  'POST /introspect': { secret: `${CLIENT}; a token`, bits: 256 },
  'POST /access/v1/evaluation': { secret: `${CLIENT}; an access token`, bits: 256 },
  'POST /access/v1/evaluations': { secret: `${CLIENT}; an access token`, bits: 256 },
  'POST /revoke': { secret: `${CLIENT}; a token`, bits: 256 },
  'POST /par': { secret: CLIENT, bits: 256 },
  'POST /device_authorization': { secret: `${CLIENT}; makes a code`, limit: 'device' },
  'GET /userinfo': { secret: 'an access token', bits: 256 },
  'POST /userinfo': { secret: 'an access token', bits: 256 },
  'POST /end-session/confirm': { secret: "the form's own token", bits: 126 },
  'GET /pictures/:token': { secret: 'the address of a picture', bits: 192 },
  'GET /account/callback': { secret: 'a code, and the state sealed for this browser', bits: 256 },
  ...Object.fromEntries(
    [
      ...API_OPERATIONS.filter(({ method }) => method === 'GET').map(({ path }) => `GET ${path}`),
      ...CHANGES_BY_TOKEN,
    ].map(route => [route, { secret: 'an access token', bits: 256 }]),
  ),
  ...Object.fromEntries(
    ['GET', 'POST'].flatMap(method =>
      ['sso', 'logout'].map(path => [
        `${method} /saml/${path}`,
        { secret: 'the signature of an app', bits: 112 },
      ]),
    ),
  ),
  'GET /saml/sso/:id': { secret: 'the browser that a request came to', bits: 256 },
  'GET /saml/answer': { secret: 'a code, and the browser that a request came to', bits: 256 },
  'GET /saml/logout/asked': { secret: 'what an app asked, sealed', bits: 128 },
  'GET /saml/logout/next': { secret: 'what an app answered, sealed', bits: 128 },
  'GET /api/v1/reports/minimisation': { secret: 'an access token', bits: 256 },
  'POST /api/me/contacts': { secret: 'sends a code', limit: 'mail' },
  'POST /api/me/contacts/proofs/:proof': { secret: 'a mailed code', limit: 'code' },
};

/** Looks at nothing but whose browser it is, by a cookie and a form token of 256 bits. */
const NO_SECRET = [
  /* What a company is told about us is for everybody. */
  'GET /federation/:provider/metadata',
  'POST /account/linked/:id/remove',
  'GET /api/me/linked',
  'DELETE /api/me/linked/:id',
  'GET /saml/metadata',
  'POST /apps/:id/start',
  /* Both sides were proved by signing in. */
  'POST /account/merge/with/:pair',
  'POST /account/merge/undo',
  ...ACCOUNT_PAGES.filter(({ method }) => method === 'GET').map(({ path }) => `GET ${path}`),
  ...[
    'apps/:id',
    'apps/:id/remove',
    'passkeys/:id',
    'passkeys/:id/remove',
    'password',
    'password/remove',
    'recovery-codes',
    'recovery-codes/file',
    'second-step/end',
  ].map(path => `POST /account/sign-in/${path}`),
  ...ACCOUNT_PAGES.map(({ method, path }) => `${method} ${path}`).filter(route =>
    /^POST \/account\/(profile|preferences|devices|data\/(requests|agents))(\/|$)/.test(route),
  ),
  ...[
    'organisation/around',
    'consent/known',
    'question',
    'question/skip',
    'second-step/kept',
    'second-factor/app',
    'second-factor/other',
    'second-factor/skip',
    'recovery-codes/file',
    'recovery-codes/kept',
  ].map(path => `POST /interaction/:uid/${path}`),
  'GET /.well-known/webauthn',
  'GET /.well-known/authzen-configuration',
  'OPTIONS /access/v1/evaluation',
  'OPTIONS /access/v1/evaluations',
  'GET /.well-known/gpc.json',
  'GET /receipts/verify',
  'GET /receipts/jwks.json',
  ...['now/confirm', 'now/refuse', 'now/cancel', 'old'].map(path => `POST /account/move/${path}`),
  ...['', '/back', '/begin', '/stop'].map(path => `POST /interaction/:uid/lost${path}`),
  'POST /account/recovery/stop',
  'POST /account/data/delete/keep',
  /* Copies are counted by themselves: how many were made, and how often one was fetched. */
  ...['copy', 'copies/:id/drop', 'import', 'import/take', 'import/drop'].map(
    path => `POST /account/data/${path}`,
  ),
  'POST /api/me/exports',
  'DELETE /api/me/exports/:id',
  'DELETE /api/me/profile/purposes/:purpose',
  ...['', '/remove'].map(path => `POST /account/apps/:client${path}`),
  'POST /account/receipts/:event',
  'GET /account/switch',
  'GET /api/me/openapi.json',
  'GET /.well-known/oauth-protected-resource/api/me',
  'GET /api/v1/openapi.json',
  'GET /.well-known/oauth-protected-resource/api/v1',
  'GET /',
  'GET /authorize',
  'GET /apps',
  'GET /authorize/:uid',
  'GET /device',
  'GET /device/:uid',
  'GET /clients/:id/logo',
  'GET /dev/mailbox',
  'GET /dev/mailbox/:id',
  'GET /end-session',
  'GET /end-session/success',
  'GET /interaction/:uid',
  'GET /jwks',
  'GET /.well-known/openid-configuration',
  'GET /.well-known/oauth-authorization-server',
  'GET /recovery',
  'GET /sign-out',
  'GET /terms',
  ...[
    'account',
    'new-account',
    'back',
    'choose',
    'consent',
    'deny',
    'identifier',
    'passkey/skip',
    'recovery/password',
    'recovery/gone',
  ].map(path => `POST /interaction/:uid/${path}`),
  'POST /sign-out',
  ...['changes/:change', ':id/main', ':id/remove'].map(path => `POST /account/contacts/${path}`),
  'GET /pictures/:token',
  ...['change', 'sure-change', 'correction', 'picture', 'sure-picture'].map(
    path => `POST /account/profile/${path}/:attribute`,
  ),
  ...['undo/:change', 'withdraw/:change', 'corrections/:correction/withdraw'].map(
    path => `POST /account/profile/${path}`,
  ),
  ...['picture', 'sure-picture'].map(path => `POST /account/profile/${path}/:attribute/remove`),
  ...['preferences', 'preferences/language'].map(path => `POST /account/${path}`),
];

let keyhold: TestKeyhold;
let app: RelyingParty;
let engine: readonly Route[];
const EMAIL = 'member@example.test';

beforeAll(async () => {
  engine = await engineRoutes();
  keyhold = await startKeyhold({ RATE_LIMITS: 'on' });
  app = await openRelyingParty(keyhold);
  await memberOf(keyhold, app, EMAIL);
});

beforeEach(async () => {
  await keyhold.db('attempts').delete();
  /* Whoever is about to go is shown that first when they sign in. */
  await keyhold.db('deletions').delete();
  await keyhold.db('accounts').update({ leaving_at: null });
});

let directory: TestDirectory | undefined;

afterAll(async () => {
  await directory?.close();
  await app?.close();
  await keyhold?.close();
});

test('C10: every route is in the register, or known to look at no secret', () => {
  const routes = [...ownRoutes(), ...engine].map(({ method, path }) => `${method} ${path}`);
  const known = new Set([...Object.keys(REGISTER), ...NO_SECRET]);
  expect(routes.filter(route => !known.has(route))).toEqual([]);
  expect([...known].filter(route => !routes.includes(route))).toEqual([]);
  for (const entry of Object.values(REGISTER)) {
    if ('bits' in entry) expect(entry.bits).toBeGreaterThanOrEqual(112);
  }
});

type Knock = () => Promise<number>;

const KNOCKS: Record<string, () => Promise<Knock>> = {
  '/password': async () => {
    const person = personAt(keyhold);
    await toPassword(person, app, EMAIL);
    return async () => (await sendStep(person, '/password', { password: 'a wrong one' })).status;
  },
  '/code': async () => {
    const person = personAt(keyhold);
    await toPassword(person, app, EMAIL);
    await person.press('Email me a code');
    await keyhold.db('attempts').delete();
    return async () => (await sendStep(person, '/code', { code: '00000000' })).status;
  },
  '/code/send': async () => {
    const person = personAt(keyhold);
    await toPassword(person, app, EMAIL);
    return async () => (await sendStep(person, '/code/send', {})).status;
  },
  '/recovery': async () => {
    const person = personAt(keyhold);
    await toPassword(person, app, EMAIL);
    return async () => {
      await sendStep(person, '/identifier', { email: EMAIL });
      return (await sendStep(person, '/recovery', {})).status;
    };
  },
  '/sign-up': async () => {
    const person = personAt(keyhold);
    await person.goto(await app.authorizationUrl({ prompt: 'create' }));
    return async () => (await sendStep(person, '/sign-up', { email: 'new@example.test' })).status;
  },
  '/passkey/options': async () => {
    const person = personAt(keyhold);
    await person.goto(await app.authorizationUrl());
    return async () => (await postScript(person, '/passkey/options')).status;
  },
  '/passkey/new/options': async () => {
    const person = personAt(keyhold);
    await toPasskeyOffer(person, app, EMAIL);
    await keyhold.db('attempts').delete();
    return async () => (await postScript(person, '/passkey/new/options')).status;
  },
};

KNOCKS['/organisation'] = async () => {
  directory ??= await openDirectory();
  await declareDirectory(keyhold, directory, { id: 'works' });
  await claimDomain(keyhold, 'works.test', 'works');
  const person = personAt(keyhold);
  await until(async () => {
    await toPassword(person, app, 'somebody@works.test');
    return person.page.heading === 'Sign in with works';
  });
  return async () => (await sendStep(person, '/organisation', { password: 'a wrong one' })).status;
};

KNOCKS['/federated/:provider'] = async () => {
  const person = personAt(keyhold);
  await person.goto(await app.authorizationUrl());
  return async () => (await sendStep(person, '/federated/nowhere', {})).status;
};

for (const path of ['/device', '/device/confirm', '/device/deny']) {
  KNOCKS[`POST ${path}`] = async () => {
    const person = personAt(keyhold);
    await person.goto(`${keyhold.origin}/device`);
    return async () => {
      const csrf = csrfOf(person);
      const headers = { 'content-type': 'application/x-www-form-urlencoded', accept: 'text/html' };
      const cookie = await person.jar.getCookieString(keyhold.origin);
      const body = new URLSearchParams({ csrf, user_code: 'BCDF-GHJK' }).toString();
      return (await fetch(keyhold.origin + path, { method: 'POST', headers: { ...headers, cookie }, body }))
        .status;
    };
  };
}

KNOCKS['POST /receipts/verify'] = async () => async () =>
  (
    await fetch(`${keyhold.origin}/receipts/verify`, {
      method: 'POST',
      headers: { 'content-type': 'application/jose' },
      body: 'a.b.c',
    })
  ).status;

KNOCKS['POST /rights/agent'] = async () => async () =>
  (
    await fetch(`${keyhold.origin}/rights/agent`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer a.b.c' },
      body: JSON.stringify({ person: 'ada@example.test', right: 'access' }),
    })
  ).status;

KNOCKS['POST /commands/callback'] = async () => async () =>
  (
    await fetch(`${keyhold.origin}/commands/callback`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${'x'.repeat(43)}` },
      body: '{}',
    })
  ).status;

KNOCKS['/second-step'] = async () => {
  await keyhold.db('accounts').update({ second_step: true });
  const person = personAt(keyhold);
  await toPassword(person, app, EMAIL);
  await postStep(person, '/password', { password: GOOD_PASSWORD });
  await keyhold.db('accounts').update({ second_step: false });
  await keyhold.db('attempts').delete();
  return async () => (await sendStep(person, '/second-step', { by: 'app', code: '000000' })).status;
};

KNOCKS['/second-factor/app/code'] = async () => {
  const person = personAt(keyhold);
  await afterPassword(person, app, EMAIL);
  await person.press('Use an authenticator app');
  await keyhold.db('attempts').delete();
  return async () => {
    const wrong = { ...setupOn(person), code: '000000' };
    return (await sendStep(person, '/second-factor/app/code', wrong)).status;
  };
};

/** Somebody with a second step who has lost their phone, as far as `come` leads them. */
const lost = async (come: (person: Person) => Promise<unknown>) => {
  await keyhold.db('accounts').update({ second_step: true });
  const person = await sayGone(keyhold, app, EMAIL);
  await come(person);
  await keyhold.db('attempts').delete();
  return person;
};
const noLonger = () => keyhold.db('accounts').update({ second_step: false });

KNOCKS['/lost/continue'] = async () => {
  const person = await lost(async () => undefined);
  await noLonger();
  return async () => {
    await postStep(person, '/lost/back');
    await postStep(person, '/lost');
    return (await sendStep(person, '/lost/continue', {})).status;
  };
};

KNOCKS['/lost/password'] = async () => {
  await keyhold.db('accounts').update({ second_step: true });
  const person = personAt(keyhold);
  await toRecoveryCredential(person, app, EMAIL);
  await postStep(person, '/lost');
  await postStep(person, '/lost/continue');
  await keyhold.db('attempts').delete();
  await noLonger();
  return async () => (await sendStep(person, '/lost/password', { password: 'a wrong one' })).status;
};

KNOCKS['/lost/app'] = async () => {
  await keyhold.db('accounts').update({ second_step: true });
  await agedAddresses(keyhold);
  await beginToWait(keyhold, app, EMAIL);
  await letPass(keyhold, await accountOf(keyhold.db, EMAIL), 73);
  const person = await lost(each => typeMailedCode(each, EMAIL));
  await noLonger();
  return async () => {
    person.fill('Code from your app', '000000');
    return (await person.press('Turn on')).status;
  };
};

KNOCKS['POST /account/sign-in/apps/new'] = async () => {
  const person = personAt(keyhold);
  await person.goto(await app.authorizationUrl());
  await signIn(person, EMAIL);
  await person.goto(new URL('/account/sign-in/apps/new', keyhold.origin));
  await keyhold.db('attempts').delete();
  return async () => {
    person.fill('Code from your app', '000000');
    return (await person.press('Turn on')).status;
  };
};

KNOCKS['POST /account/sign-in/passkeys/new/options'] = async () => {
  const person = personAt(keyhold);
  await person.goto(await app.authorizationUrl());
  await signIn(person, EMAIL);
  await person.goto(new URL('/account/sign-in/passkeys/new', keyhold.origin));
  await keyhold.db('attempts').delete();
  const path = '/account/sign-in/passkeys/new/options';
  return async () => (await postAccountScript(person, path)).status;
};

KNOCKS['POST /device_authorization'] = async () => {
  const { client_id } = await keyhold.registerClient({
    client_name: 'Television',
    grant_types: ['urn:ietf:params:oauth:grant-type:device_code'],
    response_types: [],
    redirect_uris: [],
    token_endpoint_auth_method: 'none',
  });
  return async () => {
    const body = new URLSearchParams({ client_id, scope: 'openid' });
    return (await fetch(`${keyhold.origin}/device_authorization`, { method: 'POST', body })).status;
  };
};

/** Somebody signed in sends a form of theirs again and again; each begins at the page that `come` leads to. */
const byForm =
  (
    come: (person: Person) => Promise<void>,
    path: (page: URL) => string,
    fields: Readonly<Record<string, string>>,
  ) =>
  async (): Promise<Knock> => {
    const person = await memberAgain(keyhold, app, EMAIL);
    await come(person);
    await keyhold.db('attempts').delete();
    const { url } = person.page;
    const form = { csrf: csrfOf(person), for: await accountOf(keyhold.db, EMAIL), ...fields };
    return async () => (await sendForm(person, path(url), form)).status;
  };

const sendForm = async (person: Person, path: string, fields: Readonly<Record<string, string>>) =>
  fetch(keyhold.origin + path, {
    method: 'POST',
    redirect: 'manual',
    headers: { cookie: await person.jar.getCookieString(keyhold.origin), 'sec-fetch-site': 'same-origin' },
    body: new URLSearchParams(fields),
  });

const CONTACTS = '/account/contacts';
const toAdd = async (person: Person) => void (await person.goto(`${keyhold.origin}${CONTACTS}/add-email`));
const toCode = async (person: Person) => {
  await toAdd(person);
  person.fill('New email address', 'new@example.test');
  await person.press('Send a code');
};
const toUnproved = async (person: Person) => {
  const account_id = await accountOf(keyhold.db, EMAIL);
  const row = { account_id, number: '+447400123456', is_primary: false, added_at: new Date() };
  await keyhold.db('phone_numbers').insert(row).onConflict().ignore();
  await person.goto(keyhold.origin + CONTACTS);
  await person.follow(row.number);
};
const here = ({ pathname }: URL) => pathname;

const toMove = async (person: Person) => {
  await keyhold.db('moves').delete();
  await person.goto(`${keyhold.origin}/account/move`);
};
KNOCKS['POST /account/move'] = byForm(toMove, here, {});

const toMerge = async (person: Person) => void (await person.goto(`${keyhold.origin}/account/merge`));
const toLinked = async (person: Person) => void (await person.goto(`${keyhold.origin}/account/linked`));
KNOCKS['POST /account/linked/add/:provider'] = byForm(toLinked, () => '/account/linked/add/nowhere', {});
KNOCKS['POST /account/merge'] = byForm(toMerge, here, {});

const toDelete = async (person: Person) => void (await person.goto(`${keyhold.origin}/account/data/delete`));
KNOCKS['POST /account/data/delete'] = byForm(toDelete, here, {});

/** A phone that was let in as the new one. */
const toNewPhone = async (person: Person) => {
  await toMove(person);
  await scan(person, await beginMove(keyhold, person));
  await keyhold.db('moves').update({ state: 'confirmed' });
  await person.goto(`${keyhold.origin}/move/app`);
};
KNOCKS['POST /move/app'] = byForm(toNewPhone, here, { code: '000000', setup: 'none' });
KNOCKS['POST /move/passkey/options'] = async () => {
  const person = await memberAgain(keyhold, app, EMAIL);
  await toNewPhone(person);
  await keyhold.db('attempts').delete();
  return async () => (await postMove(person, '/move/passkey/options')).status;
};

KNOCKS[`POST ${CONTACTS}/add-email`] = byForm(toAdd, here, { email: 'other@example.test' });
KNOCKS[`POST ${CONTACTS}/add-phone`] = byForm(toAdd, () => `${CONTACTS}/add-phone`, {
  phone: '+4915123456789',
});
KNOCKS[`POST ${CONTACTS}/:id/prove`] = byForm(toUnproved, url => `${here(url)}/prove`, {});
KNOCKS[`POST ${CONTACTS}/proofs/:proof/send`] = byForm(toCode, url => `${here(url)}/send`, {});
KNOCKS[`POST ${CONTACTS}/proofs/:proof`] = byForm(toCode, here, { code: '00000000' });

const WRITE = 'account:contacts:write account:deletion:write';

/** An app does it with somebody's token. */
const byApp = (path: (begun: string) => string, body: object) => async (): Promise<Knock> => {
  const mine = await openRelyingParty(keyhold, { scope: `openid profile email ${WRITE}` });
  const person = await memberAgain(keyhold, mine, EMAIL);
  const authorization = `Bearer ${await accountToken(keyhold, person, mine, WRITE)}`;
  const headers = { authorization, 'content-type': 'application/json' };
  const post = async (to: string, sent: object) =>
    fetch(keyhold.origin + to, { method: 'POST', headers, body: JSON.stringify(sent) });
  const begun = await post('/api/me/contacts', { kind: 'email', address: 'by-app@example.test' });
  const { proof } = (await begun.json()) as { proof: string };
  await keyhold.db('attempts').delete();
  await mine.close();
  return async () => (await post(path(proof), body)).status;
};

KNOCKS['POST /api/me/contacts'] = byApp(() => '/api/me/contacts', {
  kind: 'email',
  address: 'once-more@example.test',
});
KNOCKS['POST /api/me/deletion'] = byApp(() => '/api/me/deletion', {});
KNOCKS['POST /api/me/contacts/proofs/:proof'] = byApp(proof => `/api/me/contacts/proofs/${proof}`, {
  code: '00000000',
});

const limited = Object.entries(REGISTER).flatMap(([route, entry]) =>
  'limit' in entry ? [[route, entry.limit] as const] : [],
);

test.each(limited)('C10: %s counts as "%s", and is refused when that is used up', async (route, limit) => {
  const knock = await KNOCKS[route.replace('POST /interaction/:uid', '')]?.();
  if (!knock) throw new Error(`nobody knows how to come to ${route}`);
  expect(await knock()).toBeLessThan(429);
  const names = (await keyhold.db('attempts').pluck('subject')).map(subject => String(subject).split(':')[0]);
  expect(new Set(names)).toEqual(new Set([limit]));
  await keyhold.db('attempts').update({ count: 10_000 });
  expect(await knock()).toBe(429);
});
