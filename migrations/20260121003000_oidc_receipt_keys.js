/** The public halves of the keys that signed receipts: a receipt is verified long after its key has gone from the JWKS. */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE receipt_keys (
      kid text CONSTRAINT receipt_keys__id PRIMARY KEY,
      jwk jsonb NOT NULL CONSTRAINT receipt_keys__public CHECK (jwk -> 'd' IS NULL),
      first_used_at timestamptz NOT NULL
    );
    CREATE TRIGGER receipt_keys__kept BEFORE UPDATE OR DELETE OR TRUNCATE ON receipt_keys
      FOR EACH STATEMENT EXECUTE FUNCTION keyhold_only_added_to();
  `);
}

export async function down(knex) {
  await knex.raw('DROP TABLE receipt_keys;');
}
