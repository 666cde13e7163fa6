/** What a person allowed which app, and which terms were accepted, in which version and language. */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE consents (
      account_id uuid NOT NULL CONSTRAINT consents__account REFERENCES accounts (id) ON DELETE CASCADE,
      client_id text NOT NULL,
      id uuid NOT NULL,
      scopes text[] NOT NULL,
      claims text[] NOT NULL,
      refused_scopes text[] NOT NULL,
      refused_claims text[] NOT NULL,
      resources jsonb NOT NULL DEFAULT '{}',
      language text NOT NULL,
      given_at timestamptz NOT NULL,
      PRIMARY KEY (account_id, client_id)
    );
    CREATE TABLE terms_acceptances (
      account_id uuid NOT NULL CONSTRAINT terms_acceptances__account REFERENCES accounts (id) ON DELETE CASCADE,
      version text NOT NULL,
      language text NOT NULL,
      accepted_at timestamptz NOT NULL,
      PRIMARY KEY (account_id, version)
    );
    CREATE VIEW consent_snapshots AS
      SELECT account_id, client_id, id, scopes, claims, refused_scopes, refused_claims, resources FROM consents;
  `);
}

export async function down(knex) {
  await knex.raw('DROP VIEW consent_snapshots; DROP TABLE terms_acceptances; DROP TABLE consents;');
}
