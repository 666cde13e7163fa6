/** The development mailbox: where mail lands when no SMTP server is set. */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE mailbox (
      id uuid CONSTRAINT mailbox__id PRIMARY KEY,
      at timestamptz NOT NULL DEFAULT now(),
      to_address text NOT NULL,
      subject text NOT NULL,
      text text NOT NULL,
      html text NOT NULL
    );
  `);
}

export async function down(knex) {
  await knex.raw('DROP TABLE mailbox;');
}
