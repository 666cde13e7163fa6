/**
 * What was said about a purpose, word for word and version for version. A version and its words are only added to: what
 * somebody agreed to is found by its number for as long as anybody has to prove it.
 */
export async function up(knex) {
  await knex.raw(`
    ALTER TABLE purposes
      ADD COLUMN declaration jsonb,
      ADD COLUMN version integer NOT NULL DEFAULT 1,
      ADD COLUMN counts_from integer NOT NULL DEFAULT 1;
    CREATE TABLE purpose_versions (
      purpose text NOT NULL,
      version integer NOT NULL,
      counts_from integer NOT NULL,
      matters jsonb NOT NULL,
      applied_at timestamptz NOT NULL,
      CONSTRAINT purpose_versions__id PRIMARY KEY (purpose, version),
      CONSTRAINT purpose_versions__counts CHECK (version >= 1 AND counts_from BETWEEN 1 AND version)
    );
    CREATE TABLE purpose_notices (
      purpose text NOT NULL,
      version integer NOT NULL,
      language text NOT NULL,
      text text NOT NULL,
      digest bytea NOT NULL CONSTRAINT purpose_notices__digest CHECK (digest = sha256(convert_to(text, 'UTF8'))),
      CONSTRAINT purpose_notices__id PRIMARY KEY (purpose, version, language),
      CONSTRAINT purpose_notices__version FOREIGN KEY (purpose, version) REFERENCES purpose_versions (purpose, version)
    );
    CREATE FUNCTION keyhold_only_added_to() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION '% is only added to', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END $$;
    CREATE TRIGGER purpose_versions__kept BEFORE UPDATE OR DELETE OR TRUNCATE ON purpose_versions
      FOR EACH STATEMENT EXECUTE FUNCTION keyhold_only_added_to();
    CREATE TRIGGER purpose_notices__kept BEFORE UPDATE OR DELETE OR TRUNCATE ON purpose_notices
      FOR EACH STATEMENT EXECUTE FUNCTION keyhold_only_added_to();

    UPDATE purposes SET declaration = jsonb_build_object(
      'id', id, 'basis', basis, 'name', name, 'why', why, 'retention', retention);
    INSERT INTO purpose_versions (purpose, version, counts_from, matters, applied_at)
      SELECT id, 1, 1, jsonb_build_object('basis', basis, 'retention', retention, 'attributes', coalesce(
        (SELECT jsonb_agg(d.name ORDER BY d.name COLLATE "C") FROM profile_declarations d WHERE d.purpose = p.id), '[]')),
        applied_at FROM purposes p;
    INSERT INTO purpose_notices (purpose, version, language, text, digest)
      SELECT id, 1, language, text, sha256(convert_to(text, 'UTF8')) FROM (
        SELECT p.id, w.key AS language, coalesce(p.name ->> w.key, p.name ->> 'en') || E'\\n' || w.value AS text
        FROM purposes p, jsonb_each_text(p.why) w) said;
  `);
}

export async function down(knex) {
  await knex.raw(`
    DROP TABLE purpose_notices, purpose_versions;
    DROP FUNCTION keyhold_only_added_to();
    ALTER TABLE purposes DROP COLUMN counts_from, DROP COLUMN version, DROP COLUMN declaration;
  `);
}
