/** Apps that speak SAML 2.0: found by their entity id, and startable from here without asking first. */
export async function up(knex) {
  await knex.raw(`
    CREATE UNIQUE INDEX clients__entity ON clients ((metadata -> 'saml' ->> 'entity_id'))
      WHERE metadata -> 'saml' ->> 'entity_id' IS NOT NULL;
    DROP INDEX clients__startable;
    CREATE INDEX clients__startable ON clients (lower(coalesce(metadata ->> 'client_name', client_id)), client_id)
      WHERE (metadata ->> 'initiate_login_uri' IS NOT NULL
        OR metadata -> 'saml' -> 'startable' = 'true'::jsonb) AND state = 'active';
  `);
}

export async function down(knex) {
  await knex.raw(`
    DROP INDEX clients__startable;
    CREATE INDEX clients__startable ON clients (lower(coalesce(metadata ->> 'client_name', client_id)), client_id)
      WHERE metadata ->> 'initiate_login_uri' IS NOT NULL AND state = 'active';
    DROP INDEX clients__entity;
  `);
}
