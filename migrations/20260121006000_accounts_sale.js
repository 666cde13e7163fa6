/** What somebody said about selling their data, or their browser for them; it rides with every read of an account. */
export async function up(knex) {
  await knex.raw(`
    ALTER TABLE accounts
      ADD COLUMN sale_choice text CONSTRAINT accounts__sale_choice CHECK (sale_choice IN ('opted_out', 'opted_in')),
      ADD COLUMN sale_chosen_by text CONSTRAINT accounts__sale_chosen_by CHECK (sale_chosen_by IN ('signal', 'person')),
      ADD COLUMN sale_chosen_at timestamptz,
      ADD CONSTRAINT accounts__sale_whole CHECK (num_nulls(sale_choice, sale_chosen_by, sale_chosen_at) IN (0, 3));

    CREATE OR REPLACE VIEW account_snapshots AS
      SELECT a.id AS account_id, a.state, a.language, extract(epoch FROM a.updated_at)::bigint AS updated_at,
        (SELECT jsonb_object_agg(p.attribute, p.value) FROM profile_attributes p WHERE p.account_id = a.id) AS profile,
        (SELECT jsonb_build_object('address', e.address, 'verified', e.verified_at IS NOT NULL)
           FROM email_addresses e WHERE e.account_id = a.id AND e.is_primary LIMIT 1) AS email,
        floor(extract(epoch FROM a.proofs_from) * 1000)::bigint AS proofs_from,
        extract(epoch FROM a.signed_out_before)::bigint AS signed_out_before,
        (SELECT k.sealed FROM subject_keys k WHERE k.account_id = a.id) AS subject_key,
        (SELECT n.number FROM phone_numbers n WHERE n.account_id = a.id AND n.is_primary LIMIT 1) AS phone,
        a.second_step, a.roles, a.sale_choice, a.sale_chosen_by,
        floor(extract(epoch FROM a.sale_chosen_at) * 1000)::bigint AS sale_chosen_at
      FROM accounts a;

    CREATE OR REPLACE VIEW identified_accounts AS
      SELECT i.kind, i.value, a.id, a.state, a.language, a.opened_at, a.proofs_from, a.signed_out_before,
        k.sealed AS subject_key, a.dormancy_notices, a.second_step, a.roles, a.sale_choice
      FROM identifiers i
      JOIN accounts a ON a.id = i.account_id
      LEFT JOIN subject_keys k ON k.account_id = a.id;
  `);
}

export async function down(knex) {
  await knex.raw(`
    DROP VIEW account_snapshots;
    CREATE VIEW account_snapshots AS
      SELECT a.id AS account_id, a.state, a.language, extract(epoch FROM a.updated_at)::bigint AS updated_at,
        (SELECT jsonb_object_agg(p.attribute, p.value) FROM profile_attributes p WHERE p.account_id = a.id) AS profile,
        (SELECT jsonb_build_object('address', e.address, 'verified', e.verified_at IS NOT NULL)
           FROM email_addresses e WHERE e.account_id = a.id AND e.is_primary LIMIT 1) AS email,
        floor(extract(epoch FROM a.proofs_from) * 1000)::bigint AS proofs_from,
        extract(epoch FROM a.signed_out_before)::bigint AS signed_out_before,
        (SELECT k.sealed FROM subject_keys k WHERE k.account_id = a.id) AS subject_key,
        (SELECT n.number FROM phone_numbers n WHERE n.account_id = a.id AND n.is_primary LIMIT 1) AS phone,
        a.second_step, a.roles
      FROM accounts a;

    DROP VIEW identified_accounts;
    CREATE VIEW identified_accounts AS
      SELECT i.kind, i.value, a.id, a.state, a.language, a.opened_at, a.proofs_from, a.signed_out_before,
        k.sealed AS subject_key, a.dormancy_notices, a.second_step, a.roles
      FROM identifiers i
      JOIN accounts a ON a.id = i.account_id
      LEFT JOIN subject_keys k ON k.account_id = a.id;
    ALTER TABLE accounts DROP COLUMN sale_choice, DROP COLUMN sale_chosen_by, DROP COLUMN sale_chosen_at;
  `);
}
