/** All that a token needs to know of an account, in one row: published for reading along with a token or a session. */
export async function up(knex) {
  await knex.raw(`
    CREATE VIEW account_snapshots AS
      SELECT a.id AS account_id, a.state, a.language, extract(epoch FROM a.updated_at)::bigint AS updated_at,
        (SELECT jsonb_object_agg(p.attribute, p.value) FROM profile_attributes p WHERE p.account_id = a.id) AS profile,
        (SELECT jsonb_build_object('address', e.address, 'verified', e.verified_at IS NOT NULL)
           FROM email_addresses e WHERE e.account_id = a.id AND e.is_primary LIMIT 1) AS email
      FROM accounts a;
  `);
}

export async function down(knex) {
  await knex.raw('DROP VIEW account_snapshots;');
}
