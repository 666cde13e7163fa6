/** "That was a mistake" takes back an unsubscription by link once: each of both tells the owner by mail. */
export async function up(knex) {
  await knex.raw('ALTER TABLE opt_ins ADD COLUMN restored_at timestamptz;');
}

export async function down(knex) {
  await knex.raw('ALTER TABLE opt_ins DROP COLUMN restored_at;');
}
