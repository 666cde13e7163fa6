import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { newAccountId, openAccount } from '../../src/domain/accounts/accounts.js';
import {
  acceptTerms,
  type ConsentGiven,
  giveConsent,
  withdrawConsent,
} from '../../src/domain/consents/consents.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openWork } from '../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../support/database.js';
import { recordedDuring } from '../support/ledger.js';

const keyring = openKeyring('a secret that is only good for tests');

let database: TestDatabase;
let accountId: string;

beforeAll(async () => {
  database = await openTestDatabase();
});

beforeEach(async () => {
  accountId = newAccountId();
  const account = { id: accountId, email: `${accountId}@example.test`, language: 'en' };
  await openWork(database.db, { kind: 'person' }, work => openAccount(work, keyring, account));
});

afterAll(() => database?.close());

const give = (given: Partial<ConsentGiven>) =>
  openWork(database.db, { kind: 'person', id: accountId }, work =>
    giveConsent(work, {
      accountId,
      clientId: 'album',
      scopes: [],
      claims: [],
      refusedScopes: [],
      refusedClaims: [],
      language: 'en',
      ...given,
    }),
  );

async function onRecord() {
  const row = await database.db('consents').where({ account_id: accountId, client_id: 'album' }).first();
  if (!row) return undefined;
  const sorted = (list: readonly string[]) => [...list].sort();
  return {
    scopes: sorted(row.scopes),
    claims: sorted(row.claims),
    refused: [...sorted(row.refused_scopes), ...sorted(row.refused_claims)],
    resources: row.resources,
    language: row.language,
  };
}

test('what was allowed before stays, and the newer answer about one thing wins', async () => {
  await give({
    scopes: ['email'],
    claims: ['gender'],
    refusedClaims: ['nickname'],
    resources: { 'https://a.example': 'read' },
  });
  await give({
    scopes: ['profile'],
    claims: ['nickname'],
    refusedClaims: ['gender'],
    resources: { 'https://b.example': 'write' },
    language: 'de',
  });
  expect(await onRecord()).toEqual({
    scopes: ['email', 'profile'],
    claims: ['nickname'],
    refused: ['gender'],
    resources: { 'https://a.example': 'read', 'https://b.example': 'write' },
    language: 'de',
  });
});

test('answers at the same time are all kept', async () => {
  const scopes = Array.from({ length: 12 }, (_, at) => `scope-${String(at).padStart(2, '0')}`);
  await Promise.all(scopes.map(scope => give({ scopes: [scope] })));
  expect((await onRecord())?.scopes).toEqual(scopes);
});

test('each answer is a fact that says what was allowed and what was not', async () => {
  const events = await recordedDuring(database.db, () =>
    give({ scopes: ['email'], refusedClaims: ['gender'] }),
  );
  expect(events).toEqual([
    {
      type: 'consent.given',
      account_id: accountId,
      client_id: 'album',
      detail: { scopes: ['email'], claims: [], refused: ['gender'], uses: [], refused_uses: [] },
    },
  ]);
});

test('taking it back leaves nothing, once', async () => {
  await give({ scopes: ['email'] });
  const withdraw = () =>
    openWork(database.db, { kind: 'person', id: accountId }, work =>
      withdrawConsent(work, accountId, 'album'),
    );
  const events = await recordedDuring(database.db, async () => {
    expect([await withdraw(), await withdraw()]).toEqual([true, false]);
  });
  expect(events.map(event => event.type)).toEqual(['consent.withdrawn']);
  expect(await onRecord()).toBeUndefined();
});

test('a consent of nobody is refused by the database', async () => {
  await expect(give({ accountId: newAccountId() })).rejects.toMatchObject({
    constraint: 'consent_subjects__account',
  });
});

test('terms are accepted once a version, in the language they were read in', async () => {
  const accept = (version: string, language: string) =>
    openWork(database.db, { kind: 'person', id: accountId }, work =>
      acceptTerms(work, accountId, version, language),
    );
  await accept('2026-01', 'de');
  await accept('2026-01', 'en');
  await accept('2026-02', 'en');
  const rows = await database.db('terms_acceptances').where({ account_id: accountId }).orderBy('version');
  expect(rows.map(({ version, language }) => [version, language])).toEqual([
    ['2026-01', 'de'],
    ['2026-02', 'en'],
  ]);
});

test('of one API what was allowed before stays beside what is allowed now', async () => {
  const api = 'https://a.example';
  await give({ resources: { [api]: 'read' } });
  await give({ resources: { [api]: 'write read' } });
  await give({ resources: { [api]: 'delete', 'https://b.example': 'read' } });
  await give({});
  const { resources } = (await onRecord()) ?? { resources: {} };
  expect(resources[api].split(' ').sort()).toEqual(['delete', 'read', 'write']);
  expect(resources['https://b.example']).toBe('read');
});
