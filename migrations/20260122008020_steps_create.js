/** At which step so many people gave up on a day: counted, and nobody named. */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE steps_left (
      day date NOT NULL,
      step text NOT NULL CONSTRAINT steps_left__step CHECK (step ~ '^[a-z-]{1,40}$'),
      people integer NOT NULL,
      CONSTRAINT steps_left__id PRIMARY KEY (day, step)
    );
  `);
}

export async function down(knex) {
  await knex.raw('DROP TABLE steps_left;');
}
