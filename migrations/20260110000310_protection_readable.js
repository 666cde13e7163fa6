/** Counts of text messages by country and prefix can be listed: what an operator pays for, and nothing about anybody. */
export async function up(knex) {
  await knex.raw(
    `CREATE INDEX attempts__sms ON attempts (subject text_pattern_ops) WHERE subject LIKE 'sms:%'`,
  );
}

export async function down(knex) {
  await knex.raw('DROP INDEX attempts__sms');
}
