/* What an app is told instead of a value is as outdated as that value. */
const viewOf = named => `
  CREATE OR REPLACE VIEW consent_snapshots AS
    SELECT c.account_id, c.client_id, c.id, c.scopes, c.claims, c.refused_scopes, c.refused_claims, c.resources,
      c.notices, c.valid_until, coalesce(o.outdated, '{}') AS outdated, coalesce(o.withheld, '{}') AS withheld
    FROM consents c LEFT JOIN LATERAL (
      SELECT array_agg(DISTINCT p.id) AS outdated, array_agg(d.name) FILTER (WHERE p.basis = 'consent') AS withheld
      FROM (SELECT name, purpose, declaration FROM profile_declarations WHERE name = ANY (${named})
        UNION ALL
        SELECT name, purpose, declaration FROM profile_declarations WHERE declaration ->> 'scope' = ANY (c.scopes)
      ) d JOIN purposes p ON p.id = d.purpose
      WHERE coalesce((c.notices ->> p.id)::integer, 0) < p.counts_from AND d.declaration -> 'see' @> '"apps"'
    ) o ON true
    WHERE c.valid_until IS NULL OR c.valid_until > now()`;

const DERIVED = `c.claims
  || CASE WHEN c.claims && ARRAY['age_over_13', 'age_over_16', 'age_over_18', 'age_over_21']
    THEN ARRAY['birthdate'] ELSE '{}' END
  || CASE WHEN 'country' = ANY (c.claims) THEN ARRAY['address'] ELSE '{}' END`;

export async function up(knex) {
  await knex.raw(viewOf(DERIVED));
}

export async function down(knex) {
  await knex.raw(viewOf('c.claims'));
}
