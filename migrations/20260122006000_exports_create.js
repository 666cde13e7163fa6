/**
 * Copies of all that is held about somebody, made on request: a record, what is in it, and the pieces, each sealed under a key
 * of the copy's own, which is itself sealed under the key of its person. Nothing of it lies anywhere in clear.
 */
export async function up(knex) {
  await knex.raw(`
    -- step counts what is on record of the walk, and reached says where it is: each step is on record whole, or not at all.
    CREATE TABLE exports (
      account_id uuid NOT NULL CONSTRAINT exports__account REFERENCES accounts (id) ON DELETE CASCADE,
      id uuid NOT NULL,
      scope text NOT NULL CONSTRAINT exports__scope CHECK (scope IN ('access', 'portability')),
      state text NOT NULL CONSTRAINT exports__state
        CHECK (state IN ('waiting', 'running', 'ready', 'cancelled', 'stopped', 'failed', 'removed', 'expired')),
      language text NOT NULL,
      sealed bytea,
      asked_at timestamptz NOT NULL,
      looked_at timestamptz NOT NULL,
      step integer NOT NULL DEFAULT 0,
      reached jsonb,
      walked integer NOT NULL DEFAULT 0,
      files integer NOT NULL DEFAULT 0,
      rows bigint NOT NULL DEFAULT 0,
      bytes bigint NOT NULL DEFAULT 0,
      ready_at timestamptz,
      expires_at timestamptz,
      ended_at timestamptz,
      fetched_at timestamptz,
      CONSTRAINT exports__id PRIMARY KEY (account_id, id),
      CONSTRAINT exports__openable CHECK (state NOT IN ('waiting', 'running', 'ready') OR sealed IS NOT NULL),
      CONSTRAINT exports__until CHECK ((state = 'ready') <= (expires_at IS NOT NULL))
    );
    CREATE UNIQUE INDEX exports__one_at_once ON exports (account_id) WHERE state IN ('waiting', 'running');
    CREATE INDEX exports__under_way ON exports (looked_at) WHERE state IN ('waiting', 'running');
    CREATE INDEX exports__ready ON exports (expires_at) WHERE state = 'ready';
    CREATE INDEX exports__over ON exports (ended_at) WHERE ended_at IS NOT NULL;

    CREATE TABLE export_files (
      account_id uuid NOT NULL,
      export_id uuid NOT NULL,
      nr integer NOT NULL,
      path text NOT NULL,
      about text,
      rows integer,
      bytes bigint NOT NULL,
      sha256 bytea NOT NULL,
      pieces integer NOT NULL,
      CONSTRAINT export_files__nr PRIMARY KEY (account_id, export_id, nr),
      CONSTRAINT export_files__path UNIQUE (account_id, export_id, path),
      CONSTRAINT export_files__export FOREIGN KEY (account_id, export_id)
        REFERENCES exports (account_id, id) ON DELETE CASCADE
    );

    CREATE TABLE export_pieces (
      account_id uuid NOT NULL,
      export_id uuid NOT NULL,
      file integer NOT NULL,
      nr integer NOT NULL,
      sealed bytea NOT NULL CONSTRAINT export_pieces__size CHECK (octet_length(sealed) <= 1100000),
      CONSTRAINT export_pieces__nr PRIMARY KEY (account_id, export_id, file, nr),
      CONSTRAINT export_pieces__file FOREIGN KEY (account_id, export_id, file)
        REFERENCES export_files (account_id, export_id, nr) ON DELETE CASCADE
    );
    -- Sealed bytes do not get any smaller.
    ALTER TABLE export_pieces ALTER COLUMN sealed SET STORAGE EXTERNAL;
  `);
}

export async function down(knex) {
  await knex.raw('DROP TABLE export_pieces, export_files, exports;');
}
