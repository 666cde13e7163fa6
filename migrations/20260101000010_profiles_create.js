/** What is known about a person: one row for each attribute, with where it came from and when. */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE profile_attributes (
      account_id uuid NOT NULL CONSTRAINT profile_attributes__account REFERENCES accounts (id) ON DELETE CASCADE,
      attribute text NOT NULL,
      value jsonb NOT NULL,
      source text NOT NULL,
      recorded_at timestamptz NOT NULL,
      PRIMARY KEY (account_id, attribute)
    );
  `);
}

export async function down(knex) {
  await knex.raw('DROP TABLE profile_attributes;');
}
