/**
 * Identity providers, from where people bring an identity they have; who is tied to which account by that; and the trips that
 * are on their way there and back.
 */
export async function up(knex) {
  await knex.raw(`
    -- settings: all that is no secret, by kind. secrets: sealed under the installation's key. mapping: what becomes of what it
    -- says. version: counts changes, so that a trip which began under other settings ends. origins: where a form may lead to,
    -- beside what the settings say.
    CREATE TABLE identity_providers (
      id text NOT NULL CONSTRAINT identity_providers__id PRIMARY KEY
        CONSTRAINT identity_providers__slug CHECK (id ~ '^[a-z][a-z0-9-]{0,31}$'),
      kind text NOT NULL CONSTRAINT identity_providers__kind CHECK (kind IN ('openid', 'oauth2', 'saml', 'ldap')),
      state text NOT NULL CONSTRAINT identity_providers__state CHECK (state IN ('enabled', 'disabled')),
      name text NOT NULL,
      preset text,
      place integer NOT NULL,
      settings jsonb NOT NULL,
      secrets bytea,
      mapping jsonb NOT NULL,
      origins text[] NOT NULL DEFAULT '{}',
      version bigint NOT NULL DEFAULT 1,
      created_at timestamptz NOT NULL,
      updated_at timestamptz NOT NULL
    );
    CREATE FUNCTION identity_providers_notify() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_notify('keyhold_identity_providers', coalesce(NEW.id, OLD.id));
      RETURN NULL;
    END $$;
    CREATE TRIGGER identity_providers__notify AFTER INSERT OR UPDATE OR DELETE ON identity_providers
      FOR EACH ROW EXECUTE FUNCTION identity_providers_notify();

    -- Who somebody is at a provider, and whose account that is here: what a sign-in starts from.
    CREATE TABLE federated_subjects (
      provider_id text NOT NULL,
      subject text NOT NULL,
      account_id uuid NOT NULL CONSTRAINT federated_subjects__account REFERENCES accounts (id) ON DELETE CASCADE,
      link_id uuid NOT NULL,
      CONSTRAINT federated_subjects__id PRIMARY KEY (provider_id, subject)
    );
    CREATE INDEX federated_subjects__by_account ON federated_subjects (account_id);

    -- came_by: how it was tied. sealed: what the provider said last, under the account's key.
    CREATE TABLE federated_links (
      account_id uuid NOT NULL CONSTRAINT federated_links__account REFERENCES accounts (id) ON DELETE CASCADE,
      id uuid NOT NULL,
      provider_id text NOT NULL,
      subject text NOT NULL,
      came_by text NOT NULL CONSTRAINT federated_links__came_by CHECK (came_by IN ('opened', 'proved', 'added', 'merged')),
      sealed bytea,
      linked_at timestamptz NOT NULL,
      last_used_at timestamptz,
      CONSTRAINT federated_links__id PRIMARY KEY (account_id, id)
    );

    -- state_digest: of what comes back. notes: what the answer is checked against; answer: what came; both sealed.
    CREATE TABLE federated_requests (
      id uuid NOT NULL CONSTRAINT federated_requests__id PRIMARY KEY,
      state_digest bytea NOT NULL CONSTRAINT federated_requests__state UNIQUE,
      provider_id text NOT NULL,
      provider_version bigint NOT NULL,
      purpose text NOT NULL CONSTRAINT federated_requests__purpose
        CHECK (purpose IN ('sign-in', 'link', 'merge-proof', 'test')),
      binding text NOT NULL,
      account_id uuid,
      browser_digest bytea NOT NULL,
      return_to text NOT NULL,
      notes bytea NOT NULL,
      answer bytea,
      answered_at timestamptz,
      used_at timestamptz,
      created_at timestamptz NOT NULL,
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX federated_requests__expired ON federated_requests (expires_at);
  `);
}

export async function down(knex) {
  await knex.raw(`
    DROP TABLE federated_requests, federated_links, federated_subjects, identity_providers;
    DROP FUNCTION identity_providers_notify();
  `);
}
