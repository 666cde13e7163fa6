/** Which two accounts of one person became one, and for seven days how both were before. */
export async function up(knex) {
  await knex.raw(`
    -- account_id stays, gone_id goes: it is closed at once, and removed once the merge can be undone no more. sealed: how both were
    -- before, as far as rows of either changed. No reference to the one that goes: its number outlives it, for the history.
    CREATE TABLE merges (
      account_id uuid NOT NULL CONSTRAINT merges__account REFERENCES accounts (id) ON DELETE CASCADE,
      id uuid NOT NULL,
      gone_id uuid NOT NULL CONSTRAINT merges__two CHECK (gone_id <> account_id),
      state text NOT NULL CONSTRAINT merges__state CHECK (state IN ('open', 'ending', 'finished', 'undone')),
      made_at timestamptz NOT NULL,
      undo_until timestamptz NOT NULL,
      ended_at timestamptz,
      sealed bytea CONSTRAINT merges__sealed_while_open CHECK ((sealed IS NOT NULL) = (state = 'open')),
      CONSTRAINT merges__id PRIMARY KEY (account_id, id)
    );
    CREATE UNIQUE INDEX merges__one_at_a_time ON merges (account_id) WHERE state IN ('open', 'ending');
    CREATE UNIQUE INDEX merges__gone_once ON merges (gone_id) WHERE state <> 'undone';
    CREATE INDEX merges__due ON merges (undo_until) WHERE state IN ('open', 'ending');

    -- The account that a passkey was made for, where it is another one's by now: that is what the passkey itself knows.
    ALTER TABLE passkeys ADD made_for uuid;
  `);
}

export async function down(knex) {
  await knex.raw('ALTER TABLE passkeys DROP made_for; DROP TABLE merges;');
}
