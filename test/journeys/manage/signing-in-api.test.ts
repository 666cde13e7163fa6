import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { accountToken } from '../../support/account-api.js';
import { forgetPeriods, setUpApp } from '../../support/authenticator-app.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf } from '../../support/ledger.js';
import { newMember } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';

const SCOPES = 'account:security:read account:security:write';
const WAYS = '/api/me/sign-in-methods';

let keyhold: TestKeyhold;
let app: RelyingParty;

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold, { scope: `openid profile email ${SCOPES}` });
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

async function ask(token: string, method: string, path: string, sent?: object) {
  const answer = await fetch(keyhold.origin + path, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(sent && { body: JSON.stringify(sent) }),
  });
  const text = await answer.text();
  return { status: answer.status, text, headers: answer.headers };
}

test('an app sees the ways in and no secret; the last way stays, and what is sensitive needs the second step', async () => {
  const email = 'ada@example.test';
  const person = await newMember(keyhold, app, email);
  const accountId = await accountOf(keyhold.db, email);
  const before = await accountToken(keyhold, person, app, SCOPES);
  const last = await ask(before, 'DELETE', `${WAYS}/password`);
  expect([last.status, JSON.parse(last.text).code]).toEqual([409, 'last_way_in']);
  expect(await keyhold.db('passwords').where({ account_id: accountId })).toHaveLength(1);

  const { secret, codes } = await setUpApp(keyhold, person);
  await forgetPeriods(keyhold);
  const seen = await ask(before, 'GET', WAYS);
  expect(JSON.parse(seen.text)).toMatchObject({
    passkeys: [],
    second_step: { apps: [{ name: 'Authenticator app' }], recovery_codes_left: 10 },
  });
  for (const hidden of [secret, ...codes, 'hash', 'sealed']) expect(seen.text).not.toContain(hidden);

  const [{ id }] = JSON.parse(seen.text).second_step.apps;
  const weak = await ask(before, 'DELETE', `${WAYS}/apps/${id}`);
  expect(weak.status).toBe(401);
  expect(weak.headers.get('www-authenticate')).toContain('acr_values="aal2"');
  expect((await ask(before, 'PATCH', `${WAYS}/apps/${id}`, { name: '' })).status).toBe(400);
  expect((await ask(before, 'PATCH', `${WAYS}/apps/${id}`, { name: 'Blue phone' })).status).toBe(204);
  expect((await keyhold.db('authenticator_apps').where({ id }).first('name')).name).toBe('Blue phone');
  await keyhold.db('sessions').where({ account_id: accountId }).update({ acr: 'aal2' });
  const strong = await accountToken(keyhold, person, app, SCOPES);
  expect((await ask(strong, 'DELETE', `${WAYS}/apps/${id}`)).status).toBe(409);
  expect(await keyhold.db('authenticator_apps').where({ account_id: accountId })).toHaveLength(1);
});
