/**
 * Recovery and "This wasn't me": an account can be frozen until its owner recovers it; a session or token of whoever
 * authenticated before `signed_out_before` is worth nothing, also one that was being written meanwhile (a changed password
 * alone moves only `proofs_from`); a proof of recovery is spent once.
 */
export async function up(knex) {
  await knex.raw(`
    ALTER TABLE accounts DROP CONSTRAINT accounts__state,
      ADD CONSTRAINT accounts__state CHECK (state IN ('active', 'suspended', 'frozen', 'closed')),
      ADD COLUMN signed_out_before timestamptz;

    CREATE TABLE objections (
      account_id uuid NOT NULL CONSTRAINT objections__account REFERENCES accounts (id) ON DELETE CASCADE,
      digest bytea NOT NULL CONSTRAINT objections__digest UNIQUE,
      about text NOT NULL CONSTRAINT objections__about CHECK (about IN ('recovery', 'passkey-added')),
      passkey_id uuid,
      asked_from bytea NOT NULL,
      created_at timestamptz NOT NULL,
      expires_at timestamptz NOT NULL,
      used_at timestamptz,
      CONSTRAINT objections__id PRIMARY KEY (account_id, digest)
    );
    CREATE INDEX objections__expiry ON objections (expires_at);

    ALTER TABLE email_proofs ADD COLUMN spent_at timestamptz,
      ADD CONSTRAINT email_proofs__spent CHECK (spent_at IS NULL OR used_at IS NOT NULL),
      DROP CONSTRAINT email_proofs__ended,
      ADD CONSTRAINT email_proofs__ended CHECK (ended_reason IN ('too-many', 'denied', 'replaced', 'account-changed'));
    CREATE INDEX email_proofs__account ON email_proofs (account_id) WHERE account_id IS NOT NULL;

    CREATE OR REPLACE VIEW account_snapshots AS
      SELECT a.id AS account_id, a.state, a.language, extract(epoch FROM a.updated_at)::bigint AS updated_at,
        (SELECT jsonb_object_agg(p.attribute, p.value) FROM profile_attributes p WHERE p.account_id = a.id) AS profile,
        (SELECT jsonb_build_object('address', e.address, 'verified', e.verified_at IS NOT NULL)
           FROM email_addresses e WHERE e.account_id = a.id AND e.is_primary LIMIT 1) AS email,
        floor(extract(epoch FROM a.proofs_from) * 1000)::bigint AS proofs_from,
        extract(epoch FROM a.signed_out_before)::bigint AS signed_out_before
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
        floor(extract(epoch FROM a.proofs_from) * 1000)::bigint AS proofs_from
      FROM accounts a;

    DROP INDEX email_proofs__account;
    UPDATE email_proofs SET ended_reason = 'replaced' WHERE ended_reason = 'account-changed';
    ALTER TABLE email_proofs DROP CONSTRAINT email_proofs__spent, DROP COLUMN spent_at,
      DROP CONSTRAINT email_proofs__ended,
      ADD CONSTRAINT email_proofs__ended CHECK (ended_reason IN ('too-many', 'denied', 'replaced'));

    DROP TABLE objections;

    UPDATE accounts SET state = 'suspended' WHERE state = 'frozen';
    ALTER TABLE accounts DROP COLUMN signed_out_before, DROP CONSTRAINT accounts__state,
      ADD CONSTRAINT accounts__state CHECK (state IN ('active', 'suspended', 'closed'));
  `);
}
