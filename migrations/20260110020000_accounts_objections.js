/**
 * Each proven address gets a link of its own to object by, about whatever kind of change, so that what a link may undo can
 * depend on whose mailbox it lies in; what there is to undo is sealed with the rest. `passkey_id` is read for links that were
 * sent before.
 */
export async function up(knex) {
  await knex.raw(`
    ALTER TABLE objections DROP CONSTRAINT objections__about,
      ADD CONSTRAINT objections__about CHECK (about ~ '^[a-z][a-z_-]{1,60}$');
  `);
}

export async function down(knex) {
  await knex.raw(`
    DELETE FROM objections WHERE about NOT IN ('recovery', 'passkey-added');
    ALTER TABLE objections DROP CONSTRAINT objections__about,
      ADD CONSTRAINT objections__about CHECK (about IN ('recovery', 'passkey-added'));
  `);
}
