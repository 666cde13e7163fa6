/**
 * The domains of e-mail addresses that belong to an identity provider, once a record in the DNS says so.
 */
export async function up(knex) {
  await knex.raw(`
    -- state: pending until its record was found; lapsed once it was missing for too long. nonce: what its record is made from.
    -- required: nobody signs in here with an address of it but by the provider, save who has one of except_roles.
    CREATE TABLE federated_domains (
      domain text NOT NULL CONSTRAINT federated_domains__name CHECK (domain ~ '^[a-z0-9-]+(\\.[a-z0-9-]+)+$'),
      provider_id text NOT NULL
        CONSTRAINT federated_domains__provider REFERENCES identity_providers (id) ON DELETE CASCADE,
      state text NOT NULL CONSTRAINT federated_domains__state CHECK (state IN ('pending', 'verified', 'lapsed')),
      required boolean NOT NULL,
      except_roles text[] NOT NULL,
      nonce text NOT NULL,
      added_at timestamptz NOT NULL,
      verified_at timestamptz,
      seen_at timestamptz CONSTRAINT federated_domains__seen CHECK (seen_at IS NOT NULL OR state <> 'verified'),
      checked_at timestamptz,
      CONSTRAINT federated_domains__id PRIMARY KEY (domain, provider_id)
    );
    CREATE UNIQUE INDEX federated_domains__one_provider ON federated_domains (domain) WHERE state = 'verified';
    CREATE INDEX federated_domains__by_provider ON federated_domains (provider_id);
    CREATE FUNCTION federated_domains_notify() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_notify('keyhold_identity_providers', coalesce(NEW.provider_id, OLD.provider_id));
      RETURN NULL;
    END $$;
    CREATE TRIGGER federated_domains__notify AFTER INSERT OR DELETE OR UPDATE OF state, required, except_roles
      ON federated_domains FOR EACH ROW EXECUTE FUNCTION federated_domains_notify();

  `);
}

export async function down(knex) {
  await knex.raw(`
    DROP TABLE federated_domains;
    DROP FUNCTION federated_domains_notify();
  `);
}
