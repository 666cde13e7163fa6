/** Apps that a person can start here (OpenID Connect Core §4), by name. */
export async function up(knex) {
  await knex.raw(`
    CREATE INDEX clients__startable ON clients (lower(coalesce(metadata ->> 'client_name', client_id)), client_id)
    WHERE metadata ->> 'initiate_login_uri' IS NOT NULL AND state = 'active'
  `);
}

export async function down(knex) {
  await knex.raw('DROP INDEX clients__startable');
}
