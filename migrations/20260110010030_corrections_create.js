/** What people ask to have corrected that they cannot change themselves, in their own words (sealed), and what became of it. */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE corrections (
      account_id uuid NOT NULL CONSTRAINT corrections__account REFERENCES accounts (id) ON DELETE CASCADE,
      id uuid NOT NULL,
      attribute text NOT NULL,
      wish bytea NOT NULL,
      state text NOT NULL CONSTRAINT corrections__state CHECK (state IN ('open', 'done', 'refused', 'withdrawn')),
      answer text,
      asked_at timestamptz NOT NULL,
      settled_at timestamptz,
      CONSTRAINT corrections__id PRIMARY KEY (account_id, id)
    );
    CREATE UNIQUE INDEX corrections__one_open ON corrections (account_id, attribute) WHERE state = 'open';
    CREATE INDEX corrections__open ON corrections (id) WHERE state = 'open';
    CREATE INDEX corrections__settled ON corrections (settled_at) WHERE state <> 'open';

    CREATE VIEW client_names AS
      SELECT client_id, coalesce(metadata ->> 'client_name', client_id) AS name FROM clients;
  `);
}

export async function down(knex) {
  await knex.raw('DROP VIEW client_names; DROP TABLE corrections;');
}
