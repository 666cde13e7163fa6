/**
 * Every message to somebody with an account: why, by which channel, on which opt-in, and what became of it. To which
 * address and under which subject is sealed under the account's own key. Topics are declared by the operator; their
 * wordings are only added to, so that an opt-in's version and language name exactly what was read.
 */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE messages (
      account_id uuid NOT NULL CONSTRAINT messages__account REFERENCES accounts (id) ON DELETE CASCADE,
      id uuid NOT NULL,
      channel text NOT NULL CONSTRAINT messages__channel CHECK (channel IN ('email', 'sms')),
      kind text NOT NULL CONSTRAINT messages__kind CHECK (kind IN ('security', 'code', 'account', 'topic')),
      template text NOT NULL,
      template_version text NOT NULL,
      language text NOT NULL,
      topic text,
      opt_in uuid,
      sealed bytea,
      queued_at timestamptz NOT NULL,
      state text NOT NULL DEFAULT 'queued'
        CONSTRAINT messages__state CHECK (state IN ('queued', 'sent', 'failed', 'refused', 'withheld')),
      state_at timestamptz NOT NULL,
      reason text,
      tries smallint NOT NULL DEFAULT 0,
      CONSTRAINT messages__id PRIMARY KEY (account_id, id),
      CONSTRAINT messages__topic CHECK ((kind = 'topic') = (topic IS NOT NULL AND opt_in IS NOT NULL))
    );
    CREATE INDEX messages__by_kind ON messages (account_id, kind, id);
    CREATE INDEX messages__undelivered ON messages (account_id, id) WHERE state IN ('failed', 'refused', 'withheld');

    CREATE TABLE topics (
      topic text CONSTRAINT topics__id PRIMARY KEY CONSTRAINT topics__shape CHECK (topic ~ '^[a-z][a-z0-9-]{0,39}$'),
      position integer NOT NULL,
      version integer NOT NULL,
      counts_from integer NOT NULL,
      channels text[] NOT NULL,
      purpose text,
      declared_at timestamptz NOT NULL,
      retired_at timestamptz,
      CONSTRAINT topics__version CHECK (version >= 1 AND counts_from BETWEEN 1 AND version)
    );
    CREATE TABLE topic_wordings (
      topic text NOT NULL CONSTRAINT topic_wordings__topic REFERENCES topics (topic),
      version integer NOT NULL,
      language text NOT NULL,
      name text NOT NULL,
      description text NOT NULL,
      opt_in text NOT NULL,
      CONSTRAINT topic_wordings__id PRIMARY KEY (topic, version, language)
    );

    CREATE TABLE opt_ins (
      account_id uuid NOT NULL CONSTRAINT opt_ins__account REFERENCES accounts (id) ON DELETE CASCADE,
      id uuid NOT NULL,
      topic text NOT NULL,
      channel text NOT NULL CONSTRAINT opt_ins__channel CHECK (channel IN ('email', 'sms')),
      version integer NOT NULL,
      language text NOT NULL,
      given_at timestamptz NOT NULL,
      given_at_place text NOT NULL,
      withdrawn_at timestamptz,
      withdrawn_at_place text,
      CONSTRAINT opt_ins__id PRIMARY KEY (account_id, id),
      CONSTRAINT opt_ins__wording FOREIGN KEY (topic, version, language) REFERENCES topic_wordings (topic, version, language),
      CONSTRAINT opt_ins__withdrawn CHECK ((withdrawn_at IS NULL) = (withdrawn_at_place IS NULL))
    );
    CREATE UNIQUE INDEX opt_ins__live ON opt_ins (account_id, topic, channel) WHERE withdrawn_at IS NULL;
    CREATE INDEX opt_ins__by_topic ON opt_ins (topic, channel, account_id) WHERE withdrawn_at IS NULL;
  `);
}

export async function down(knex) {
  await knex.raw('DROP TABLE opt_ins, topic_wordings, topics, messages;');
}
