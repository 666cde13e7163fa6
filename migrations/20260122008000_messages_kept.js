/** Messages are removed once they have been kept for long enough, the oldest first. Made beside a running server. */
export const config = { transaction: false };

export async function up(knex) {
  await knex.raw('DROP INDEX CONCURRENTLY IF EXISTS messages__by_age');
  await knex.raw('CREATE INDEX CONCURRENTLY messages__by_age ON messages (queued_at)');
  await knex.raw('DROP INDEX CONCURRENTLY IF EXISTS recoveries__by_end');
  await knex.raw(
    'CREATE INDEX CONCURRENTLY recoveries__by_end ON recoveries (ended_at) WHERE ended_at IS NOT NULL',
  );
}

export async function down(knex) {
  await knex.raw('DROP INDEX CONCURRENTLY IF EXISTS recoveries__by_end');
  await knex.raw('DROP INDEX CONCURRENTLY IF EXISTS messages__by_age');
}
