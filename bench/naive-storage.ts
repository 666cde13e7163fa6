import type { Knex } from 'knex';
import type { AdapterPayload } from 'oidc-provider';
import type { EngineStorage } from './engine.js';
import type { Seed } from './seed.js';

interface Row {
  readonly payload: AdapterPayload;
  readonly consumed_at: Date | null;
}

/** The adapter that most begin with: one table of JSON for every kind, one statement for every call. */
export async function naiveStorage(db: Knex, seed: Seed): Promise<EngineStorage> {
  await prepare(db, seed);
  return {
    adapter: model => openTable(db, model),
    claims: async id => (await db('accounts').select('claims').where({ id }).first())?.claims,
    find: email => db('accounts').select('id', 'hash').where({ email }).first(),
    count: async subject => {
      const [row] = await db('attempts')
        .insert({ subject, count: 1, window_ends_at: db.raw(`now() + interval '15 minutes'`) })
        .onConflict('subject')
        .merge({ count: db.raw('attempts.count + 1') })
        .returning<{ count: number }[]>('count');
      return row?.count ?? 0;
    },
    forget: async subject => void (await db('attempts').where({ subject }).delete()),
    record: async (type, accountId, from) =>
      void (await db('events').insert({ type, account_id: accountId, detail: JSON.stringify({ from }) })),
    close: () => db.destroy(),
  };
}

async function prepare(db: Knex, { accounts, client, hashes }: Seed): Promise<void> {
  if (await db.schema.hasTable('accounts')) return;
  await db.raw(`
    CREATE TABLE artefacts (id text, type text, payload jsonb NOT NULL, grant_id text, user_code text, uid text,
      expires_at timestamptz, consumed_at timestamptz, PRIMARY KEY (id, type));
    CREATE INDEX ON artefacts (grant_id); CREATE INDEX ON artefacts (uid); CREATE INDEX ON artefacts (user_code);
    CREATE TABLE accounts (id uuid PRIMARY KEY, email text NOT NULL UNIQUE, claims jsonb NOT NULL, hash text NOT NULL);
    CREATE TABLE attempts (subject text PRIMARY KEY, count int NOT NULL, window_ends_at timestamptz NOT NULL);
    CREATE TABLE events (id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), type text NOT NULL,
      account_id uuid, detail jsonb NOT NULL);
    CREATE INDEX ON events (account_id)`);
  for (const scheme of ['bcrypt', 'argon2id'] as const) {
    const rows = accounts[scheme].map(({ id, email }) => ({
      id,
      email,
      claims: { email, email_verified: true, locale: 'en' },
      hash: hashes[scheme],
    }));
    await db('accounts').insert(rows);
  }
  await db('artefacts').insert({ id: client.client_id, type: 'Client', payload: client });
  await db.raw('ANALYZE');
}

function openTable(db: Knex, type: string) {
  const rows = () => db<Row & { id: string; type: string; grant_id: string }>('artefacts');
  const found = (row: Row | undefined): AdapterPayload | undefined =>
    row && { ...row.payload, ...(row.consumed_at && { consumed: true }) };
  return {
    upsert: async (id: string, payload: AdapterPayload, expiresIn?: number) => {
      const row = {
        id,
        type,
        payload: JSON.stringify(payload),
        grant_id: payload.grantId ?? null,
        user_code: payload.userCode ?? null,
        uid: payload.uid ?? null,
        expires_at: expiresIn === undefined ? null : new Date(Date.now() + expiresIn * 1000),
      };
      await db('artefacts').insert(row).onConflict(['id', 'type']).merge();
    },
    find: async (id: string) => found(await rows().where({ id, type }).first()),
    findByUid: async (uid: string) => found(await db('artefacts').where({ uid, type }).first()),
    findByUserCode: async (code: string) =>
      found(await db('artefacts').where({ user_code: code, type }).first()),
    consume: async (id: string) =>
      void (await rows().where({ id, type }).update({ consumed_at: new Date() })),
    destroy: async (id: string) => void (await rows().where({ id, type }).delete()),
    revokeByGrantId: async (grantId: string) => void (await rows().where({ grant_id: grantId }).delete()),
  };
}
