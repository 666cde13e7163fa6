/** What apps that speak SAML asked and was not answered yet, the keys that answers are signed with, and the way that they are. */
export async function up(knex) {
  await knex.raw(`
    -- request_id: the app's own; null where a person started it from here. asked: sealed. browser: the digest of the one that
    -- it goes on in, once it came there.
    CREATE TABLE saml_requests (
      id uuid CONSTRAINT saml_requests__id PRIMARY KEY,
      client_id text NOT NULL,
      request_id text,
      asked bytea NOT NULL,
      browser bytea,
      begun_at timestamptz NOT NULL,
      expires_at timestamptz NOT NULL,
      answered_at timestamptz,
      CONSTRAINT saml_requests__once UNIQUE (client_id, request_id)
    );
    CREATE INDEX saml_requests__by_expiry ON saml_requests (expires_at);

    -- pending: published, not yet signing; active: signs; retiring: published still; retired: gone from the metadata.
    CREATE TABLE saml_keys (
      kid text CONSTRAINT saml_keys__id PRIMARY KEY,
      state text NOT NULL CONSTRAINT saml_keys__state CHECK (state IN ('pending', 'active', 'retiring', 'retired')),
      certificate text NOT NULL,
      sealed bytea NOT NULL,
      created_at timestamptz NOT NULL,
      activates_at timestamptz NOT NULL,
      retires_at timestamptz
    );
    CREATE UNIQUE INDEX saml_keys__one_active ON saml_keys (state) WHERE state = 'active';

    ALTER TABLE disclosures DROP CONSTRAINT disclosures__way, ADD CONSTRAINT disclosures__way
      CHECK (way IN ('id_token', 'access_token', 'userinfo', 'introspection', 'api', 'webhook', 'saml'));
  `);
}

export async function down(knex) {
  await knex.raw(`
    ALTER TABLE disclosures DROP CONSTRAINT disclosures__way, ADD CONSTRAINT disclosures__way
      CHECK (way IN ('id_token', 'access_token', 'userinfo', 'introspection', 'api', 'webhook')) NOT VALID;
    DROP TABLE saml_keys;
    DROP TABLE saml_requests;
  `);
}
