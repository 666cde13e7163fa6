import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { giveRole, takeRole } from '../../../src/domain/accounts/accounts.js';
import { openWork } from '../../../src/platform/storage/work.js';
import { accountToken } from '../../support/account-api.js';
import { openAuthenticator } from '../../support/authenticator.js';
import { type SetUp, setUpApp } from '../../support/authenticator-app.js';
import { startKeyhold, type TestKeyhold } from '../../support/keyhold.js';
import { accountOf, peopleOnRecord } from '../../support/ledger.js';
import type { Person } from '../../support/person.js';
import { newMember } from '../../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../../support/relying-party.js';
import { csrfOf, postAccountScript } from '../../support/steps.js';

// The last second factor of somebody whose role needs one stays; also when two are taken away at once.

let keyhold: TestKeyhold;
let app: RelyingParty;
let owner: Person;
let email: string;
let accountId: string;
let mine: SetUp;
let passkeyId: string;
let count = 0;

const WHY = 'your account needs a second step';
const at = (path: string) => new URL(path, keyhold.origin);

beforeAll(async () => {
  keyhold = await startKeyhold({ SECOND_STEP_ROLES: 'operator' });
  app = await openRelyingParty(keyhold, { first_party: true });
});

beforeEach(async () => {
  email = `ada${++count}@example.test`;
  owner = await newMember(keyhold, app, email);
  accountId = await accountOf(keyhold.db, email);
  await owner.goto(at('/account/sign-in/passkeys/new'));
  const { body } = await postAccountScript(owner, '/account/sign-in/passkeys/new/options');
  const credential = openAuthenticator(keyhold.origin).create(body as never);
  await postAccountScript(owner, '/account/sign-in/passkeys/new', { credential });
  passkeyId = (await keyhold.db('passkeys').where({ account_id: accountId }).first('id')).id;
  mine = await setUpApp(keyhold, owner);
  await keyhold.db('sessions').where({ account_id: accountId }).update({ acr: 'aal2' });
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

const asOperator = (act: typeof giveRole) =>
  openWork(keyhold.db, { kind: 'operator' }, work => act(work, accountId, 'operator'));
const form = () => ({ csrf: csrfOf(owner), for: accountId });
const endSecondStep = () => owner.post(at('/account/sign-in/second-step/end'), form());
const removePasskey = () => owner.post(at(`/account/sign-in/passkeys/${passkeyId}/remove`), form());
const left = async () => {
  const count = (table: string) => keyhold.db(table).where({ account_id: accountId }).count();
  const [[apps], [passkeys]] = await Promise.all([count('authenticator_apps'), count('passkeys')]);
  return [Number(apps?.['count']), Number(passkeys?.['count'])];
};

test('either goes, and then the other stays, with the reason and the next step on its page', async () => {
  expect(mine.codes).toHaveLength(10);
  await asOperator(giveRole);
  await owner.goto(at('/account/sign-in/second-step'));
  await endSecondStep();
  expect(await left()).toEqual([0, 1]);
  await keyhold.db('sessions').where({ account_id: accountId }).update({ acr: 'phr' });
  await owner.goto(at(`/account/sign-in/passkeys/${passkeyId}`));
  expect(owner.page.text).toContain(WHY);
  expect(owner.page.buttons).not.toContain('Remove this passkey');
  expect(owner.page.html).toContain('href="/account/sign-in/passkeys/new"');
  const before = await peopleOnRecord(keyhold.db);
  const refused = await removePasskey();
  expect([refused.status, refused.text]).toEqual([400, expect.stringContaining(WHY)]);
  expect(await peopleOnRecord(keyhold.db)).toBe(before);

  await asOperator(takeRole);
  await removePasskey();
  expect(await left()).toEqual([0, 0]);
});

test('the apps stay where there is no passkey', async () => {
  await asOperator(giveRole);
  await owner.goto(at('/account/sign-in'));
  await removePasskey();
  expect(await left()).toEqual([1, 0]);
  await owner.goto(at('/account/sign-in/second-step'));
  expect(owner.page.text).toContain(WHY);
  expect(owner.page.buttons).not.toContain('Turn off the second step');
  const refused = await endSecondStep();
  expect([refused.status, refused.text]).toEqual([400, expect.stringContaining(WHY)]);
  expect(await left()).toEqual([1, 0]);
});

test('an app that may take ways in away is told why not, by a code of its own', async () => {
  await asOperator(giveRole);
  await owner.goto(at('/account/sign-in'));
  await endSecondStep();
  await keyhold.db('sessions').where({ account_id: accountId }).update({ acr: 'phr' });
  const scope = 'account:security:write';
  const resource = `${keyhold.origin}/api/me`;
  const scripted = await openRelyingParty(keyhold, {
    first_party: true,
    scope: `openid ${scope}`,
  });
  const token = await accountToken(keyhold, owner, scripted, scope);
  const answer = await fetch(`${resource}/sign-in-methods/passkeys/${passkeyId}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${token}` },
  });
  expect([answer.status, await answer.json()]).toEqual([
    409,
    expect.objectContaining({ code: 'last_factor' }),
  ]);
  expect(await left()).toEqual([0, 1]);
  await scripted.close();
});

test('C34: of both taken away at once, one stays', async () => {
  await asOperator(giveRole);
  await owner.goto(at('/account/sign-in'));
  await Promise.all([endSecondStep(), removePasskey()]);
  const [apps = 0, passkeys = 0] = await left();
  expect(apps + passkeys).toBe(1);
});

test('whoever has no such role takes away what they like', async () => {
  await owner.goto(at('/account/sign-in'));
  await Promise.all([endSecondStep(), removePasskey()]);
  expect(await left()).toEqual([0, 0]);
});
