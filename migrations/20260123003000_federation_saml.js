/**
 * From which session at an identity provider sessions here came, so that either side can end them; and what SAML needs beside
 * a provider's settings: keys of ours for each, what each says about itself, and what may be brought only once.
 */
export async function up(knex) {
  await knex.raw(`
    -- sealed: the private key, under the installation's. One signs from signs_from on; what was encrypted for it is opened until
    -- it retires. Of each generation there is one, so that two processes never make two.
    CREATE TABLE federated_saml_keys (
      provider_id text NOT NULL CONSTRAINT federated_saml_keys__provider REFERENCES identity_providers (id) ON DELETE CASCADE,
      use text NOT NULL CONSTRAINT federated_saml_keys__use CHECK (use IN ('signing', 'encryption')),
      generation integer NOT NULL,
      sealed bytea NOT NULL,
      certificate text NOT NULL,
      created_at timestamptz NOT NULL,
      signs_from timestamptz NOT NULL,
      retires_at timestamptz,
      CONSTRAINT federated_saml_keys__id PRIMARY KEY (provider_id, use, generation)
    );

    -- source: digest of where it came from and how it was trusted; under other settings it is read anew. said: what was read.
    CREATE TABLE federated_saml_metadata (
      provider_id text NOT NULL CONSTRAINT federated_saml_metadata__id PRIMARY KEY
        CONSTRAINT federated_saml_metadata__provider REFERENCES identity_providers (id) ON DELETE CASCADE,
      source bytea NOT NULL,
      entity_id text NOT NULL,
      said jsonb NOT NULL,
      read_at timestamptz NOT NULL,
      valid_until timestamptz,
      refresh_at timestamptz,
      failing_since timestamptz
    );
    CREATE INDEX federated_saml_metadata__due ON federated_saml_metadata (refresh_at);

    -- Assertions and requests to sign out that came, until they could not come again anyway.
    CREATE TABLE federated_saml_seen (
      provider_id text NOT NULL,
      id_digest bytea NOT NULL,
      expires_at timestamptz NOT NULL,
      CONSTRAINT federated_saml_seen__id PRIMARY KEY (provider_id, id_digest)
    );
    CREATE INDEX federated_saml_seen__expired ON federated_saml_seen (expires_at);

    -- Somebody's session at a provider that sessions here came from, by which link. The digests find it when the provider
    -- names it; sealed, under the account's key, is how it is named there.
    CREATE TABLE federated_sessions (
      account_id uuid NOT NULL CONSTRAINT federated_sessions__account REFERENCES accounts (id) ON DELETE CASCADE,
      id uuid NOT NULL,
      provider_id text NOT NULL,
      link_id uuid NOT NULL,
      name_digest bytea,
      index_digest bytea,
      sealed bytea,
      began_at timestamptz NOT NULL,
      CONSTRAINT federated_sessions__id PRIMARY KEY (account_id, id)
    );
    CREATE INDEX federated_sessions__by_name ON federated_sessions (provider_id, name_digest);
    CREATE INDEX federated_sessions__began ON federated_sessions (began_at);
    ALTER TABLE sessions ADD COLUMN upstream uuid;

    -- Somebody who signed out here and was sent to do so there; return_to: where they go on when they come back.
    CREATE TABLE federated_saml_logouts (
      state_digest bytea NOT NULL CONSTRAINT federated_saml_logouts__id PRIMARY KEY,
      provider_id text NOT NULL,
      return_to text NOT NULL,
      expires_at timestamptz NOT NULL,
      used_at timestamptz
    );
    CREATE INDEX federated_saml_logouts__expired ON federated_saml_logouts (expires_at);
  `);
}

export async function down(knex) {
  await knex.raw(`
    ALTER TABLE sessions DROP COLUMN upstream;
    DROP TABLE federated_saml_logouts, federated_sessions, federated_saml_seen, federated_saml_metadata, federated_saml_keys;
  `);
}
