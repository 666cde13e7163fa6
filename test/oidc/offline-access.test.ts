import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { memberAgain, newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

const ADA = 'ada@example.test';
const DAY = 86_400;
const OFFLINE = { scope: 'openid offline_access', prompt: 'consent' };

let keyhold: TestKeyhold;
let app: RelyingParty;

beforeAll(async () => {
  keyhold = await startKeyhold();
  app = await openRelyingParty(keyhold);
  await newMember(keyhold, app, ADA);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

/** How long the grant behind the newest refresh token lives on, in days. */
async function daysOfGrant(): Promise<number> {
  const [row] = await keyhold
    .db('refresh_tokens')
    .join('grants', 'grants.id', 'refresh_tokens.grant_id')
    .select(keyhold.db.raw('(grants.expires_at - refresh_tokens.issued_at) / ? AS days', [DAY]))
    .whereNull('refresh_tokens.consumed_at')
    .orderByRaw('refresh_tokens.ctid DESC')
    .limit(1);
  return Number(row?.days);
}

test('a refresh token for offline use hangs on a grant that lasts for a year, also later in a session', async () => {
  const ada = await memberAgain(keyhold, app, ADA);
  const bound = await app.exchange();
  expect(await daysOfGrant()).toBeLessThanOrEqual(30);
  await ada.goto(await app.authorizationUrl(OFFLINE));
  await ada.press('Allow');
  await app.exchange();
  expect(await daysOfGrant()).toBeGreaterThanOrEqual(365);

  const again = await memberAgain(keyhold, app, ADA);
  await again.goto(await app.authorizationUrl({ scope: 'openid' }));
  await app.exchange();
  await again.goto(await app.authorizationUrl(OFFLINE));
  await again.press('Allow');
  const tokens = await app.exchange();
  expect(await daysOfGrant()).toBeGreaterThanOrEqual(365);
  expect(bound.refresh_token).not.toBe(tokens.refresh_token);
});

test('rotation goes on for a year and no longer, and a token rests thirty days at most', async () => {
  const ada = await memberAgain(keyhold, app, ADA);
  await ada.goto(await app.authorizationUrl(OFFLINE));
  await ada.press('Allow');
  const tokens = await app.exchange();
  const newest = async () => {
    const [row] = await keyhold
      .db('refresh_tokens')
      .select('expires_at', 'issued_at', 'iiat')
      .orderByRaw('ctid DESC')
      .limit(1);
    return { rest: Number(row?.expires_at) - Number(row?.issued_at), first: Number(row?.iiat) };
  };
  const { first, rest } = await newest();
  expect(rest).toBe(30 * DAY);

  await keyhold.db('refresh_tokens').update({ iiat: first - 355 * DAY });
  const next = await app.refresh(tokens.refresh_token ?? '');
  expect((await newest()).rest).toBeLessThanOrEqual(10 * DAY);

  await keyhold.db('refresh_tokens').update({ expires_at: first - 1 });
  await expect(app.refresh(next.refresh_token ?? '')).rejects.toMatchObject({ error: 'invalid_grant' });
});

test('without consent there is no offline use, and an app that may not refresh gets no refresh token', async () => {
  const ada = await memberAgain(keyhold, app, ADA);
  await ada.goto(await app.authorizationUrl({ scope: 'openid offline_access' }));
  expect((await app.exchange()).scope).toBe('openid');
  const once = await openRelyingParty(keyhold, { first_party: true, grant_types: ['authorization_code'] });
  await ada.goto(await once.authorizationUrl({ scope: 'openid' }));
  expect((await once.exchange()).refresh_token).toBeUndefined();
  await once.close();
});
