/**
 * What people ask for by law about their data, each with its clock and what became of it; what of it holds data back at this
 * moment, which rides with every read of the account; and whom somebody lets ask in their place.
 */
export async function up(knex) {
  await knex.raw(`
    -- about: purposes and attributes, or everything. law, place: by which rule the days are counted. refers_to: the correction
    -- or other thing that it is dealt with by. words, answer: of the person and of whoever decided, sealed. holds_from:
    -- since when it holds data back; lifts_at: when that ends, if that was announced; lifted_at: when it did.
    CREATE TABLE rights_requests (
      account_id uuid NOT NULL CONSTRAINT rights_requests__account REFERENCES accounts (id) ON DELETE CASCADE,
      id uuid NOT NULL,
      kind text NOT NULL CONSTRAINT rights_requests__kind
        CHECK (kind IN ('access', 'rectification', 'restriction', 'objection', 'portability', 'erasure')),
      state text NOT NULL CONSTRAINT rights_requests__state
        CHECK (state IN ('unconfirmed', 'open', 'done', 'refused', 'withdrawn')),
      everything boolean NOT NULL DEFAULT false,
      purposes text[] NOT NULL DEFAULT '{}',
      attributes text[] NOT NULL DEFAULT '{}',
      absolute boolean NOT NULL DEFAULT false,
      mandate_id uuid,
      place text NOT NULL,
      law text NOT NULL,
      asked_at timestamptz NOT NULL,
      acknowledge_by timestamptz NOT NULL,
      due_at timestamptz NOT NULL,
      extended_until timestamptz,
      extended_because bytea,
      words bytea,
      answer bytea,
      outcome text,
      refers_to uuid,
      decided_at timestamptz,
      decided_by text CONSTRAINT rights_requests__decided_by CHECK (decided_by IN ('person', 'operator', 'keyhold')),
      reminded_at timestamptz,
      holds_from timestamptz,
      lifts_at timestamptz,
      lifted_at timestamptz,
      CONSTRAINT rights_requests__id PRIMARY KEY (account_id, id),
      CONSTRAINT rights_requests__decided CHECK ((decided_at IS NULL) = (state IN ('unconfirmed', 'open'))),
      CONSTRAINT rights_requests__extended CHECK ((extended_until IS NULL) = (extended_because IS NULL))
    );
    CREATE INDEX rights_requests__by_id ON rights_requests (id);
    CREATE INDEX rights_requests__open ON rights_requests (coalesce(extended_until, due_at), id) WHERE state = 'open';
    CREATE INDEX rights_requests__lifting ON rights_requests (lifts_at) WHERE lifts_at IS NOT NULL AND lifted_at IS NULL;
    CREATE INDEX rights_requests__decided_long_ago ON rights_requests (decided_at) WHERE decided_at IS NOT NULL;

    -- agent: what the person calls them, sealed. rights: what they may ask for.
    CREATE TABLE rights_mandates (
      account_id uuid NOT NULL CONSTRAINT rights_mandates__account REFERENCES accounts (id) ON DELETE CASCADE,
      id uuid NOT NULL,
      agent bytea NOT NULL,
      rights text[] NOT NULL,
      given_at timestamptz NOT NULL,
      expires_at timestamptz NOT NULL,
      revoked_at timestamptz,
      last_used_at timestamptz,
      CONSTRAINT rights_mandates__id PRIMARY KEY (account_id, id)
    );
    CREATE UNIQUE INDEX rights_mandates__by_id ON rights_mandates (id);
    CREATE INDEX rights_mandates__by_expires ON rights_mandates (expires_at);

    -- What must be kept and not used: everything, or what is held for these purposes, and these attributes.
    ALTER TABLE accounts ADD COLUMN restriction jsonb;
  `);
  const { rows } = await knex.raw(`SELECT pg_get_viewdef('account_snapshots'::regclass) AS definition`);
  /* Whatever the view has by now stays as it is; a column is added at its end. */
  const definition = rows[0].definition.replace(/\n {3}FROM /, ',\n    a.restriction\n   FROM ');
  await knex.raw(`CREATE OR REPLACE VIEW account_snapshots AS ${definition.replaceAll('?', '\\?')}`);
}

export async function down(knex) {
  const { rows } = await knex.raw(`SELECT pg_get_viewdef('account_snapshots'::regclass) AS definition`);
  const definition = rows[0].definition.replace(/,\n *(a\.)?restriction(?=\n {3}FROM |,)/, '');
  await knex.raw(
    `DROP VIEW account_snapshots; CREATE VIEW account_snapshots AS ${definition.replaceAll('?', '\\?')}`,
  );
  await knex.raw(`
    ALTER TABLE accounts DROP COLUMN restriction;
    DROP TABLE rights_mandates, rights_requests;
  `);
}
