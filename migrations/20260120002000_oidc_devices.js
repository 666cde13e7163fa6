/**
 * The devices that somebody is signed in with. `known_browsers.device` names a browser for an account, however often it is
 * renamed; a session says in which device it lives, since when the account knows that, and from where its owner signed in
 * (`origin`, sealed under the account's key). A remembered browser says where it was (`sealed` likewise).
 */
export async function up(knex) {
  await knex.raw(`
    ALTER TABLE known_browsers ADD COLUMN device uuid, ADD COLUMN first_seen_at timestamptz;
    ALTER TABLE known_browsers ALTER COLUMN device SET DEFAULT gen_random_uuid(), ALTER COLUMN first_seen_at SET DEFAULT now();
    ALTER TABLE sessions ADD COLUMN device uuid, ADD COLUMN first_seen_at timestamptz, ADD COLUMN origin bytea;
    ALTER TABLE remembered_browsers ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid(), ADD COLUMN sealed bytea;

    CREATE INDEX remembered_browsers__by_account ON remembered_browsers (account_id, id);

    -- A list of sessions and the last use of a grant are read from the index, however many there are.
    DROP INDEX sessions__by_account;
    CREATE INDEX sessions__by_account ON sessions (account_id, login_ts, uid) WHERE account_id IS NOT NULL;
    DROP INDEX refresh_tokens__by_grant;
    CREATE INDEX refresh_tokens__by_grant ON refresh_tokens (grant_id, issued_at);
  `);
}

export async function down(knex) {
  await knex.raw(`
    DROP INDEX refresh_tokens__by_grant;
    CREATE INDEX refresh_tokens__by_grant ON refresh_tokens (grant_id);
    DROP INDEX sessions__by_account;
    CREATE INDEX sessions__by_account ON sessions (account_id) WHERE account_id IS NOT NULL;

    DROP INDEX remembered_browsers__by_account;
    ALTER TABLE remembered_browsers DROP COLUMN sealed, DROP COLUMN id;
    ALTER TABLE sessions DROP COLUMN origin, DROP COLUMN first_seen_at, DROP COLUMN device;
    ALTER TABLE known_browsers DROP COLUMN first_seen_at, DROP COLUMN device;
  `);
}
