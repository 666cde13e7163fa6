/** A message to everybody who wants a topic goes out in batches; this is how far each has come. */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE dispatches (
      id uuid CONSTRAINT dispatches__id PRIMARY KEY,
      topic text NOT NULL CONSTRAINT dispatches__topic REFERENCES topics (topic),
      channel text NOT NULL CONSTRAINT dispatches__channel CHECK (channel IN ('email', 'sms')),
      begun_at timestamptz NOT NULL,
      reached uuid,
      queued integer NOT NULL DEFAULT 0,
      refused integer NOT NULL DEFAULT 0,
      ended_at timestamptz
    );
    CREATE INDEX dispatches__begun ON dispatches (begun_at DESC);
  `);
}

export async function down(knex) {
  await knex.raw('DROP TABLE dispatches;');
}
