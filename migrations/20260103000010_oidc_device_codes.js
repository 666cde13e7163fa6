/**
 * Devices that wait for somebody to let them in (RFC 8628), by digest of their device code; the code that a person types
 * is kept as a keyed digest, since it is short. `in_flight`: somebody has said that the device is theirs.
 */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE device_codes (
      digest bytea PRIMARY KEY,
      user_code bytea NOT NULL CONSTRAINT device_codes__user_code UNIQUE,
      client_id text NOT NULL,
      params jsonb NOT NULL,
      device_info jsonb,
      in_flight boolean,
      error text,
      error_description text,
      grant_id text CONSTRAINT device_codes__grant REFERENCES grants (id) ON DELETE CASCADE,
      account_id uuid,
      session_uid text,
      expires_with_session boolean,
      consumed_at bigint,
      acr text,
      amr text[],
      auth_time bigint,
      claims jsonb,
      nonce text,
      resource jsonb,
      scope text,
      sid text,
      rar jsonb,
      attestation_jkt text,
      polled_at timestamptz,
      poll_interval integer NOT NULL DEFAULT 5,
      issued_at bigint NOT NULL,
      expires_at bigint NOT NULL
    );
    CREATE INDEX device_codes__by_grant ON device_codes (grant_id) WHERE grant_id IS NOT NULL;
    CREATE INDEX device_codes__by_expiry ON device_codes (expires_at);
  `);
}

export async function down(knex) {
  await knex.raw('DROP TABLE device_codes');
}
