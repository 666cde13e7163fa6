/**
 * What apps are told about a person, and what they answered. A row outlives the account: it names nobody but by what is
 * sealed, and that goes as soon as nothing is left to be told.
 */
export async function up(knex) {
  await knex.raw(`
    -- reason_kind, reason_id: what it is told for; once for each app and command. sealed: the subject as the app knows it, and
    -- the claims that are told, under a key of the installation, since the account's own may be destroyed by then; null when
    -- nothing can be told any more. wakes: the job that is enqueued when it ends. due_at: when it is told next, and while a
    -- process tells it, when another may. until: when it is given up. round: one more each time an operator begins it anew.
    -- answer: a code of ours for what the app said. note: the reason that the app gave for keeping something.
    CREATE TABLE commands (
      id uuid NOT NULL CONSTRAINT commands__id PRIMARY KEY,
      reason_kind text NOT NULL,
      reason_id uuid NOT NULL,
      client_id text NOT NULL,
      command text NOT NULL CONSTRAINT commands__command
        CHECK (command IN ('delete', 'audit', 'suspend', 'reactivate', 'maintain', 'invalidate')),
      account_id uuid,
      sealed bytea,
      wakes text,
      state text NOT NULL CONSTRAINT commands__state
        CHECK (state IN ('waiting', 'accepted', 'confirmed', 'kept', 'received', 'refused', 'unreachable')),
      channel text CONSTRAINT commands__channel CHECK (channel IN ('command', 'risc', 'webhook', 'none')),
      attempts integer NOT NULL DEFAULT 0,
      refusals integer NOT NULL DEFAULT 0,
      round smallint NOT NULL DEFAULT 1,
      due_at timestamptz NOT NULL,
      until timestamptz NOT NULL,
      answer text,
      account_state text,
      note text,
      callback_digest bytea NOT NULL CONSTRAINT commands__callback UNIQUE,
      callback_until timestamptz,
      callback_used_at timestamptz,
      asked_at timestamptz NOT NULL,
      sent_at timestamptz,
      ended_at timestamptz,
      CONSTRAINT commands__once UNIQUE (reason_kind, reason_id, client_id, command),
      CONSTRAINT commands__ended CHECK ((ended_at IS NULL) = (state IN ('waiting', 'accepted'))),
      CONSTRAINT commands__tellable CHECK (ended_at IS NOT NULL OR sealed IS NOT NULL)
    );
    CREATE INDEX commands__waiting ON commands (client_id, due_at, id) WHERE state = 'waiting';
    CREATE INDEX commands__by_until ON commands (until) WHERE state = 'waiting';
    CREATE INDEX commands__by_callback_until ON commands (callback_until) WHERE state = 'accepted';
    CREATE INDEX commands__stuck ON commands (id) WHERE state IN ('refused', 'unreachable') AND sealed IS NOT NULL;
    CREATE INDEX commands__by_account ON commands (account_id) WHERE account_id IS NOT NULL;
    CREATE INDEX commands__by_ended ON commands (ended_at) WHERE ended_at IS NOT NULL;

    -- How an app has answered lately: how often in a row it did not, and until when it is left alone for that.
    CREATE TABLE command_recipients (
      client_id text NOT NULL CONSTRAINT command_recipients__id PRIMARY KEY,
      failures integer NOT NULL,
      left_alone_until timestamptz
    );

    -- Which secret an app's webhooks are signed with; the secrets follow from the installation's and are kept nowhere.
    CREATE TABLE webhook_keys (
      client_id text NOT NULL CONSTRAINT webhook_keys__id PRIMARY KEY,
      generation integer NOT NULL,
      rotated_at timestamptz NOT NULL
    );
  `);
}

export async function down(knex) {
  await knex.raw('DROP TABLE webhook_keys; DROP TABLE command_recipients; DROP TABLE commands;');
}
