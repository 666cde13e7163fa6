/**
 * What is personal about an event (from where, by which browser) is sealed under the key of the account it is about, and
 * that key under the installation's: destroying the key's row makes those parts unreadable and leaves the events as they are.
 */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE subject_keys (
      account_id uuid CONSTRAINT subject_keys__id PRIMARY KEY
        CONSTRAINT subject_keys__account REFERENCES accounts (id) ON DELETE CASCADE,
      sealed bytea NOT NULL,
      made_at timestamptz NOT NULL DEFAULT now()
    );
    ALTER TABLE events ADD COLUMN sealed bytea;

    CREATE OR REPLACE VIEW account_snapshots AS
      SELECT a.id AS account_id, a.state, a.language, extract(epoch FROM a.updated_at)::bigint AS updated_at,
        (SELECT jsonb_object_agg(p.attribute, p.value) FROM profile_attributes p WHERE p.account_id = a.id) AS profile,
        (SELECT jsonb_build_object('address', e.address, 'verified', e.verified_at IS NOT NULL)
           FROM email_addresses e WHERE e.account_id = a.id AND e.is_primary LIMIT 1) AS email,
        floor(extract(epoch FROM a.proofs_from) * 1000)::bigint AS proofs_from,
        extract(epoch FROM a.signed_out_before)::bigint AS signed_out_before,
        (SELECT k.sealed FROM subject_keys k WHERE k.account_id = a.id) AS subject_key
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
           FROM email_addresses e WHERE e.account_id = a.id AND e.is_primary LIMIT 1) AS email,
        floor(extract(epoch FROM a.proofs_from) * 1000)::bigint AS proofs_from,
        extract(epoch FROM a.signed_out_before)::bigint AS signed_out_before
      FROM accounts a;
    ALTER TABLE events DROP COLUMN sealed;
    DROP TABLE subject_keys;
  `);
}
