/** The append-only record of what happened, and the one way to leave jobs behind for the runner. */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE events (
      id uuid CONSTRAINT events__id PRIMARY KEY,
      at timestamptz NOT NULL,
      type text NOT NULL,
      actor_kind text,
      actor_id text,
      account_id uuid,
      client_id text,
      detail jsonb NOT NULL DEFAULT '{}'
    );
    CREATE INDEX events__account ON events (account_id, id DESC);
    CREATE INDEX events__at ON events (at);

    -- Late bound, so that it can be made before the runner's own schema exists. Runs as its owner, so that the server's
    -- lesser role leaves jobs without any right of its own on the runner's tables.
    CREATE FUNCTION keyhold_add_jobs(specs jsonb) RETURNS void
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
      IF specs IS NULL OR jsonb_array_length(specs) = 0 THEN
        RETURN;
      END IF;
      PERFORM graphile_worker.add_jobs(ARRAY(
        SELECT ROW(
          spec->>'identifier',
          (spec->'payload')::json,
          spec->>'queueName',
          (spec->>'run_at')::timestamptz,
          (spec->>'maxAttempts')::smallint,
          spec->>'jobKey',
          (spec->>'priority')::smallint,
          NULL::text[]
        )::graphile_worker.job_spec
        FROM jsonb_array_elements(specs) AS listed(spec)
      ));
    END
    $$;
    REVOKE ALL ON FUNCTION keyhold_add_jobs(jsonb) FROM PUBLIC;
  `);
}

export async function down(knex) {
  await knex.raw('DROP FUNCTION keyhold_add_jobs(jsonb); DROP TABLE events;');
}
