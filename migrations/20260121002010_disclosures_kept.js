/** What a disclosure says is never changed, by nobody; only what came before it is forgotten once it is removed. */
export async function up(knex) {
  await knex.raw(`
    CREATE TRIGGER disclosures__kept
      BEFORE UPDATE OF account_id, id, claim, client_id, way, value_hash, purpose, consent_id, at ON disclosures
      FOR EACH STATEMENT EXECUTE FUNCTION keyhold_only_added_to();
    CREATE TRIGGER disclosures__whole BEFORE TRUNCATE ON disclosures
      FOR EACH STATEMENT EXECUTE FUNCTION keyhold_only_added_to();
  `);
}

export async function down(knex) {
  await knex.raw(
    'DROP TRIGGER disclosures__whole ON disclosures; DROP TRIGGER disclosures__kept ON disclosures;',
  );
}
