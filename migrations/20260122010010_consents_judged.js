/*
 * Whether the words that a consent was given under still count was asked of every declaration at every read of a token, a
 * third of what Postgres does for it. Now each consent says up to which version of the declarations all of it stands.
 */
const NAMED = `named || CASE WHEN named && ARRAY['age_over_13', 'age_over_16', 'age_over_18', 'age_over_21']
    THEN ARRAY['birthdate'] ELSE '{}' END
  || CASE WHEN 'country' = ANY (named) THEN ARRAY['address'] ELSE '{}' END`;

export async function up(knex) {
  await knex.raw(`
    CREATE TABLE declared_version (
      only_one boolean CONSTRAINT declared_version__id PRIMARY KEY DEFAULT true CONSTRAINT declared_version__one CHECK (only_one),
      version bigint NOT NULL
    );
    INSERT INTO declared_version (version) VALUES (1);

    CREATE FUNCTION declared_anew() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      UPDATE declared_version SET version = version + 1;
      RETURN NULL;
    END $$;
    CREATE TRIGGER purposes__declared AFTER INSERT OR UPDATE OR DELETE ON purposes
      FOR EACH STATEMENT EXECUTE FUNCTION declared_anew();
    CREATE TRIGGER profile_declarations__declared AFTER INSERT OR UPDATE OR DELETE ON profile_declarations
      FOR EACH STATEMENT EXECUTE FUNCTION declared_anew();

    -- What of these names, scopes and uses rests on words that count no more: by purpose, and attribute where it is one.
    CREATE FUNCTION outdated_in(named text[], scoped text[], used text[], agreed jsonb)
      RETURNS TABLE (purpose text, attribute text, basis text) LANGUAGE sql STABLE AS $$
      SELECT p.id, d.name, p.basis
      FROM (SELECT name, purpose, declaration -> 'see' AS see FROM profile_declarations WHERE name = ANY (${NAMED})
        UNION ALL
        SELECT name, purpose, declaration -> 'see' FROM profile_declarations WHERE declaration ->> 'scope' = ANY (scoped)
        UNION ALL SELECT NULL, each, '"apps"' FROM unnest(used) each
      ) d JOIN purposes p ON p.id = d.purpose
      WHERE coalesce((agreed ->> p.id)::integer, 0) < p.counts_from AND d.see @> '"apps"' $$;

    -- The version of the declarations under which all of it stands; below zero, under which something does not.
    ALTER TABLE consents ADD COLUMN judged bigint NOT NULL DEFAULT 0;
    CREATE INDEX consents__by_judged ON consents (judged);
    CREATE FUNCTION consent_judged() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      NEW.judged := (SELECT CASE WHEN EXISTS (SELECT 1 FROM outdated_in(NEW.claims, NEW.scopes, NEW.uses, NEW.notices))
          OR EXISTS (SELECT 1 FROM unnest(NEW.uses) each WHERE NOT EXISTS (SELECT 1 FROM purposes p WHERE p.id = each))
        THEN -version ELSE version END FROM declared_version);
      RETURN NEW;
    END $$;
    CREATE TRIGGER consents__judged BEFORE INSERT OR UPDATE ON consents FOR EACH ROW EXECUTE FUNCTION consent_judged();

    -- In functions of their own: a plan that holds their questions costs as much to open as to answer them.
    CREATE FUNCTION outdated_purposes(c consents) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
    BEGIN
      RETURN (SELECT coalesce(array_agg(DISTINCT o.purpose), '{}')
        FROM outdated_in(c.claims, c.scopes, c.uses, c.notices) o);
    END $$;
    CREATE FUNCTION withheld_attributes(c consents) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
    BEGIN
      RETURN (SELECT coalesce(array_agg(o.attribute), '{}') FROM outdated_in(c.claims, c.scopes, c.uses, c.notices) o
        WHERE o.basis = 'consent' AND o.attribute IS NOT NULL);
    END $$;
    CREATE FUNCTION standing_uses(c consents) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
    BEGIN
      RETURN (SELECT coalesce(array_agg(p.id ORDER BY p.id COLLATE "C"), '{}')
        FROM unnest(c.uses) each JOIN purposes p ON p.id = each
        WHERE p.basis <> 'consent' OR coalesce((c.notices ->> p.id)::integer, 0) >= p.counts_from);
    END $$;

    DROP VIEW consent_snapshots;
    CREATE VIEW consent_snapshots AS
      SELECT c.account_id, c.client_id, c.id, c.scopes, c.claims, c.refused_scopes, c.refused_claims, c.resources,
        c.notices, c.valid_until,
        CASE WHEN c.judged = v.version THEN '{}' ELSE outdated_purposes(c) END AS outdated,
        CASE WHEN c.judged = v.version THEN '{}' ELSE withheld_attributes(c) END AS withheld,
        CASE WHEN c.judged = v.version THEN c.uses ELSE standing_uses(c) END AS uses,
        c.refused_uses
      -- The limit tells a planner without statistics that there is one.
      FROM consents c LEFT JOIN (SELECT version FROM declared_version LIMIT 1) v ON true
      WHERE c.valid_until IS NULL OR c.valid_until > now();
  `);
}

export async function down(knex) {
  await knex.raw(`
    DROP VIEW consent_snapshots;
    DROP FUNCTION outdated_purposes(consents), withheld_attributes(consents), standing_uses(consents);
    DROP TRIGGER consents__judged ON consents;
    DROP FUNCTION consent_judged();
    ALTER TABLE consents DROP COLUMN judged;
    CREATE VIEW consent_snapshots AS
      SELECT c.account_id, c.client_id, c.id, c.scopes, c.claims, c.refused_scopes, c.refused_claims, c.resources,
        c.notices, c.valid_until, coalesce(o.outdated, '{}') AS outdated, coalesce(o.withheld, '{}') AS withheld,
        coalesce(u.uses, '{}') AS uses, c.refused_uses
      FROM consents c LEFT JOIN LATERAL (
        SELECT array_agg(DISTINCT d.purpose) AS outdated,
          array_agg(d.attribute) FILTER (WHERE d.basis = 'consent' AND d.attribute IS NOT NULL) AS withheld
        FROM (
          SELECT p.id AS purpose, d.name AS attribute, p.basis
          FROM (SELECT name, purpose, declaration -> 'see' AS see FROM profile_declarations
              WHERE name = ANY (${NAMED.replaceAll('named', 'c.claims')})
            UNION ALL
            SELECT name, purpose, declaration -> 'see' FROM profile_declarations WHERE declaration ->> 'scope' = ANY (c.scopes)
            UNION ALL SELECT NULL, used, '"apps"' FROM unnest(c.uses) used
          ) d JOIN purposes p ON p.id = d.purpose
          WHERE coalesce((c.notices ->> p.id)::integer, 0) < p.counts_from AND d.see @> '"apps"'
        ) d
      ) o ON true
      LEFT JOIN LATERAL (
        SELECT array_agg(p.id ORDER BY p.id COLLATE "C") AS uses FROM unnest(c.uses) used JOIN purposes p ON p.id = used
        WHERE p.basis <> 'consent' OR NOT coalesce((c.notices ->> p.id)::integer, 0) < p.counts_from
      ) u ON true
      WHERE c.valid_until IS NULL OR c.valid_until > now();
    DROP FUNCTION outdated_in(text[], text[], text[], jsonb);
    DROP TRIGGER profile_declarations__declared ON profile_declarations;
    DROP TRIGGER purposes__declared ON purposes;
    DROP FUNCTION declared_anew();
    DROP TABLE declared_version;
  `);
}
