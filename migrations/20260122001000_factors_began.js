/** Which authenticator app began the second step of its account: disowning any other one never ends it. */
export async function up(knex) {
  await knex.raw('ALTER TABLE authenticator_apps ADD began_second_step boolean NOT NULL DEFAULT false');
}

export async function down(knex) {
  await knex.raw('ALTER TABLE authenticator_apps DROP began_second_step');
}
