/** What people were asked for on their way to an app, once for each attribute and purpose, and whether they answered. */
export async function up(knex) {
  await knex.raw(`
    -- client_id: the app on whose way it was, also of one that is gone meanwhile.
    CREATE TABLE questions (
      account_id uuid NOT NULL CONSTRAINT questions__account REFERENCES accounts (id) ON DELETE CASCADE,
      attribute text NOT NULL,
      purpose text NOT NULL,
      client_id text NOT NULL,
      outcome text NOT NULL CONSTRAINT questions__outcome CHECK (outcome IN ('answered', 'skipped')),
      at timestamptz NOT NULL,
      CONSTRAINT questions__id PRIMARY KEY (account_id, attribute, purpose)
    );
  `);
}

export async function down(knex) {
  await knex.raw('DROP TABLE questions;');
}
