/** What somebody brought from elsewhere, while they look at what of it they take: sealed under their own key, and for an hour. */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE imports (
      account_id uuid NOT NULL CONSTRAINT imports__id PRIMARY KEY
        CONSTRAINT imports__account REFERENCES accounts (id) ON DELETE CASCADE,
      sealed bytea NOT NULL,
      read_at timestamptz NOT NULL,
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX imports__expires ON imports (expires_at);
  `);
}

export async function down(knex) {
  await knex.raw('DROP TABLE imports;');
}
