/**
 * Several people in one browser: a session knows the browser it lives in, a pending request the one it was begun in, both
 * by digest. The former browser of a session is remembered for the seconds in which a request may still carry it.
 */
export async function up(knex) {
  await knex.raw(`
    ALTER TABLE sessions ADD COLUMN browser bytea, ADD COLUMN browser_before bytea, ADD COLUMN browser_moved_at timestamptz;
    CREATE INDEX sessions__by_browser ON sessions (browser) WHERE browser IS NOT NULL;
    CREATE INDEX sessions__by_browser_before ON sessions (browser_before) WHERE browser_before IS NOT NULL;
    ALTER TABLE interactions ADD COLUMN begun_in bytea;
  `);
}

export async function down(knex) {
  await knex.raw(`
    ALTER TABLE interactions DROP COLUMN begun_in;
    ALTER TABLE sessions DROP COLUMN browser, DROP COLUMN browser_before, DROP COLUMN browser_moved_at;
  `);
}
