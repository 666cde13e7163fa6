/** Which applications may ask, what they registered, and a notice on every change for the caches that hold them. */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE clients (
      client_id text PRIMARY KEY CONSTRAINT clients__id CHECK (client_id LIKE 'app\\_%'),
      metadata jsonb NOT NULL,
      secret_digest bytea CONSTRAINT clients__secret_digest CHECK (length(secret_digest) = 32),
      previous_secret_digest bytea,
      previous_secret_until timestamptz,
      first_party boolean NOT NULL DEFAULT false,
      verified boolean NOT NULL DEFAULT false,
      state text NOT NULL DEFAULT 'active' CONSTRAINT clients__state CHECK (state IN ('active', 'disabled')),
      logo bytea CONSTRAINT clients__logo_size CHECK (length(logo) <= 262144),
      logo_type text,
      created_at timestamptz NOT NULL,
      updated_at timestamptz NOT NULL,
      version integer NOT NULL DEFAULT 1,
      CONSTRAINT clients__logo_has_type CHECK ((logo IS NULL) = (logo_type IS NULL)),
      CONSTRAINT clients__previous_secret_ends CHECK ((previous_secret_digest IS NULL) = (previous_secret_until IS NULL))
    );
    CREATE FUNCTION keyhold_clients_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_notify('keyhold_clients', CASE TG_OP WHEN 'DELETE' THEN OLD.client_id ELSE NEW.client_id END);
      RETURN NULL;
    END $$;
    CREATE TRIGGER clients__changed AFTER INSERT OR UPDATE OR DELETE ON clients
      FOR EACH ROW EXECUTE FUNCTION keyhold_clients_changed();
  `);
}

export async function down(knex) {
  await knex.raw('DROP TABLE clients; DROP FUNCTION keyhold_clients_changed();');
}
