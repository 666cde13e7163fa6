/**
 * Accounts that nobody uses: when each is looked at next, and how many notices went out. An account that was put away is
 * kept whole, may not act, and is brought back by its owner. The index is made beside a server that goes on writing.
 */
export const config = { transaction: false };

export async function up(knex) {
  await knex.raw(`
    ALTER TABLE accounts DROP CONSTRAINT IF EXISTS accounts__state,
      ADD CONSTRAINT accounts__state CHECK (state IN ('active', 'suspended', 'frozen', 'archived', 'closed')) NOT VALID,
      ADD COLUMN IF NOT EXISTS look_at timestamptz NOT NULL DEFAULT now(),
      ADD COLUMN IF NOT EXISTS dormancy_notices smallint NOT NULL DEFAULT 0;
    ALTER TABLE accounts VALIDATE CONSTRAINT accounts__state;
    CREATE OR REPLACE VIEW identified_accounts AS
      SELECT i.kind, i.value, a.id, a.state, a.language, a.opened_at, a.proofs_from, a.signed_out_before,
        k.sealed AS subject_key, a.dormancy_notices
      FROM identifiers i
      JOIN accounts a ON a.id = i.account_id
      LEFT JOIN subject_keys k ON k.account_id = a.id;
  `);
  await knex.raw('DROP INDEX CONCURRENTLY IF EXISTS accounts__look_at');
  await knex.raw(`CREATE INDEX CONCURRENTLY accounts__look_at ON accounts (look_at) WHERE state = 'active'`);
}

export async function down(knex) {
  await knex.raw(`
    DROP INDEX IF EXISTS accounts__look_at;
    DROP VIEW identified_accounts;
    CREATE VIEW identified_accounts AS
      SELECT i.kind, i.value, a.id, a.state, a.language, a.opened_at, a.proofs_from, a.signed_out_before,
        k.sealed AS subject_key
      FROM identifiers i
      JOIN accounts a ON a.id = i.account_id
      LEFT JOIN subject_keys k ON k.account_id = a.id;
    UPDATE accounts SET state = 'suspended' WHERE state = 'archived';
    ALTER TABLE accounts DROP COLUMN look_at, DROP COLUMN dormancy_notices, DROP CONSTRAINT accounts__state,
      ADD CONSTRAINT accounts__state CHECK (state IN ('active', 'suspended', 'frozen', 'closed'));
  `);
}
