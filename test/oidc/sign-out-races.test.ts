import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { openDatabase } from '../../src/platform/storage/db.js';
import { until } from '../support/jobs.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import type { Person } from '../support/person.js';
import { memberAgain, newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty, type Tokens } from '../support/relying-party.js';

const ADA = 'ada@example.test';

let keyhold: TestKeyhold;
let house: RelyingParty;
let shop: RelyingParty;
let ada: Person;
let atHouse: Tokens;

beforeAll(async () => {
  keyhold = await startKeyhold({ LOG_LEVEL: 'silent' });
  house = await openRelyingParty(keyhold, { first_party: true });
  shop = await openRelyingParty(keyhold, { first_party: true });
  await newMember(keyhold, house, ADA);
});

afterAll(async () => {
  await Promise.all([house?.close(), shop?.close()]);
  await keyhold?.close();
});

beforeEach(async () => {
  ada = await memberAgain(keyhold, house, ADA);
  atHouse = await house.exchange();
});

async function waiting(): Promise<number> {
  const { rows } = await keyhold.db.raw(
    `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
  );
  return rows[0].n;
}

/** Presses "Sign out" in another tab, and gives back the answer to come; the page was opened before. */
async function signOutInOtherTab(): Promise<() => Promise<Response>> {
  await ada.goto(`${keyhold.issuer}/end-session`);
  const xsrf = /name="xsrf" value="([^"]+)"/.exec(ada.page.html)?.[1] ?? '';
  const url = `${keyhold.issuer}/end-session/confirm`;
  const cookie = await ada.jar.getCookieString(url);
  const body = new URLSearchParams({ xsrf, logout: 'yes' });
  return () => fetch(url, { method: 'POST', body, redirect: 'manual', headers: { cookie } });
}

test('an app that joins a session just before it ends is told, and what it got is dead', async () => {
  const signOut = await signOutInOtherTab();
  const owner = openDatabase(keyhold.config.migrationDatabaseUrl);
  /* Whoever ends a session waits, before it touches its row; whoever joins one goes by. */
  await owner.raw(`
    CREATE FUNCTION ends_slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF current_query() LIKE '%ended_at = now()%' THEN PERFORM pg_advisory_xact_lock(36); END IF;
      RETURN NULL;
    END $$;
    CREATE TRIGGER ends_slowly BEFORE UPDATE ON sessions FOR EACH STATEMENT EXECUTE FUNCTION ends_slowly()`);
  const holder = await owner.transaction();
  await holder.raw('SELECT pg_advisory_xact_lock(36)');
  const signedOut = signOut();
  await until(async () => (await waiting()) === 1);
  const url = await shop.authorizationUrl({ prompt: 'none' });
  const cookie = await ada.jar.getCookieString(url.href);
  const joined = await fetch(url, { redirect: 'manual', headers: { cookie } });
  const answer = new URL(joined.headers.get('location') ?? '');
  expect(answer.searchParams.get('code')).toMatch(/^kh_ac_/);
  await holder.rollback();
  expect((await signedOut).status).toBe(303);
  await owner.raw('DROP TRIGGER ends_slowly ON sessions; DROP FUNCTION ends_slowly()');
  await owner.destroy();
  await expect(shop.exchange(answer)).rejects.toMatchObject({ error: 'invalid_grant' });
  expect(await shop.nextLogoutToken()).toMatch(/^ey/);
});

test('C36: after a refresh and a sign-out at the same time nothing of the session lives', async () => {
  for (let round = 0; round < 15; round++) {
    if (round > 0) {
      ada = await memberAgain(keyhold, house, ADA);
      atHouse = await house.exchange();
    }
    const signOut = await signOutInOtherTab();
    const [signedOut, refreshed] = await Promise.all([
      signOut(),
      house.refresh(atHouse.refresh_token ?? '').catch(error => error as { error?: string }),
    ]);
    expect(signedOut.status).toBe(303);
    if ('access_token' in refreshed) {
      expect((await house.introspect(String(refreshed.access_token))).active).toBe(false);
      await expect(house.refresh(String(refreshed.refresh_token))).rejects.toMatchObject({
        error: 'invalid_grant',
      });
    } else {
      expect(refreshed.error).toBe('invalid_grant');
    }
  }
});
