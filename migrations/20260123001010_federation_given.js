/** What a provider sent last by a link, as digests under a key of the installation: by them it is told who wins at the next sign-in. */
export async function up(knex) {
  await knex.raw("ALTER TABLE federated_links ADD COLUMN given jsonb NOT NULL DEFAULT '{}';");
}

export async function down(knex) {
  await knex.raw('ALTER TABLE federated_links DROP COLUMN given;');
}
