/**
 * Which attributes are kept about people, each with the purpose that it is kept for; applied whole, so one row says which
 * application of it stands. Every process is told to assemble itself anew.
 */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE profile_schema (
      only_one boolean DEFAULT true CONSTRAINT profile_schema__one PRIMARY KEY
        CONSTRAINT profile_schema__true CHECK (only_one),
      source text NOT NULL CONSTRAINT profile_schema__source CHECK (source IN ('shipped', 'operator')),
      version integer NOT NULL,
      applied_at timestamptz NOT NULL
    );
    CREATE TABLE profile_declarations (
      name text CONSTRAINT profile_declarations__name PRIMARY KEY,
      position integer NOT NULL,
      purpose text NOT NULL CONSTRAINT profile_declarations__purpose REFERENCES purposes (id) DEFERRABLE INITIALLY DEFERRED,
      declaration jsonb NOT NULL
    );
    CREATE FUNCTION keyhold_profile_schema_changed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_notify('keyhold_keys', '');
      RETURN NULL;
    END $$;
    CREATE TRIGGER profile_schema_changed AFTER INSERT OR UPDATE ON profile_schema
      FOR EACH ROW EXECUTE FUNCTION keyhold_profile_schema_changed();
    CREATE INDEX profile_attributes__by_age ON profile_attributes (attribute, recorded_at);
  `);
}

export async function down(knex) {
  await knex.raw(`
    DROP INDEX profile_attributes__by_age;
    DROP TABLE profile_declarations;
    DROP TABLE profile_schema;
    DROP FUNCTION keyhold_profile_schema_changed();
  `);
}
