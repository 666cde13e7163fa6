import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import knex, { type Knex } from 'knex';
import { newAccountId, openAccount } from '../../src/domain/accounts/accounts.js';
import {
  findConsent,
  foldConsent,
  giveConsent,
  listConsentEvents,
} from '../../src/domain/consents/consents.js';
import { openSchema } from '../../src/domain/profiles/profiles.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openWork } from '../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../support/database.js';

interface Migration {
  up(db: Knex): Promise<void>;
  down(db: Knex): Promise<void>;
}

let database: TestDatabase;
let owner: Knex;

beforeAll(async () => {
  database = await openTestDatabase();
  owner = knex({ client: 'pg', connection: database.migrationUrl });
  await openSchema(database.db);
});

afterAll(async () => {
  await owner?.destroy();
  await database?.close();
});

const migration = async (name: string): Promise<Migration> =>
  import(pathToFileURL(join(process.cwd(), 'migrations', `${name}.js`)).href);

test('what was allowed before there was a ledger is in it, and taking the ledger back loses nothing of what is allowed', async () => {
  const accountId = newAccountId();
  const keyring = openKeyring('a secret that is only good for tests');
  await openWork(database.db, { kind: 'person', id: accountId }, async work => {
    await openAccount(work, keyring, { id: accountId, email: 'ada@example.test', language: 'en' });
    for (const [clientId, scopes] of [
      ['album', ['profile', 'openid']],
      ['shop', ['email']],
    ] as const)
      await giveConsent(work, {
        accountId,
        clientId,
        scopes,
        claims: ['nickname'],
        refusedScopes: [],
        refusedClaims: ['gender'],
        resources: { 'https://a.example': 'read' },
        language: 'de',
      });
  });
  const ledger = await migration('20260121001010_consents_ledger');
  const limitation = await migration('20260121001030_consents_limitation');
  const uses = await migration('20260122002000_consents_uses');
  const judged = await migration('20260122010010_consents_judged');
  const before = await owner('consents').orderBy('client_id');
  await judged.down(owner);
  await uses.down(owner);
  await limitation.down(owner);
  await ledger.down(owner);
  const { rows } = await owner.raw('SELECT * FROM consent_snapshots');
  expect(rows).toHaveLength(2);
  await ledger.up(owner);
  await limitation.up(owner);
  await uses.up(owner);
  await judged.up(owner);
  await owner.raw('GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC');
  const after = await owner('consents').orderBy('client_id');
  const purposes = await owner('purposes').pluck('id');
  const notices = Object.fromEntries(purposes.map((id: string) => [id, 1]));
  expect(after).toEqual(before.map(row => ({ ...row, notices, judged: '0' })));
  for (const clientId of ['album', 'shop']) {
    const events = await listConsentEvents(database.db, accountId, { clientId });
    expect(events).toMatchObject([{ event: 'given', method: 'before_the_ledger', clientId, language: 'de' }]);
    expect(foldConsent(events)).toEqual(await findConsent(database.db, accountId, clientId));
  }
  expect((await listConsentEvents(database.db, accountId)).map(({ nr }) => nr)).toEqual([1, 2]);
});
