/** What lists of apps say of each beside its name. */
export async function up(knex) {
  await knex.raw(`
    CREATE OR REPLACE VIEW client_names AS
      SELECT client_id, coalesce(metadata ->> 'client_name', client_id) AS name,
        first_party, logo_type IS NOT NULL AS has_logo, metadata ->> 'consent_lasts' AS consent_lasts FROM clients;
  `);
}

export async function down(knex) {
  await knex.raw(`
    DROP VIEW client_names;
    CREATE VIEW client_names AS
      SELECT client_id, coalesce(metadata ->> 'client_name', client_id) AS name FROM clients;
  `);
}
