/** Passwords, passkeys and their challenges, and the passwords that nobody may take. */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE passwords (
      account_id uuid PRIMARY KEY CONSTRAINT passwords__account REFERENCES accounts (id) ON DELETE CASCADE,
      hash text NOT NULL,
      scheme text NOT NULL CONSTRAINT passwords__scheme CHECK (scheme IN ('bcrypt', 'argon2id')),
      set_at timestamptz NOT NULL,
      changed_at timestamptz NOT NULL,
      last_used_at timestamptz
    );

    CREATE TABLE passkeys (
      account_id uuid NOT NULL CONSTRAINT passkeys__account REFERENCES accounts (id) ON DELETE CASCADE,
      id uuid NOT NULL,
      credential_id text NOT NULL,
      public_key bytea NOT NULL,
      sign_count bigint NOT NULL,
      transports text[] NOT NULL,
      aaguid uuid NOT NULL,
      backup_eligible boolean NOT NULL,
      backed_up boolean NOT NULL,
      user_verified boolean NOT NULL,
      name text NOT NULL,
      added_at timestamptz NOT NULL,
      last_used_at timestamptz,
      CONSTRAINT passkeys__id PRIMARY KEY (account_id, id)
    );
    -- A sign-in starts from the credential id, so that has a table of its own: passkeys stay with their account.
    CREATE TABLE passkey_owners (
      credential_id text NOT NULL CONSTRAINT passkey_owners__credential_id PRIMARY KEY,
      account_id uuid NOT NULL,
      passkey_id uuid NOT NULL,
      CONSTRAINT passkey_owners__passkey FOREIGN KEY (account_id, passkey_id)
        REFERENCES passkeys (account_id, id) ON DELETE CASCADE
    );
    CREATE INDEX passkey_owners__by_passkey ON passkey_owners (account_id, passkey_id);

    -- account_id is who a new passkey will belong to; at sign-up that account does not exist yet.
    CREATE TABLE passkey_challenges (
      id bytea PRIMARY KEY,
      purpose text NOT NULL
        CONSTRAINT passkey_challenges__purpose CHECK (purpose IN ('registration', 'upgrade', 'authentication')),
      binding text NOT NULL,
      account_id uuid CONSTRAINT passkey_challenges__subject CHECK ((account_id IS NULL) = (purpose = 'authentication')),
      expires_at timestamptz NOT NULL,
      used_at timestamptz
    );
    CREATE INDEX passkey_challenges__by_expiry ON passkey_challenges (expires_at);

    CREATE TABLE blocked_passwords (digest bytea PRIMARY KEY);
  `);
}

export async function down(knex) {
  await knex.raw(`
    DROP TABLE blocked_passwords;
    DROP TABLE passkey_challenges;
    DROP TABLE passkey_owners;
    DROP TABLE passkeys;
    DROP TABLE passwords;
  `);
}
