/**
 * Changes of values that limits go by. A value that waits, and one that may come back, stand here sealed and no longer
 * than for that; afterwards only when and how the change was made, as long as a limit counts it.
 */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE profile_changes (
      account_id uuid NOT NULL CONSTRAINT profile_changes__account REFERENCES accounts (id) ON DELETE CASCADE,
      id uuid NOT NULL,
      attribute text NOT NULL,
      state text NOT NULL CONSTRAINT profile_changes__state
        CHECK (state IN ('waiting', 'scheduled', 'done', 'undone', 'refused', 'withdrawn')),
      value bytea CONSTRAINT profile_changes__value CHECK (value IS NULL OR state IN ('waiting', 'scheduled')),
      value_before bytea CONSTRAINT profile_changes__value_before CHECK (value_before IS NULL OR state = 'done'),
      asked_at timestamptz NOT NULL,
      effective_at timestamptz CONSTRAINT profile_changes__effective CHECK (effective_at IS NOT NULL OR state <> 'scheduled'),
      settled_at timestamptz,
      undo_until timestamptz,
      reason text,
      CONSTRAINT profile_changes__id PRIMARY KEY (account_id, id)
    );
    CREATE UNIQUE INDEX profile_changes__one_open ON profile_changes (account_id, attribute)
      WHERE state IN ('waiting', 'scheduled');
    CREATE INDEX profile_changes__waiting ON profile_changes (id) WHERE state = 'waiting';
    CREATE INDEX profile_changes__due ON profile_changes (effective_at) WHERE state = 'scheduled';
    CREATE INDEX profile_changes__undo ON profile_changes (undo_until) WHERE value_before IS NOT NULL;
    CREATE INDEX profile_changes__asked ON profile_changes (asked_at) WHERE state NOT IN ('waiting', 'scheduled');
  `);
}

export async function down(knex) {
  await knex.raw('DROP TABLE profile_changes;');
}
