/**
 * Events in a chain: each that commits is marked, and one job after the other puts what is marked into blocks, each of which
 * names the one before it and is signed. What was there before the chain is marked bit by bit by that job, never here.
 */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE unsealed_events (
      id uuid CONSTRAINT unsealed_events__id PRIMARY KEY
    ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

    CREATE TABLE audit_keys (
      kid text CONSTRAINT audit_keys__id PRIMARY KEY,
      jwk jsonb NOT NULL CONSTRAINT audit_keys__public CHECK (jwk -> 'd' IS NULL),
      first_used_at timestamptz NOT NULL DEFAULT now()
    );

    CREATE TABLE event_blocks (
      nr bigint CONSTRAINT event_blocks__id PRIMARY KEY,
      at timestamptz NOT NULL,
      -- How many events there are in all blocks up to this one, and when the first and the last of its own happened (ms).
      total bigint NOT NULL,
      span int8range NOT NULL,
      ids uuid[] NOT NULL,
      leaves bytea NOT NULL CONSTRAINT event_blocks__leaves CHECK (octet_length(leaves) = 32 * cardinality(ids)),
      hash bytea NOT NULL,
      kid text NOT NULL CONSTRAINT event_blocks__key REFERENCES audit_keys (kid),
      signature bytea NOT NULL
    );
    CREATE INDEX event_blocks__span ON event_blocks USING gist (span);

    -- Events from before the chain that are still to be marked: those after the one, up to the other.
    CREATE TABLE events_before (
      until uuid CONSTRAINT events_before__id PRIMARY KEY,
      after uuid NOT NULL
    );

    CREATE TABLE audit_checks (
      id uuid CONSTRAINT audit_checks__id PRIMARY KEY,
      began_at timestamptz NOT NULL,
      ended_at timestamptz,
      walk jsonb NOT NULL
    );
    CREATE INDEX audit_checks__by_began ON audit_checks (began_at);

    CREATE FUNCTION keyhold_mark_events() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO public.unsealed_events SELECT id FROM added;
      RETURN NULL;
    END $$;
    -- Waits for whoever is writing: from here on every event is marked.
    CREATE TRIGGER events__marked AFTER INSERT ON events REFERENCING NEW TABLE AS added
      FOR EACH STATEMENT EXECUTE FUNCTION keyhold_mark_events();
    CREATE TRIGGER events__kept BEFORE UPDATE OR DELETE OR TRUNCATE ON events
      FOR EACH STATEMENT EXECUTE FUNCTION keyhold_only_added_to();
    CREATE TRIGGER event_blocks__kept BEFORE UPDATE OR DELETE OR TRUNCATE ON event_blocks
      FOR EACH STATEMENT EXECUTE FUNCTION keyhold_only_added_to();
    CREATE TRIGGER audit_keys__kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_keys
      FOR EACH STATEMENT EXECUTE FUNCTION keyhold_only_added_to();

    INSERT INTO events_before (after, until)
      SELECT '00000000-0000-0000-0000-000000000000', id FROM events ORDER BY id DESC LIMIT 1;
  `);
}

export async function down(knex) {
  await knex.raw(`
    DROP TRIGGER events__kept ON events;
    DROP TRIGGER events__marked ON events;
    DROP FUNCTION keyhold_mark_events();
    DROP TABLE audit_checks, events_before, event_blocks, audit_keys, unsealed_events;
  `);
}
