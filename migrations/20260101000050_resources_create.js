/** The APIs that take access tokens (RFC 8707), and the notice when one changes. */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE resource_servers (
      identifier text PRIMARY KEY,
      name text NOT NULL,
      scopes text[] NOT NULL,
      access_token_format text NOT NULL
        CONSTRAINT resource_servers__format CHECK (access_token_format IN ('opaque', 'jwt')),
      signing_alg text NOT NULL
        CONSTRAINT resource_servers__signing_alg CHECK (signing_alg IN ('RS256', 'ES256', 'EdDSA')),
      created_at timestamptz NOT NULL
    );
    CREATE FUNCTION resource_servers_notify() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_notify('keyhold_resource_servers', coalesce(NEW.identifier, OLD.identifier));
      RETURN NULL;
    END $$;
    CREATE TRIGGER resource_servers__notify AFTER INSERT OR UPDATE OR DELETE ON resource_servers
      FOR EACH ROW EXECUTE FUNCTION resource_servers_notify();
  `);
}

export async function down(knex) {
  await knex.raw('DROP TABLE resource_servers; DROP FUNCTION resource_servers_notify();');
}
