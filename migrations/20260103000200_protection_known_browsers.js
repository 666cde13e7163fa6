/** The browsers that somebody has signed in with, by digest of a cookie: limits that a stranger used up spare them. */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE known_browsers (
      account_id uuid NOT NULL CONSTRAINT known_browsers__account REFERENCES accounts (id) ON DELETE CASCADE,
      browser bytea NOT NULL,
      signed_in_at timestamptz NOT NULL,
      expires_at timestamptz NOT NULL,
      PRIMARY KEY (account_id, browser)
    );
    CREATE INDEX known_browsers__by_browser ON known_browsers (browser);
    CREATE INDEX known_browsers__by_expiry ON known_browsers (expires_at);
  `);
}

export async function down(knex) {
  await knex.raw('DROP TABLE known_browsers;');
}
