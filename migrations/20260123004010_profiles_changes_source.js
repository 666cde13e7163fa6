/** A change that waits remembers where its value came from: what a provider sent is not what its person gave. */
export async function up(knex) {
  await knex.raw(`ALTER TABLE profile_changes ADD COLUMN source text NOT NULL DEFAULT 'person';`);
}

export async function down(knex) {
  await knex.raw('ALTER TABLE profile_changes DROP COLUMN source;');
}
