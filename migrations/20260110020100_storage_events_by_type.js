/**
 * What happened about an account is read by type: a list that leaves types out, or wants a few alone, takes as long for
 * 100,000 rows as for ten. Made beside a server that goes on writing, so outside of a transaction, and anew where a try of it
 * was broken off.
 */
export const config = { transaction: false };

export async function up(knex) {
  await knex.raw('DROP INDEX CONCURRENTLY IF EXISTS events__account_type');
  await knex.raw(
    `CREATE INDEX CONCURRENTLY events__account_type ON events (account_id, type, id DESC) WHERE account_id IS NOT NULL`,
  );
  await knex.raw('DROP INDEX CONCURRENTLY IF EXISTS events__account');
}

export async function down(knex) {
  await knex.raw('DROP INDEX CONCURRENTLY IF EXISTS events__account');
  await knex.raw('CREATE INDEX CONCURRENTLY events__account ON events (account_id, id DESC)');
  await knex.raw('DROP INDEX CONCURRENTLY IF EXISTS events__account_type');
}
