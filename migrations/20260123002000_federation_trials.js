/** Sign-ins at an identity provider that an operator tries out: an address that begins one, once, and what came of it. */
export async function up(knex) {
  await knex.raw(`
    -- ticket_digest: of what the address holds. outcome: what came, sealed, until the operator has read it.
    CREATE TABLE federation_trials (
      id uuid NOT NULL CONSTRAINT federation_trials__id PRIMARY KEY,
      ticket_digest bytea NOT NULL CONSTRAINT federation_trials__ticket UNIQUE,
      provider_id text NOT NULL,
      began_at timestamptz,
      outcome bytea,
      created_at timestamptz NOT NULL,
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX federation_trials__expired ON federation_trials (expires_at);
  `);
}

export async function down(knex) {
  await knex.raw('DROP TABLE federation_trials;');
}
