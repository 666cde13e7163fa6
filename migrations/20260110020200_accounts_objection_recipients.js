/** Whose mailbox a link to object lies in, as a keyed digest: an address that an undoing took away objects to nothing any more. */
export async function up(knex) {
  await knex.raw('ALTER TABLE objections ADD COLUMN recipient bytea');
}

export async function down(knex) {
  await knex.raw('ALTER TABLE objections DROP COLUMN recipient');
}
