/**
 * What left about a person: to which app, in which way, and when. One row for each claim that an app got for the first
 * time or got another value of; and beside it what each app was told last, by which that is decided.
 */
export async function up(knex) {
  await knex.raw(`
    -- id: of all that left in one answer. value_hash: HMAC under the account's key, all that is kept of a value.
    -- replaces: the one with the value that the app had before, until that one is removed.
    -- An account cannot be deleted while these stand: whoever deletes it first tells its person who got what.
    CREATE TABLE disclosures (
      account_id uuid NOT NULL CONSTRAINT disclosures__account REFERENCES accounts (id) ON DELETE RESTRICT,
      id uuid NOT NULL,
      claim text NOT NULL,
      client_id text NOT NULL,
      way text NOT NULL CONSTRAINT disclosures__way
        CHECK (way IN ('id_token', 'access_token', 'userinfo', 'introspection', 'api', 'webhook')),
      value_hash bytea NOT NULL,
      purpose text,
      consent_id uuid,
      at timestamptz NOT NULL,
      replaces uuid,
      CONSTRAINT disclosures__id PRIMARY KEY (account_id, id, claim)
    );
    CREATE INDEX disclosures__by_app ON disclosures (account_id, client_id, id);
    CREATE INDEX disclosures__by_claim ON disclosures (account_id, claim, id);
    CREATE INDEX disclosures__replacing ON disclosures (at) WHERE replaces IS NOT NULL;

    -- By claim: the hash of the value that was told last (claims), the disclosure that it left with (ids), and of those
    -- that the latest write changed, the disclosure before (changed).
    CREATE TABLE disclosed (
      account_id uuid NOT NULL CONSTRAINT disclosed__account REFERENCES accounts (id) ON DELETE RESTRICT,
      client_id text NOT NULL,
      way text NOT NULL,
      claims jsonb NOT NULL,
      ids jsonb NOT NULL,
      changed jsonb NOT NULL,
      CONSTRAINT disclosed__id PRIMARY KEY (account_id, client_id, way)
    ) WITH (fillfactor = 80);

    CREATE VIEW disclosure_snapshots AS SELECT account_id, client_id, way, claims FROM disclosed;
  `);
}

export async function down(knex) {
  await knex.raw('DROP VIEW disclosure_snapshots; DROP TABLE disclosed; DROP TABLE disclosures;');
}
