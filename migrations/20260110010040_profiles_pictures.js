/** Pictures, as they were made anew from what was uploaded; each goes with the value that leads to it. */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE profile_pictures (
      account_id uuid NOT NULL,
      attribute text NOT NULL,
      token text NOT NULL CONSTRAINT profile_pictures__token UNIQUE,
      bytes bytea NOT NULL CONSTRAINT profile_pictures__size CHECK (length(bytes) <= 524288),
      made_at timestamptz NOT NULL,
      CONSTRAINT profile_pictures__id PRIMARY KEY (account_id, attribute),
      CONSTRAINT profile_pictures__value FOREIGN KEY (account_id, attribute)
        REFERENCES profile_attributes (account_id, attribute) ON DELETE CASCADE
    );
  `);
}

export async function down(knex) {
  await knex.raw('DROP TABLE profile_pictures;');
}
