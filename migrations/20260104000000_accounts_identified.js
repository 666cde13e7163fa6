/** Whom an identifier leads to, in one row: published for reading along with what proves that it is theirs. */
export async function up(knex) {
  await knex.raw(`
    CREATE VIEW identified_accounts AS
      SELECT i.kind, i.value, a.id, a.state, a.language, a.opened_at, a.proofs_from, a.signed_out_before,
        k.sealed AS subject_key
      FROM identifiers i
      JOIN accounts a ON a.id = i.account_id
      LEFT JOIN subject_keys k ON k.account_id = a.id;
  `);
}

export async function down(knex) {
  await knex.raw('DROP VIEW identified_accounts;');
}
