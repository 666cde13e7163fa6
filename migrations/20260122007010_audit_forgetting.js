/**
 * Events are forgotten from the start of the chain, block by block, and where it begins then is signed before. Nobody but this one
 * function removes one: never the last block, none of the last year, and none that no checkpoint stands for.
 */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE audit_checkpoints (
      nr bigint CONSTRAINT audit_checkpoints__id PRIMARY KEY,
      at timestamptz NOT NULL,
      total bigint NOT NULL,
      hash bytea NOT NULL,
      kid text NOT NULL CONSTRAINT audit_checkpoints__key REFERENCES audit_keys (kid),
      jws text NOT NULL
    );
    CREATE TRIGGER audit_checkpoints__kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoints
      FOR EACH STATEMENT EXECUTE FUNCTION keyhold_only_added_to();

    CREATE FUNCTION keyhold_kept_in_chain() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP = 'DELETE' AND current_setting('keyhold.forgetting', true) = 'on' THEN RETURN NULL; END IF;
      RAISE EXCEPTION '% is only added to', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END $$;
    CREATE OR REPLACE TRIGGER events__kept BEFORE UPDATE OR DELETE OR TRUNCATE ON events
      FOR EACH STATEMENT EXECUTE FUNCTION keyhold_kept_in_chain();
    CREATE OR REPLACE TRIGGER event_blocks__kept BEFORE UPDATE OR DELETE OR TRUNCATE ON event_blocks
      FOR EACH STATEMENT EXECUTE FUNCTION keyhold_kept_in_chain();

    CREATE FUNCTION keyhold_forget_block(number bigint) RETURNS integer
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    DECLARE block event_blocks; gone integer;
    BEGIN
      SELECT * INTO block FROM event_blocks ORDER BY nr LIMIT 1 FOR UPDATE;
      IF block.nr IS DISTINCT FROM number THEN RETURN 0; END IF;
      IF block.at > now() - interval '364 days' THEN
        RAISE EXCEPTION 'events are kept for a year at least' USING ERRCODE = 'restrict_violation';
      END IF;
      IF NOT EXISTS (SELECT FROM event_blocks WHERE nr > number)
        OR NOT EXISTS (SELECT FROM audit_checkpoints WHERE nr >= number) THEN
        RAISE EXCEPTION 'the chain must go on behind what is forgotten' USING ERRCODE = 'restrict_violation';
      END IF;
      PERFORM set_config('keyhold.forgetting', 'on', true);
      DELETE FROM events WHERE id = ANY (block.ids);
      GET DIAGNOSTICS gone = ROW_COUNT;
      DELETE FROM event_blocks WHERE nr = number;
      PERFORM set_config('keyhold.forgetting', '', true);
      RETURN gone;
    END $$;
    REVOKE ALL ON FUNCTION keyhold_forget_block(bigint) FROM PUBLIC;
  `);
}

export async function down(knex) {
  await knex.raw(`
    DROP FUNCTION keyhold_forget_block(bigint);
    CREATE OR REPLACE TRIGGER event_blocks__kept BEFORE UPDATE OR DELETE OR TRUNCATE ON event_blocks
      FOR EACH STATEMENT EXECUTE FUNCTION keyhold_only_added_to();
    CREATE OR REPLACE TRIGGER events__kept BEFORE UPDATE OR DELETE OR TRUNCATE ON events
      FOR EACH STATEMENT EXECUTE FUNCTION keyhold_only_added_to();
    DROP FUNCTION keyhold_kept_in_chain();
    DROP TABLE audit_checkpoints;
  `);
}
