import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import * as openid from 'openid-client';
import { nextSecond } from '../../src/domain/accounts/account.js';
import { freezeAccount, setAccountState } from '../../src/domain/accounts/accounts.js';
import { disableClient, enableClient } from '../../src/domain/clients/clients.js';
import { type Acting, mayAct } from '../../src/oidc/acting.js';
import { endSession } from '../../src/oidc/session.js';
import { openWork, type Work } from '../../src/platform/storage/work.js';
import { until } from '../support/jobs.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf } from '../support/ledger.js';
import type { Person } from '../support/person.js';
import { bringCode, memberAgain, newMember } from '../support/protocol.js';
import { openRawClient, type RawClient } from '../support/raw-client.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { toPassword } from '../support/steps.js';
import { GOOD_PASSWORD } from '../support/walk.js';

// One guard: turned off means turned off, at every step of a flow that is under way already (C03, C22).

const at = new Date('2026-03-09T17:04:00.500Z');
const active = { state: 'active' } as const;
const secured = { ...active, proofsFrom: at, signedOutBefore: new Date('2026-03-09T17:04:01Z') };
const snapshot = { ...active, proofsFrom: at.getTime(), signedOutBefore: 1_773_075_841 };

const ASKED: readonly (readonly [who: Acting, may: boolean])[] = [
  [{}, true],
  [{ client: active }, true],
  [{ client: { state: 'disabled' } }, false],
  [{ client: undefined }, false],
  [{ client: { state: 'disabled' }, account: active }, false],
  [{ account: undefined }, false],
  [{ account: undefined, way: 'recovery' }, false],
  [{ account: active, session: undefined }, false],
  [{ account: active, session: {} }, true],
  [{ account: { state: 'suspended' } }, false],
  [{ account: { state: 'frozen' } }, false],
  [{ account: { state: 'closed' } }, false],
  [{ account: { state: 'an unknown one' } }, false],
  [{ account: { state: 'archived' } }, false],
  [{ account: { state: 'frozen' }, way: 'recovery' }, true],
  [{ account: { state: 'archived' }, way: 'recovery' }, true],
  [{ account: { state: 'suspended' }, way: 'recovery' }, false],
  [{ account: { state: 'closed' }, way: 'recovery' }, false],
  ...[secured, snapshot].flatMap((account): (readonly [Acting, boolean])[] => [
    [{ account }, true],
    [{ account, provedAt: at.getTime() - 1 }, false],
    [{ account, provedAt: at.getTime() }, true],
    [{ account, authenticatedAt: 1_773_075_840 }, false],
    [{ account, authenticatedAt: 1_773_075_841 }, true],
    [{ account, authenticatedAt: 0 }, false],
  ]),
];

test.each(ASKED)('%j may act: %s', (who, may) => {
  expect(mayAct(who)).toBe(may);
});

test('of whoever authenticated before a recovery nobody is left; of those after it at most the rest of its second asks again', () => {
  for (const millisecond of [0, 1, 500, 999]) {
    const recovered = new Date(at.getTime() + millisecond);
    const account = { ...active, proofsFrom: recovered, signedOutBefore: nextSecond(recovered) };
    const may = (instant: number) => mayAct({ account, authenticatedAt: Math.floor(instant / 1000) });
    for (let before = 1; before <= 2_000; before += 37) expect(may(recovered.getTime() - before)).toBe(false);
    for (let after = 1_000; after <= 3_000; after += 37) expect(may(recovered.getTime() + after)).toBe(true);
  }
});

test('nowhere else is decided whether an account or an app may act', () => {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(name =>
    name.endsWith('.ts'),
  );
  const deciding = files.filter(name => {
    const text = readFileSync(`src/${name}`, 'utf8');
    return /\b(account|client|snapshot|person)\w*\)?\??\.state\s*[!=]==\s*'(active|suspended|disabled|closed)'/.test(
      text,
    );
  });
  /* Whether somebody may act now, and whether what is kept of them may be changed. */
  expect(deciding.toSorted()).toEqual(['domain/accounts/account.ts', 'oidc/acting.ts']);
});

const ADA = 'ada@example.test';
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';
let keyhold: TestKeyhold;
let house: RelyingParty;
let shop: RelyingParty;
/** A device without a browser. */
let tv: RelyingParty;
let client: RawClient;
let shopClient: RawClient;
let accountId: string;

beforeAll(async () => {
  keyhold = await startKeyhold({ LOG_LEVEL: 'silent' });
  house = await openRelyingParty(keyhold, { first_party: true });
  shop = await openRelyingParty(keyhold);
  tv = await openRelyingParty(keyhold, {
    client_name: 'Television',
    grant_types: [DEVICE_CODE, 'refresh_token'],
    response_types: [],
    redirect_uris: [],
    post_logout_redirect_uris: [],
    token_endpoint_auth_method: 'none',
  });
  client = await openRawClient(keyhold, house.client);
  shopClient = await openRawClient(keyhold, shop.client);
  await newMember(keyhold, house, ADA);
  accountId = await accountOf(keyhold.db, ADA);
});

afterAll(async () => {
  await Promise.all([tv?.close(), house?.close(), shop?.close()]);
  await keyhold?.close();
});

const both = async (status: number) =>
  until(async () =>
    (await Promise.all([client, shopClient].map(c => c.introspect('kh_at_x')))).every(
      a => a.status === status,
    ),
  );

afterEach(async () => {
  await asOperator(async work => {
    await setAccountState(work, accountId, 'active');
    for (const app of [tv, house, shop]) await enableClient(work, app.clientId);
    /* The next test signs in within the second that the account was frozen in. */
    await work.tx('accounts').update({ signed_out_before: null, proofs_from: null });
  });
  await both(200);
});

const asOperator = (act: (work: Work) => Promise<unknown>) =>
  openWork(keyhold.db, { kind: 'operator' }, async work => void (await act(work)));

const TURNINGS = {
  'the app is disabled': async () => {
    await asOperator(async work => {
      for (const app of [tv, house, shop]) await disableClient(work, app.clientId);
    });
    await both(401);
  },
  'the account is suspended': () => asOperator(work => setAccountState(work, accountId, 'suspended')),
  'the account is frozen': () => asOperator(work => freezeAccount(work, accountId)),
  'the session is ended': async () => {
    const uids = await keyhold
      .db('sessions')
      .where({ account_id: accountId })
      .whereNull('ended_at')
      .pluck('uid');
    await asOperator(async work => {
      for (const uid of uids) await endSession(work, String(uid), 'ended-elsewhere');
    });
  },
} as const;
type Turning = keyof typeof TURNINGS;

const outcomeOf = ({ page }: Person): string => {
  const { searchParams, origin } = page.url;
  if (searchParams.has('code')) return 'code';
  return searchParams.get('error') ?? (origin === keyhold.origin ? `${page.status} ${page.heading}` : 'away');
};
const told = async (answer: ReturnType<RawClient['refresh']>) => {
  const { status, body } = await answer;
  return body['active'] === undefined
    ? `${status} ${body['error'] ?? ''}`.trim()
    : `active: ${body['active']}`;
};

async function tokensOf(ada: Person) {
  const { code, verifier, redirectUri } = await bringCode(ada, house);
  const { body } = await client.code(code, verifier, redirectUri);
  return { access: String(body['access_token']), refresh: String(body['refresh_token']) };
}

type Stage = readonly [
  name: string,
  reach: () => Promise<() => Promise<string>>,
  expected: Readonly<Record<Turning, string>>,
];

const all = (app: string, others: string): Readonly<Record<Turning, string>> => ({
  'the app is disabled': app,
  'the account is suspended': others,
  'the account is frozen': others,
  'the session is ended': others,
});

const STAGES: readonly Stage[] = [
  [
    'before a request begins',
    async () => {
      const ada = await memberAgain(keyhold, house, ADA);
      return async () => {
        await ada.goto(await house.authorizationUrl());
        return outcomeOf(ada);
      };
    },
    all('400 Request error', '200 Sign in'),
  ],
  [
    'before a silent request (SSO)',
    async () => {
      const ada = await memberAgain(keyhold, house, ADA);
      return async () => {
        await ada.goto(await house.authorizationUrl({ prompt: 'none' }));
        return outcomeOf(ada);
      };
    },
    all('400 Request error', 'login_required'),
  ],
  [
    'while the password is typed',
    async () => {
      const ada = personAt(keyhold);
      await toPassword(ada, house, ADA);
      return async () => {
        ada.fill('Password', GOOD_PASSWORD);
        await ada.press('Sign in');
        return outcomeOf(ada);
      };
    },
    { ...all('403 Request error', '400 Enter your password'), 'the session is ended': 'code' },
  ],
  [
    'at the consent page',
    async () => {
      const ada = personAt(keyhold);
      await ada.goto(await shop.authorizationUrl({ prompt: 'consent' }));
      await signIn(ada, ADA);
      return async () => {
        await ada.press('Allow');
        return outcomeOf(ada).replace(/^\d+ .*$/, 'a page of ours');
      };
    },
    all('a page of ours', 'a page of ours'),
  ],
  [
    'after the code',
    async () => {
      const { code, verifier, redirectUri } = await bringCode(await memberAgain(keyhold, house, ADA), house);
      return () => told(client.code(code, verifier, redirectUri));
    },
    all('401 invalid_client', '400 invalid_grant'),
  ],
  [
    'after a refresh token',
    async () => {
      const { refresh } = await tokensOf(await memberAgain(keyhold, house, ADA));
      return () => told(client.refresh(refresh));
    },
    all('401 invalid_client', '400 invalid_grant'),
  ],
  [
    'after a device was let in',
    async () => {
      const asked = await openid.initiateDeviceAuthorization(tv.configuration, { scope: 'openid email' });
      const ada = await memberAgain(keyhold, house, ADA);
      await ada.goto(asked.verification_uri_complete ?? '');
      await ada.press('Continue');
      await ada.press('Yes, this is my device');
      if (ada.page.buttons.includes('Allow')) await ada.press('Allow');
      expect(ada.page.heading).toBe('Your device is connected');
      const { device_code } = asked;
      const raw = await openRawClient(keyhold, tv.client);
      return () => told(raw.post('/token', { grant_type: DEVICE_CODE, device_code, client_id: tv.clientId }));
    },
    all('401 invalid_client', '400 invalid_grant'),
  ],
  [
    'before userinfo',
    async () => {
      const { access } = await tokensOf(await memberAgain(keyhold, house, ADA));
      return () => told(client.userInfo(access));
    },
    all('401 invalid_token', '401 invalid_token'),
  ],
  [
    'before introspection',
    async () => {
      const { access } = await tokensOf(await memberAgain(keyhold, house, ADA));
      return () => told(client.introspect(access));
    },
    all('401 invalid_client', 'active: false'),
  ],
];

const GAINS = ['access_tokens', 'refresh_tokens', 'authorization_codes', 'grants'] as const;
const gains = async () =>
  Promise.all(GAINS.map(async table => Number((await keyhold.db(table).count({ n: '*' }))[0]?.['n'])));

describe.each(Object.keys(TURNINGS) as Turning[])('when %s', turning => {
  test.each(STAGES)('%s', async (_name, reach, expected) => {
    const act = await reach();
    await TURNINGS[turning]();
    const before = await gains();
    expect(await act()).toBe(expected[turning]);
    if (expected[turning] !== 'code') expect(await gains()).toEqual(before);
  });
});

/* A session that another request was writing at the very moment in which all of the account were ended. */
test.each(STAGES.filter(([name]) => !name.startsWith('while') && !name.startsWith('at')))(
  'a session of before the account was secured is worth nothing, even if it was overlooked: %s',
  async (_name, reach, expected) => {
    const act = await reach();
    const session = await keyhold.db('sessions').where({ account_id: accountId }).max({ ts: 'login_ts' });
    const signed_out_before = new Date((Number(session[0]?.['ts']) + 1) * 1000);
    await keyhold.db('accounts').where({ id: accountId }).update({ signed_out_before });
    expect(await act()).toBe(expected['the session is ended']);
  },
);
