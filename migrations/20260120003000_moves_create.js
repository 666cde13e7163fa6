/** Moves to a new phone: one at a time for each account, and the link that begins each, of which only a digest is kept. */
export async function up(knex) {
  await knex.raw(`
    -- session_uid: where it was begun, unless an app did. proved_at: since when what was proved counts for it. browser: what
    -- the new phone's browser shows. numbers: what the old phone offers, of which the new phone shows one. bound: the passkey
    -- or the app that was added.
    CREATE TABLE moves (
      account_id uuid NOT NULL CONSTRAINT moves__account REFERENCES accounts (id) ON DELETE CASCADE,
      id uuid NOT NULL,
      state text NOT NULL CONSTRAINT moves__state CHECK (state IN
        ('waiting', 'claimed', 'confirmed', 'bound', 'tested', 'finished', 'refused', 'cancelled', 'expired')),
      started_at timestamptz NOT NULL,
      until timestamptz NOT NULL,
      proved_at timestamptz NOT NULL,
      ended_at timestamptz,
      session_uid text,
      remembered bytea,
      started_from bytea NOT NULL,
      browser bytea,
      claimed_from bytea,
      claimed_at timestamptz,
      numbers smallint[],
      number smallint,
      kind text CONSTRAINT moves__kind CHECK (kind IN ('passkey', 'app')),
      bound uuid,
      bound_at timestamptz,
      CONSTRAINT moves__id PRIMARY KEY (account_id, id),
      CONSTRAINT moves__ended CHECK ((ended_at IS NULL) = (state IN ('waiting', 'claimed', 'confirmed', 'bound', 'tested')))
    );
    CREATE UNIQUE INDEX moves__one_open ON moves (account_id) WHERE ended_at IS NULL;
    CREATE INDEX moves__open_by_until ON moves (until) WHERE ended_at IS NULL;
    CREATE INDEX moves__by_ended ON moves (ended_at) WHERE ended_at IS NOT NULL;

    CREATE TABLE move_links (
      digest bytea NOT NULL CONSTRAINT move_links__digest PRIMARY KEY,
      account_id uuid NOT NULL,
      move_id uuid NOT NULL,
      CONSTRAINT move_links__move FOREIGN KEY (account_id, move_id) REFERENCES moves (account_id, id) ON DELETE CASCADE
    );
    CREATE INDEX move_links__by_move ON move_links (account_id, move_id);
  `);
}

export async function down(knex) {
  await knex.raw('DROP TABLE move_links; DROP TABLE moves;');
}
