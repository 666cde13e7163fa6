/*
 * What a person lets an app use data for (RFC 9396 `data_use`), by purpose, beside the scopes and claims. A use that rests on
 * consent ends with the words that it was allowed under, and one whose purpose is gone is none.
 */
const DERIVED = `c.claims
  || CASE WHEN c.claims && ARRAY['age_over_13', 'age_over_16', 'age_over_18', 'age_over_21']
    THEN ARRAY['birthdate'] ELSE '{}' END
  || CASE WHEN 'country' = ANY (c.claims) THEN ARRAY['address'] ELSE '{}' END`;

const OUTDATED = 'coalesce((c.notices ->> p.id)::integer, 0) < p.counts_from';

const viewOf = (more, used, uses) => `
  CREATE VIEW consent_snapshots AS
    SELECT c.account_id, c.client_id, c.id, c.scopes, c.claims, c.refused_scopes, c.refused_claims, c.resources,
      c.notices, c.valid_until, coalesce(o.outdated, '{}') AS outdated, coalesce(o.withheld, '{}') AS withheld${more}
    FROM consents c LEFT JOIN LATERAL (
      SELECT array_agg(DISTINCT p.id) AS outdated,
        array_agg(d.name) FILTER (WHERE p.basis = 'consent'${used ? ' AND d.name IS NOT NULL' : ''}) AS withheld
      FROM (SELECT name, purpose, declaration -> 'see' AS see FROM profile_declarations WHERE name = ANY (${DERIVED})
        UNION ALL
        SELECT name, purpose, declaration -> 'see' FROM profile_declarations WHERE declaration ->> 'scope' = ANY (c.scopes)
        ${used}
      ) d JOIN purposes p ON p.id = d.purpose
      WHERE ${OUTDATED} AND d.see @> '"apps"'
    ) o ON true
    ${uses}
    WHERE c.valid_until IS NULL OR c.valid_until > now()`;

export async function up(knex) {
  const tables = ['consents', 'consent_ledger'];
  for (const table of tables) {
    await knex.raw(
      `ALTER TABLE ${table} ADD COLUMN uses text[] NOT NULL DEFAULT '{}', ADD COLUMN refused_uses text[] NOT NULL DEFAULT '{}'`,
    );
  }
  await knex.raw('DROP VIEW consent_snapshots');
  await knex.raw(
    viewOf(
      `, coalesce(u.uses, '{}') AS uses, c.refused_uses`,
      `UNION ALL SELECT NULL, used, '"apps"' FROM unnest(c.uses) used`,
      `LEFT JOIN LATERAL (
        SELECT array_agg(p.id ORDER BY p.id COLLATE "C") AS uses FROM unnest(c.uses) used JOIN purposes p ON p.id = used
        WHERE p.basis <> 'consent' OR NOT ${OUTDATED}
      ) u ON true`,
    ),
  );
  /* How an app knows somebody where it shares its name for them with no other sector: the way back from it. */
  await knex.raw(`
    CREATE TABLE pairwise_subjects (
      subject bytea CONSTRAINT pairwise_subjects__id PRIMARY KEY,
      account_id uuid NOT NULL CONSTRAINT pairwise_subjects__account REFERENCES accounts (id) ON DELETE CASCADE
    );
    CREATE INDEX pairwise_subjects__by_account ON pairwise_subjects (account_id);
  `);
}

export async function down(knex) {
  await knex.raw('DROP TABLE pairwise_subjects');
  await knex.raw('DROP VIEW consent_snapshots');
  for (const table of ['consents', 'consent_ledger']) {
    await knex.raw(`ALTER TABLE ${table} DROP COLUMN uses, DROP COLUMN refused_uses`);
  }
  await knex.raw(viewOf('', '', ''));
}
