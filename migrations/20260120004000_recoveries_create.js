/** Getting back in without the phone: what waits, until when, and what signs nobody in meanwhile. */
export async function up(knex) {
  await knex.raw(`
    -- asked_from: sealed. look_at: when a job has something to do about it; never more, once it is null.
    -- settles_at: until then what was completed can be undone. added_*: what it was completed with.
    CREATE TABLE recoveries (
      account_id uuid NOT NULL CONSTRAINT recoveries__account REFERENCES accounts (id) ON DELETE CASCADE,
      id uuid NOT NULL,
      state text NOT NULL CONSTRAINT recoveries__state
        CHECK (state IN ('waiting', 'stopped', 'expired', 'completed', 'undone', 'settled')),
      asked_from bytea NOT NULL,
      started_at timestamptz NOT NULL,
      ready_at timestamptz NOT NULL,
      expires_at timestamptz NOT NULL,
      ended_at timestamptz,
      settles_at timestamptz,
      look_at timestamptz,
      added_app uuid,
      added_passkey uuid,
      CONSTRAINT recoveries__id PRIMARY KEY (account_id, id)
    );
    CREATE UNIQUE INDEX recoveries__one_waiting ON recoveries (account_id) WHERE state = 'waiting';
    CREATE INDEX recoveries__by_look ON recoveries (look_at) WHERE look_at IS NOT NULL;

    -- By which recovery it is suspended: it signs nobody in, and comes back when that is stopped.
    ALTER TABLE authenticator_apps ADD suspended_for uuid;
    ALTER TABLE passkeys ADD suspended_for uuid;
  `);
}

export async function down(knex) {
  await knex.raw(`
    ALTER TABLE passkeys DROP suspended_for;
    ALTER TABLE authenticator_apps DROP suspended_for;
    DROP TABLE recoveries;
  `);
}
