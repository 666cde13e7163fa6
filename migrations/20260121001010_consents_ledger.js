/**
 * Every answer about a consent, one row each, only ever added to and under a pseudonym: the link to the account is a row of
 * its own that goes with the account. What was shown is kept once for each wording. `consents` is what follows from it.
 */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE consent_subjects (
      account_id uuid CONSTRAINT consent_subjects__id PRIMARY KEY
        CONSTRAINT consent_subjects__account REFERENCES accounts (id) ON DELETE CASCADE,
      subject uuid NOT NULL CONSTRAINT consent_subjects__subject UNIQUE,
      events integer NOT NULL DEFAULT 0
    );
    CREATE TABLE consent_wordings (
      digest bytea CONSTRAINT consent_wordings__id PRIMARY KEY,
      wording text NOT NULL,
      first_shown_at timestamptz NOT NULL,
      CONSTRAINT consent_wordings__digest CHECK (digest = sha256(convert_to(wording, 'UTF8')))
    );
    CREATE TABLE consent_ledger (
      subject uuid NOT NULL,
      nr integer NOT NULL,
      id uuid NOT NULL CONSTRAINT consent_ledger__once UNIQUE,
      client_id text NOT NULL,
      event text NOT NULL CONSTRAINT consent_ledger__event CHECK (event IN
        ('given', 'changed', 'refused', 'withdrawn', 'expired', 'invalidated', 'asked_again')),
      state text NOT NULL,
      at timestamptz NOT NULL,
      by_kind text NOT NULL CONSTRAINT consent_ledger__by CHECK (by_kind IN ('person', 'client', 'operator', 'system')),
      method text NOT NULL,
      notices jsonb NOT NULL DEFAULT '{}',
      renews text[] NOT NULL DEFAULT '{}',
      language text,
      wording bytea CONSTRAINT consent_ledger__wording REFERENCES consent_wordings (digest),
      scopes text[] NOT NULL DEFAULT '{}',
      claims text[] NOT NULL DEFAULT '{}',
      refused_scopes text[] NOT NULL DEFAULT '{}',
      refused_claims text[] NOT NULL DEFAULT '{}',
      resources jsonb NOT NULL DEFAULT '{}',
      controllers jsonb NOT NULL DEFAULT '[]',
      recipients jsonb NOT NULL DEFAULT '[]',
      retention jsonb NOT NULL DEFAULT '{}',
      jurisdiction text[] NOT NULL DEFAULT '{}',
      withdrawal text,
      valid_until timestamptz,
      CONSTRAINT consent_ledger__nr PRIMARY KEY (subject, nr)
    );
    CREATE INDEX consent_ledger__by_app ON consent_ledger (subject, client_id, nr);
    CREATE TRIGGER consent_ledger__kept BEFORE UPDATE OR DELETE OR TRUNCATE ON consent_ledger
      FOR EACH STATEMENT EXECUTE FUNCTION keyhold_only_added_to();
    CREATE TRIGGER consent_wordings__kept BEFORE UPDATE OR DELETE OR TRUNCATE ON consent_wordings
      FOR EACH STATEMENT EXECUTE FUNCTION keyhold_only_added_to();

    ALTER TABLE consents ADD COLUMN notices jsonb NOT NULL DEFAULT '{}', ADD COLUMN valid_until timestamptz;
    CREATE INDEX consents__ending ON consents (valid_until) WHERE valid_until IS NOT NULL;

    -- Which words stood there when these were given nobody wrote down; there was one version of each.
    UPDATE consents SET notices = (SELECT coalesce(jsonb_object_agg(id, 1), '{}') FROM purposes);
    UPDATE consents SET
      scopes = ARRAY(SELECT DISTINCT v COLLATE "C" AS v FROM unnest(scopes) v ORDER BY 1),
      claims = ARRAY(SELECT DISTINCT v COLLATE "C" AS v FROM unnest(claims) v ORDER BY 1),
      refused_scopes = ARRAY(SELECT DISTINCT v COLLATE "C" AS v FROM unnest(refused_scopes) v ORDER BY 1),
      refused_claims = ARRAY(SELECT DISTINCT v COLLATE "C" AS v FROM unnest(refused_claims) v ORDER BY 1);
    INSERT INTO consent_subjects (account_id, subject, events)
      SELECT account_id, gen_random_uuid(), count(*) FROM consents GROUP BY account_id;
    INSERT INTO consent_ledger (subject, nr, id, client_id, event, state, at, by_kind, method, notices, language,
        scopes, claims, refused_scopes, refused_claims, resources)
      SELECT s.subject, row_number() OVER (PARTITION BY c.account_id ORDER BY c.given_at, c.client_id), c.id, c.client_id,
        'given', 'dpv:ConsentGiven', c.given_at, 'person', 'before_the_ledger', c.notices, c.language,
        c.scopes, c.claims, c.refused_scopes, c.refused_claims, c.resources
      FROM consents c JOIN consent_subjects s USING (account_id);

    CREATE INDEX profile_declarations__by_scope ON profile_declarations ((declaration ->> 'scope'));
    -- An attribute whose purpose has other words by now is outdated; where the consent is what lets it go, it stays here.
    DROP VIEW consent_snapshots;
    CREATE VIEW consent_snapshots AS
      SELECT c.account_id, c.client_id, c.id, c.scopes, c.claims, c.refused_scopes, c.refused_claims, c.resources,
        c.notices, c.valid_until, coalesce(o.outdated, '{}') AS outdated, coalesce(o.withheld, '{}') AS withheld
      FROM consents c LEFT JOIN LATERAL (
        SELECT array_agg(DISTINCT p.id) AS outdated, array_agg(d.name) FILTER (WHERE p.basis = 'consent') AS withheld
        FROM (SELECT name, purpose, declaration FROM profile_declarations WHERE name = ANY (c.claims)
          UNION ALL
          SELECT name, purpose, declaration FROM profile_declarations WHERE declaration ->> 'scope' = ANY (c.scopes)
        ) d JOIN purposes p ON p.id = d.purpose
        WHERE coalesce((c.notices ->> p.id)::integer, 0) < p.counts_from AND d.declaration -> 'see' @> '"apps"'
      ) o ON true
      WHERE c.valid_until IS NULL OR c.valid_until > now();
  `);
}

export async function down(knex) {
  await knex.raw(`
    DROP VIEW consent_snapshots;
    CREATE VIEW consent_snapshots AS
      SELECT account_id, client_id, id, scopes, claims, refused_scopes, refused_claims, resources FROM consents;
    DROP INDEX consents__ending, profile_declarations__by_scope;
    ALTER TABLE consents DROP COLUMN valid_until, DROP COLUMN notices;
    DROP TABLE consent_ledger, consent_wordings, consent_subjects;
  `);
}
