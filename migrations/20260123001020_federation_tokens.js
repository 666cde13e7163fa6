/**
 * Tokens that identity providers gave, for those whose settings say that they are kept; by link, the last ones only. sealed: under
 * a key of the installation, so that they can be given back to their provider when the account's own key is gone.
 */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE federated_tokens (
      account_id uuid NOT NULL CONSTRAINT federated_tokens__account REFERENCES accounts (id) ON DELETE CASCADE,
      link_id uuid NOT NULL,
      provider_id text NOT NULL,
      sealed bytea NOT NULL,
      kept_at timestamptz NOT NULL,
      CONSTRAINT federated_tokens__id PRIMARY KEY (account_id, link_id)
    );
  `);
}

export async function down(knex) {
  await knex.raw('DROP TABLE federated_tokens;');
}
