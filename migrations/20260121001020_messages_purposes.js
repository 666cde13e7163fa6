/** A topic that is sent has a purpose that stands; what was declared without one before is refused from its next change on. */
export async function up(knex) {
  await knex.raw(`
    ALTER TABLE topics
      ADD COLUMN live_purpose text GENERATED ALWAYS AS (CASE WHEN retired_at IS NULL THEN purpose END) STORED,
      ADD CONSTRAINT topics__purpose FOREIGN KEY (live_purpose) REFERENCES purposes (id) NOT VALID,
      ADD CONSTRAINT topics__has_purpose CHECK (purpose IS NOT NULL OR retired_at IS NOT NULL) NOT VALID;
  `);
}

export async function down(knex) {
  await knex.raw(
    'ALTER TABLE topics DROP CONSTRAINT topics__has_purpose, DROP CONSTRAINT topics__purpose, DROP COLUMN live_purpose;',
  );
}
