/** A statement that leaves no job asks nothing of the runner: the function, which acts as its owner, is not even entered. */
export async function up(knex) {
  await knex.raw('ALTER FUNCTION keyhold_add_jobs(jsonb) STRICT');
}

export async function down(knex) {
  await knex.raw('ALTER FUNCTION keyhold_add_jobs(jsonb) CALLED ON NULL INPUT');
}
