/**
 * Several e-mail addresses and phone numbers for one account, and what changed about them: each change keeps how it was
 * before for as long as it can be undone. `email_proofs` holds proofs of phone numbers too, under a purpose of their own.
 * Whatever happens at once, an account that has a proved address keeps a proved primary one: the database says so.
 */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE phone_numbers (
      account_id uuid NOT NULL CONSTRAINT phone_numbers__account REFERENCES accounts (id) ON DELETE CASCADE,
      number text NOT NULL CONSTRAINT phone_numbers__e164 CHECK (number ~ '^\\+[1-9][0-9]{5,14}$'),
      verified_at timestamptz,
      is_primary boolean NOT NULL,
      added_at timestamptz NOT NULL,
      CONSTRAINT phone_numbers__id PRIMARY KEY (account_id, number),
      CONSTRAINT phone_numbers__primary_is_proved CHECK (NOT is_primary OR verified_at IS NOT NULL)
    );
    CREATE UNIQUE INDEX phone_numbers__one_primary ON phone_numbers (account_id) WHERE is_primary;

    CREATE TABLE contact_changes (
      account_id uuid NOT NULL CONSTRAINT contact_changes__account REFERENCES accounts (id) ON DELETE CASCADE,
      id uuid NOT NULL,
      kind text NOT NULL CONSTRAINT contact_changes__kind CHECK (kind IN ('email', 'phone')),
      what text NOT NULL CONSTRAINT contact_changes__what CHECK (what IN ('added', 'primary', 'removed')),
      address text NOT NULL,
      before jsonb NOT NULL,
      undo_digest bytea NOT NULL CONSTRAINT contact_changes__undo UNIQUE,
      asked_from bytea NOT NULL,
      made_at timestamptz NOT NULL,
      undo_until timestamptz NOT NULL,
      undone_at timestamptz,
      CONSTRAINT contact_changes__id PRIMARY KEY (account_id, id)
    );
    CREATE INDEX contact_changes__expiry ON contact_changes (undo_until);

    ALTER TABLE email_proofs DROP CONSTRAINT email_proofs__purpose,
      ADD CONSTRAINT email_proofs__purpose
        CHECK (purpose IN ('sign-up', 'sign-in', 'recovery', 'add-email', 'add-phone'));

    CREATE FUNCTION email_addresses_reachable() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      -- One after the other, so that of two works that each leave one address to the other the later one sees what is left.
      PERFORM FROM accounts WHERE id = OLD.account_id FOR NO KEY UPDATE;
      IF NOT FOUND THEN RETURN NULL; END IF;
      IF NOT EXISTS (SELECT FROM email_addresses
        WHERE account_id = OLD.account_id AND is_primary AND verified_at IS NOT NULL) THEN
        RAISE EXCEPTION 'the last proved address stays' USING ERRCODE = '23514',
          TABLE = 'email_addresses', CONSTRAINT = 'email_addresses__reachable';
      END IF;
      RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER email_addresses__reachable AFTER DELETE OR UPDATE ON email_addresses
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.is_primary) EXECUTE FUNCTION email_addresses_reachable();

    CREATE OR REPLACE VIEW account_snapshots AS
      SELECT a.id AS account_id, a.state, a.language, extract(epoch FROM a.updated_at)::bigint AS updated_at,
        (SELECT jsonb_object_agg(p.attribute, p.value) FROM profile_attributes p WHERE p.account_id = a.id) AS profile,
        (SELECT jsonb_build_object('address', e.address, 'verified', e.verified_at IS NOT NULL)
           FROM email_addresses e WHERE e.account_id = a.id AND e.is_primary LIMIT 1) AS email,
        floor(extract(epoch FROM a.proofs_from) * 1000)::bigint AS proofs_from,
        extract(epoch FROM a.signed_out_before)::bigint AS signed_out_before,
        (SELECT k.sealed FROM subject_keys k WHERE k.account_id = a.id) AS subject_key,
        (SELECT n.number FROM phone_numbers n WHERE n.account_id = a.id AND n.is_primary LIMIT 1) AS phone
      FROM accounts a;
  `);
  await movePhoneNumbers(knex);
}

/* No page ever wrote the attribute, so there are at most a few. What is not in international form has no country and stays. */
export async function movePhoneNumbers(knex) {
  await knex.raw(`
    WITH written AS (
      SELECT account_id, recorded_at, '+' || regexp_replace(value #>> '{}', '[^0-9]', '', 'g') AS number
      FROM profile_attributes WHERE attribute = 'phone_number' AND value #>> '{}' ~ '^\\s*\\+[0-9\\s()./-]+$'
    ), moved AS (
      INSERT INTO phone_numbers (account_id, number, verified_at, is_primary, added_at)
      SELECT account_id, number, NULL, false, recorded_at FROM written WHERE number ~ '^\\+[1-9][0-9]{5,14}$'
      RETURNING account_id
    )
    DELETE FROM profile_attributes p USING moved m WHERE p.account_id = m.account_id AND p.attribute = 'phone_number'`);
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
        (SELECT k.sealed FROM subject_keys k WHERE k.account_id = a.id) AS subject_key
      FROM accounts a;
    DROP TRIGGER email_addresses__reachable ON email_addresses;
    DROP FUNCTION email_addresses_reachable();
    DELETE FROM email_proofs WHERE purpose IN ('add-email', 'add-phone');
    ALTER TABLE email_proofs DROP CONSTRAINT email_proofs__purpose,
      ADD CONSTRAINT email_proofs__purpose CHECK (purpose IN ('sign-up', 'sign-in', 'recovery'));
    INSERT INTO profile_attributes (account_id, attribute, value, source, recorded_at)
      SELECT DISTINCT ON (account_id) account_id, 'phone_number', to_jsonb(number), 'person', added_at FROM phone_numbers
      ORDER BY account_id, is_primary DESC, added_at ON CONFLICT DO NOTHING;
    DROP TABLE contact_changes;
    DROP TABLE phone_numbers;
  `);
}
