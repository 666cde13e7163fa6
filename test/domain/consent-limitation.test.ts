import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { newAccountId, openAccount } from '../../src/domain/accounts/accounts.js';
import { forgetConsents, giveConsent, listConsentEvents } from '../../src/domain/consents/consents.js';
import { openSchema } from '../../src/domain/profiles/profiles.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openWork } from '../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../support/database.js';

const keyring = openKeyring('a secret that is only good for tests');
let database: TestDatabase;
let owner: pg.Client;

beforeAll(async () => {
  database = await openTestDatabase();
  await openSchema(database.db);
  owner = new pg.Client({ connectionString: database.migrationUrl });
  await owner.connect();
});

afterAll(async () => {
  await owner?.end();
  await database?.close();
});

async function somebody(): Promise<string> {
  const accountId = newAccountId();
  await openWork(database.db, { kind: 'person', id: accountId }, async work => {
    await openAccount(work, keyring, { id: accountId, email: `${accountId}@example.test`, language: 'en' });
    await giveConsent(work, {
      accountId,
      clientId: 'album',
      scopes: ['email'],
      claims: [],
      refusedScopes: [],
      refusedClaims: [],
      language: 'en',
      wording: 'Allow?',
    });
  });
  return accountId;
}

const rowsOf = async (subject: string | undefined) =>
  (await database.db('consent_ledger').where({ subject })).length;
const run = () =>
  forgetConsents(database.db).run(
    {},
    { id: '1', attempt: 1, last: false, signal: new AbortController().signal },
  );

test('the ledger outlives its account without a link to it, for as long as proof is kept, and no longer', async () => {
  const [gone, stays] = [await somebody(), await somebody()];
  const [[event], [other]] = [
    await listConsentEvents(database.db, gone),
    await listConsentEvents(database.db, stays),
  ];
  await owner.query('DELETE FROM accounts WHERE id = $1', [gone]);
  expect(await listConsentEvents(database.db, gone)).toEqual([]);
  expect(await rowsOf(event?.subject)).toBe(1);
  expect(
    JSON.stringify(await database.db('consent_ledger').where({ subject: event?.subject })),
  ).not.toContain(gone);
  const since = (days: number) =>
    database.db('consent_orphans').update({ since: new Date(Date.now() - days * 86_400_000) });
  await since(1_459);
  await run();
  expect(await rowsOf(event?.subject)).toBe(1);
  await since(1_461);
  await run();
  expect([await rowsOf(event?.subject), await rowsOf(other?.subject)]).toEqual([0, 1]);
  expect(await database.db('consent_orphans')).toEqual([]);
});

test('nobody forgets what is younger than a year, nor of somebody who has an account, whatever is asked', async () => {
  const accountId = await somebody();
  const [event] = await listConsentEvents(database.db, accountId);
  const forget = (before: Date) => database.db.raw('SELECT keyhold_forget_consents(?, 10)', [before]);
  await expect(forget(new Date())).rejects.toThrow(/kept for a year at least/);
  const since = new Date(Date.now() - 4_000 * 86_400_000);
  await database.db('consent_orphans').insert({ subject: event?.subject, since });
  await forget(new Date(Date.now() - 3_000 * 86_400_000));
  expect(await rowsOf(event?.subject)).toBe(1);
  await database.db.raw(`SET keyhold.limitation = 'over'`);
  await expect(database.db('consent_ledger').delete()).rejects.toThrow(/permission denied/);
});

test('also the owner of the tables changes and removes nothing of the ledger', async () => {
  await somebody();
  for (const statement of [
    'DELETE FROM consent_ledger',
    'TRUNCATE consent_ledger',
    `UPDATE consent_ledger SET event = 'given'`,
    `UPDATE consent_wordings SET wording = 'x'`,
    'DELETE FROM consent_wordings',
    'DELETE FROM purpose_notices',
  ])
    await expect(owner.query(statement)).rejects.toThrow(/is only added to/);
});
