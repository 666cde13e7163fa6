const SLOTS = [0, 1, 2, 3];

const emptySlot = tables => `
  CREATE OR REPLACE FUNCTION keyhold_empty_slot(number smallint) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public SET lock_timeout = '1s' AS $$
  BEGIN
    EXECUTE format('TRUNCATE ${tables.map(() => '%I').join(', ')}', ${tables.map(table => `'${table}_' || number`).join(', ')});
  END $$;`;

/** Pushed authorization requests (RFC 9126), by digest of their `request_uri`, in hourly slots like pending requests. */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE pushed_authorization_requests (
      slot smallint NOT NULL,
      digest bytea NOT NULL,
      request text NOT NULL,
      dpop_jkt text,
      attestation_jkt text,
      trusted boolean,
      consumed_at bigint,
      issued_at bigint NOT NULL,
      expires_at bigint NOT NULL,
      PRIMARY KEY (slot, digest)
    ) PARTITION BY LIST (slot);
    ${SLOTS.map(
      slot =>
        `CREATE TABLE pushed_authorization_requests_${slot} PARTITION OF pushed_authorization_requests FOR VALUES IN (${slot});`,
    ).join('\n    ')}
    ${emptySlot(['interactions', 'authorization_codes', 'pushed_authorization_requests'])}
  `);
}

export async function down(knex) {
  await knex.raw(`
    ${emptySlot(['interactions', 'authorization_codes'])}
    DROP TABLE pushed_authorization_requests;
  `);
}
