/** Authenticator apps, recovery codes, and browsers in which the second step is remembered for a while. */
export async function up(knex) {
  await knex.raw(`
    -- sealed: the secret, under the account's key. last_period: the latest 30 seconds whose code was taken; none before counts.
    CREATE TABLE authenticator_apps (
      account_id uuid NOT NULL CONSTRAINT authenticator_apps__account REFERENCES accounts (id) ON DELETE CASCADE,
      id uuid NOT NULL,
      name text NOT NULL,
      sealed bytea NOT NULL,
      secret_digest bytea NOT NULL,
      last_period bigint NOT NULL,
      added_at timestamptz NOT NULL,
      last_used_at timestamptz,
      CONSTRAINT authenticator_apps__id PRIMARY KEY (account_id, id),
      CONSTRAINT authenticator_apps__secret UNIQUE (account_id, secret_digest)
    );

    -- selector: the first characters of a code, by which its hash is found. A used one stays, so that it is known again.
    CREATE TABLE recovery_codes (
      account_id uuid NOT NULL CONSTRAINT recovery_codes__account REFERENCES accounts (id) ON DELETE CASCADE,
      selector text NOT NULL,
      hash text NOT NULL,
      made_at timestamptz NOT NULL,
      used_at timestamptz,
      CONSTRAINT recovery_codes__id PRIMARY KEY (account_id, selector)
    );

    CREATE TABLE remembered_browsers (
      account_id uuid NOT NULL CONSTRAINT remembered_browsers__account REFERENCES accounts (id) ON DELETE CASCADE,
      digest bytea NOT NULL,
      remembered_at timestamptz NOT NULL,
      expires_at timestamptz NOT NULL,
      CONSTRAINT remembered_browsers__id PRIMARY KEY (account_id, digest)
    );
    CREATE INDEX remembered_browsers__by_expiry ON remembered_browsers (expires_at);
  `);
}

export async function down(knex) {
  await knex.raw(`
    DROP TABLE remembered_browsers;
    DROP TABLE recovery_codes;
    DROP TABLE authenticator_apps;
  `);
}
