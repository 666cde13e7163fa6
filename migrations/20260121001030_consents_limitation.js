/**
 * When an account goes, its ledger stays without a link to it, until nobody can ask for proof any more. Nobody but this one
 * function removes anything of it, and never of somebody who has an account.
 */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE consent_orphans (
      subject uuid CONSTRAINT consent_orphans__id PRIMARY KEY,
      since timestamptz NOT NULL
    );
    CREATE INDEX consent_orphans__by_since ON consent_orphans (since);
    CREATE FUNCTION keyhold_consents_orphaned() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO consent_orphans (subject, since) VALUES (OLD.subject, now()) ON CONFLICT DO NOTHING;
      RETURN NULL;
    END $$;
    CREATE TRIGGER consent_subjects__gone AFTER DELETE ON consent_subjects
      FOR EACH ROW EXECUTE FUNCTION keyhold_consents_orphaned();

    CREATE OR REPLACE FUNCTION keyhold_only_added_to() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'consent_ledger'
        AND current_setting('keyhold.limitation', true) = 'over' THEN RETURN NULL;
      END IF;
      RAISE EXCEPTION '% is only added to', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END $$;
    CREATE FUNCTION keyhold_forget_consents(before timestamptz, most integer) RETURNS integer
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    DECLARE gone uuid[];
    BEGIN
      IF before > now() - interval '364 days' THEN
        RAISE EXCEPTION 'the ledger is kept for a year at least' USING ERRCODE = 'restrict_violation';
      END IF;
      SELECT array_agg(subject) INTO gone FROM (
        SELECT subject FROM consent_orphans WHERE since < before ORDER BY since LIMIT most FOR UPDATE SKIP LOCKED) found;
      PERFORM set_config('keyhold.limitation', 'over', true);
      DELETE FROM consent_ledger l WHERE l.subject = ANY (gone)
        AND NOT EXISTS (SELECT FROM consent_subjects s WHERE s.subject = l.subject);
      PERFORM set_config('keyhold.limitation', '', true);
      DELETE FROM consent_orphans WHERE subject = ANY (gone);
      RETURN coalesce(cardinality(gone), 0);
    END $$;
    REVOKE ALL ON FUNCTION keyhold_forget_consents(timestamptz, integer) FROM PUBLIC;
  `);
}

export async function down(knex) {
  await knex.raw(`
    DROP FUNCTION keyhold_forget_consents(timestamptz, integer);
    CREATE OR REPLACE FUNCTION keyhold_only_added_to() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION '% is only added to', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END $$;
    DROP TRIGGER consent_subjects__gone ON consent_subjects;
    DROP FUNCTION keyhold_consents_orphaned();
    DROP TABLE consent_orphans;
  `);
}
