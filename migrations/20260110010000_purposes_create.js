/** Why anything is held: the basis, the words, and how long. */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE purposes (
      id text CONSTRAINT purposes__id PRIMARY KEY,
      position integer NOT NULL,
      basis text NOT NULL CONSTRAINT purposes__basis CHECK (basis IN
        ('consent', 'contract', 'legal_obligation', 'vital_interest', 'public_task', 'legitimate_interest')),
      name jsonb NOT NULL,
      why jsonb NOT NULL,
      retention text NOT NULL,
      applied_at timestamptz NOT NULL
    );
  `);
}

export async function down(knex) {
  await knex.raw('DROP TABLE purposes;');
}
