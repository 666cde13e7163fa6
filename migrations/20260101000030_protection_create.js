/** How often something was tried within a window; a window that has passed counts as empty. */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE attempts (
      subject text PRIMARY KEY,
      count integer NOT NULL,
      window_ends_at timestamptz NOT NULL
    );
    CREATE INDEX attempts__by_end ON attempts (window_ends_at);
  `);
}

export async function down(knex) {
  await knex.raw('DROP TABLE attempts;');
}
