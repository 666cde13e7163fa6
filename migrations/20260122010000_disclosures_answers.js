/**
 * What an app was told last, as digests of whole answers: by them the same answer is recognised at once, without a look at
 * each of its claims. They go with the first value that changes.
 */
export async function up(knex) {
  await knex.raw(`
    ALTER TABLE disclosed ADD COLUMN answers text[] NOT NULL DEFAULT '{}';
    DROP VIEW disclosure_snapshots;
    CREATE VIEW disclosure_snapshots AS SELECT account_id, client_id, way, answers FROM disclosed;
  `);
}

export async function down(knex) {
  await knex.raw(`
    DROP VIEW disclosure_snapshots;
    CREATE VIEW disclosure_snapshots AS SELECT account_id, client_id, way, claims FROM disclosed;
    ALTER TABLE disclosed DROP COLUMN answers;
  `);
}
