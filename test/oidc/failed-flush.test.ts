import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openDatabase } from '../../src/platform/storage/db.js';
import { personAt, signIn } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';

const EMAIL = 'flush@example.test';

let keyhold: TestKeyhold;
let app: RelyingParty;

beforeAll(async () => {
  keyhold = await startKeyhold({ LOG_LEVEL: 'silent' });
  app = await openRelyingParty(keyhold);
  await newMember(keyhold, app, EMAIL);
});

afterAll(async () => {
  await app?.close();
  await keyhold?.close();
});

/** Runs `act` while the database takes no new row in a table. */
async function whileRefusing(table: string, act: () => Promise<void>): Promise<void> {
  const owner = openDatabase(keyhold.config.migrationDatabaseUrl);
  try {
    await owner.raw(`ALTER TABLE ${table} ADD CONSTRAINT ${table}__refused CHECK (false) NOT VALID`);
    await act();
  } finally {
    await owner.raw(`ALTER TABLE ${table} DROP CONSTRAINT ${table}__refused`);
    await owner.destroy();
  }
}

const rows = async (table: string) => Number((await keyhold.db(table).count({ n: '*' }).first())?.n);

test('when the last write of a sign-in fails, no cookie and no code leave, and nothing of it is kept', async () => {
  const ada = personAt(keyhold);
  await ada.goto(await app.authorizationUrl());
  const sessions = await rows('sessions');
  await whileRefusing('authorization_codes', async () => {
    await signIn(ada, EMAIL);
    expect(ada.page.status).toBe(500);
    expect(ada.page.heading).toBe('Request error');
    expect(ada.page.headers.getSetCookie().join()).not.toMatch(/keyhold_people/);
    expect(ada.page.url.origin).toBe(keyhold.origin);
  });
  expect(await rows('sessions')).toBe(sessions);
  expect((await ada.cookies(keyhold.origin)).has('keyhold_people')).toBe(false);
  await ada.goto(ada.page.url);
  expect(ada.page.heading).toBe('Back in the app');
});

test('when tokens cannot be kept none are handed out, and the code is as good as before', async () => {
  const ada = personAt(keyhold);
  await ada.goto(await app.authorizationUrl());
  await signIn(ada, EMAIL);
  await whileRefusing('refresh_tokens', async () => {
    await expect(app.exchange()).rejects.toThrow();
  });
  expect(await rows('access_tokens')).toBe(0);
  expect((await app.exchange()).access_token).toMatch(/^kh_at_/);
});
