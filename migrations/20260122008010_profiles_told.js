/** When somebody was told that a value of theirs is about to be removed; nobody yet where it is null. */
export async function up(knex) {
  await knex.raw('ALTER TABLE profile_attributes ADD COLUMN ends_told_at timestamptz;');
}

export async function down(knex) {
  await knex.raw('ALTER TABLE profile_attributes DROP COLUMN ends_told_at;');
}
