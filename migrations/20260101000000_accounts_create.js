/** Who exists, in what state, and by which identifier somebody is found. */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE accounts (
      id uuid PRIMARY KEY,
      state text NOT NULL DEFAULT 'active' CONSTRAINT accounts__state CHECK (state IN ('active', 'suspended', 'closed')),
      language text NOT NULL DEFAULT 'en',
      opened_at timestamptz NOT NULL,
      updated_at timestamptz NOT NULL
    );
    CREATE TABLE identifiers (
      kind text NOT NULL CONSTRAINT identifiers__kind CHECK (kind IN ('email')),
      value text NOT NULL,
      account_id uuid NOT NULL CONSTRAINT identifiers__account REFERENCES accounts (id) ON DELETE CASCADE,
      added_at timestamptz NOT NULL,
      CONSTRAINT identifiers__value PRIMARY KEY (kind, value)
    );
    CREATE INDEX identifiers__by_account ON identifiers (account_id);
  `);
}

export async function down(knex) {
  await knex.raw('DROP TABLE identifiers; DROP TABLE accounts;');
}
