/** The verified e-mail addresses of an account, and the proofs that somebody reads mail there. */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE email_addresses (
      account_id uuid NOT NULL CONSTRAINT email_addresses__account REFERENCES accounts (id) ON DELETE CASCADE,
      address text NOT NULL,
      verified_at timestamptz,
      is_primary boolean NOT NULL,
      added_at timestamptz NOT NULL,
      CONSTRAINT email_addresses__id PRIMARY KEY (account_id, address)
    );
    CREATE UNIQUE INDEX email_addresses__one_primary ON email_addresses (account_id) WHERE is_primary;

    CREATE TABLE email_proofs (
      id uuid CONSTRAINT email_proofs__id PRIMARY KEY,
      purpose text NOT NULL CONSTRAINT email_proofs__purpose CHECK (purpose IN ('sign-up', 'sign-in', 'recovery')),
      address text NOT NULL,
      account_id uuid,
      binding text NOT NULL,
      code_digest bytea NOT NULL,
      link_digest bytea NOT NULL CONSTRAINT email_proofs__link UNIQUE,
      decoy boolean NOT NULL,
      attempts smallint NOT NULL DEFAULT 0 CONSTRAINT email_proofs__attempts CHECK (attempts BETWEEN 0 AND 5),
      asked_from text NOT NULL,
      locale text NOT NULL,
      created_at timestamptz NOT NULL,
      expires_at timestamptz NOT NULL,
      used_at timestamptz,
      ended_at timestamptz,
      ended_reason text CONSTRAINT email_proofs__ended CHECK (ended_reason IN ('too-many', 'denied', 'replaced')),
      CONSTRAINT email_proofs__one_end CHECK (used_at IS NULL OR ended_at IS NULL),
      CONSTRAINT email_proofs__why_ended CHECK ((ended_at IS NULL) = (ended_reason IS NULL))
    );
    CREATE UNIQUE INDEX email_proofs__one_open ON email_proofs (binding, purpose)
      WHERE used_at IS NULL AND ended_at IS NULL;
    CREATE INDEX email_proofs__binding ON email_proofs (binding, purpose, created_at DESC);
    CREATE INDEX email_proofs__expiry ON email_proofs (expires_at);
  `);
}

export async function down(knex) {
  await knex.raw('DROP TABLE email_proofs; DROP TABLE email_addresses;');
}
