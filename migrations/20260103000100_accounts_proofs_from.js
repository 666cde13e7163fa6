/**
 * The moment from which proofs of an account count: what somebody proved before it (a right password whose request has
 * not gone on yet, a browser that was known) proves nothing any more. It moves when a password is changed.
 */
export async function up(knex) {
  await knex.raw(`
    ALTER TABLE accounts ADD COLUMN proofs_from timestamptz;
    CREATE OR REPLACE VIEW account_snapshots AS
      SELECT a.id AS account_id, a.state, a.language, extract(epoch FROM a.updated_at)::bigint AS updated_at,
        (SELECT jsonb_object_agg(p.attribute, p.value) FROM profile_attributes p WHERE p.account_id = a.id) AS profile,
        (SELECT jsonb_build_object('address', e.address, 'verified', e.verified_at IS NOT NULL)
           FROM email_addresses e WHERE e.account_id = a.id AND e.is_primary LIMIT 1) AS email,
        floor(extract(epoch FROM a.proofs_from) * 1000)::bigint AS proofs_from
      FROM accounts a;
  `);
}

export async function down(knex) {
  await knex.raw(`
    DROP VIEW account_snapshots;
    CREATE VIEW account_snapshots AS
      SELECT a.id AS account_id, a.state, a.language, extract(epoch FROM a.updated_at)::bigint AS updated_at,
        (SELECT jsonb_object_agg(p.attribute, p.value) FROM profile_attributes p WHERE p.account_id = a.id) AS profile,
        (SELECT jsonb_build_object('address', e.address, 'verified', e.verified_at IS NOT NULL)
           FROM email_addresses e WHERE e.account_id = a.id AND e.is_primary LIMIT 1) AS email
      FROM accounts a;
    ALTER TABLE accounts DROP COLUMN proofs_from;
  `);
}
