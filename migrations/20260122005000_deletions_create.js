/**
 * The end of an account: what was asked, how far it has come, whom it was told to and what they answered. It outlives the
 * account under a number of its own; the one link between the two is a row that goes with the account.
 */
export async function up(knex) {
  await knex.raw(`
    -- link: digest of what the private link of the statement carries. key: of this deletion, sealed under the installation's;
    -- sealed: under it, where mail goes, and the link, for as long as there is something to write. mark: the account's id
    -- under a key, as it stands in the list of what was erased. look_at: when something is to be done about it.
    CREATE TABLE deletions (
      id uuid CONSTRAINT deletions__id PRIMARY KEY,
      state text NOT NULL CONSTRAINT deletions__state
        CHECK (state IN ('waiting', 'undone', 'begun', 'told', 'removed', 'finished', 'audited')),
      cause text NOT NULL CONSTRAINT deletions__cause CHECK (cause IN ('person', 'dormancy', 'restored')),
      link bytea NOT NULL CONSTRAINT deletions__link UNIQUE,
      key bytea,
      sealed bytea,
      mark bytea NOT NULL,
      asked_at timestamptz NOT NULL,
      begins_at timestamptz NOT NULL,
      undone_at timestamptz,
      begun_at timestamptz,
      told_at timestamptz,
      removed_at timestamptz,
      finished_at timestamptz,
      audits_at timestamptz,
      audited_at timestamptz,
      look_at timestamptz,
      trouble text,
      tries integer NOT NULL DEFAULT 0,
      CONSTRAINT deletions__forgotten CHECK (state NOT IN ('undone', 'finished', 'audited') OR num_nonnulls(key, sealed) = 0)
    );
    CREATE INDEX deletions__by_look ON deletions (look_at) WHERE look_at IS NOT NULL;
    CREATE INDEX deletions__by_asked ON deletions (asked_at DESC, id DESC);
    CREATE INDEX deletions__over ON deletions (coalesce(audited_at, undone_at)) WHERE state IN ('undone', 'audited');

    CREATE TABLE deletion_subjects (
      account_id uuid CONSTRAINT deletion_subjects__id PRIMARY KEY
        CONSTRAINT deletion_subjects__account REFERENCES accounts (id) ON DELETE CASCADE,
      deletion_id uuid NOT NULL CONSTRAINT deletion_subjects__deletion UNIQUE REFERENCES deletions (id) ON DELETE CASCADE
    );

    -- subject: by which the app knows the person, sealed under the deletion's key until the statement is finished.
    -- claims: which things about them it had been told. note: the app's own words, or the operator's.
    CREATE TABLE deletion_recipients (
      deletion_id uuid NOT NULL CONSTRAINT deletion_recipients__deletion REFERENCES deletions (id) ON DELETE CASCADE,
      client_id text NOT NULL,
      name text,
      subject bytea,
      claims text[] NOT NULL DEFAULT '{}',
      told_last_at timestamptz,
      state text NOT NULL DEFAULT 'noted' CONSTRAINT deletion_recipients__state
        CHECK (state IN ('noted', 'asked', 'later', 'confirmed', 'kept', 'received', 'refused', 'unreachable', 'settled')),
      answer text,
      note text,
      attempts integer NOT NULL DEFAULT 0,
      asked_at timestamptz,
      ended_at timestamptz,
      audit text CONSTRAINT deletion_recipients__audit CHECK (audit IN ('asked', 'gone', 'kept', 'there', 'unknown')),
      audited_at timestamptz,
      CONSTRAINT deletion_recipients__id PRIMARY KEY (deletion_id, client_id)
    );

    -- When an account goes for good; it rides with every read of the account, so that nothing has to look for it.
    ALTER TABLE accounts ADD COLUMN leaving_at timestamptz;
    CREATE INDEX accounts__archived ON accounts (look_at) WHERE state = 'archived' AND leaving_at IS NULL;
    ${reachable("AND state <> 'closed'")}
  `);
  await withLeaving(knex, 'identified_accounts', 'a.leaving_at');
  await withLeaving(
    knex,
    'account_snapshots',
    '(floor((EXTRACT(epoch FROM a.leaving_at) * (1000)::numeric)))::bigint AS leaving_at',
  );
}

/* Whoever has an account keeps a proved address; an account that is on its way out has none in the end. */
const reachable = closed => `
    CREATE OR REPLACE FUNCTION email_addresses_reachable() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      -- One after the other, so that of two works that each leave one address to the other the later one sees what is left.
      PERFORM FROM accounts WHERE id = OLD.account_id ${closed} FOR NO KEY UPDATE;
      IF NOT FOUND THEN RETURN NULL; END IF;
      IF NOT EXISTS (SELECT FROM email_addresses
        WHERE account_id = OLD.account_id AND is_primary AND verified_at IS NOT NULL) THEN
        RAISE EXCEPTION 'the last proved address stays' USING ERRCODE = '23514',
          TABLE = 'email_addresses', CONSTRAINT = 'email_addresses__reachable';
      END IF;
      RETURN NULL;
    END $$;`;

/* Whatever the view has by now stays as it is; a column is added at its end. */
async function withLeaving(knex, view, column) {
  const { rows } = await knex.raw(`SELECT pg_get_viewdef(?::regclass) AS definition`, [view]);
  const definition = rows[0].definition.replace(/\n {3}FROM /, `,\n    ${column}\n   FROM `);
  await knex.raw(`CREATE OR REPLACE VIEW ${view} AS ${definition.replaceAll('?', '\\?')}`);
}

export async function down(knex) {
  for (const view of ['identified_accounts', 'account_snapshots']) {
    const { rows } = await knex.raw(`SELECT pg_get_viewdef(?::regclass) AS definition`, [view]);
    const definition = rows[0].definition.replace(/,\n[^\n]*leaving_at[^\n,]*(?=\n {3}FROM )/, '');
    await knex.raw(`DROP VIEW ${view}; CREATE VIEW ${view} AS ${definition.replaceAll('?', '\\?')}`);
  }
  await knex.raw(`
    ${reachable('')}
    ALTER TABLE accounts DROP COLUMN leaving_at;
    DROP TABLE deletion_recipients, deletion_subjects, deletions;
  `);
}
