const TOKEN_COLUMNS = `
      digest bytea PRIMARY KEY,
      grant_id text CONSTRAINT %s__grant REFERENCES grants (id) ON DELETE CASCADE,
      account_id uuid,
      client_id text NOT NULL,
      session_uid text,
      expires_with_session boolean,
      gty text,
      scope text,
      sid text,
      claims jsonb,
      rar jsonb,
      jkt text,
      x5t_s256 text,
      issued_at bigint NOT NULL,
      expires_at bigint NOT NULL`;

const SLOTS = [0, 1, 2, 3];

function slots(table) {
  return SLOTS.map(
    slot => `CREATE TABLE ${table}_${slot} PARTITION OF ${table} FOR VALUES IN (${slot});`,
  ).join('\n    ');
}

/**
 * The protocol's artefacts, one table for each kind. Codes and tokens are kept as SHA-256 digests, session ids sealed.
 * Tokens hang on their grant: removing the grant removes the family, also what a concurrent request is just adding.
 * Interactions and codes live in four hourly slots that are emptied whole. Times are seconds since 1970, as in a JWT.
 */
export async function up(knex) {
  await knex.raw(`
    CREATE TABLE sessions (
      uid text PRIMARY KEY,
      id_digest bytea NOT NULL,
      id_sealed bytea NOT NULL,
      account_id uuid,
      acr text,
      amr text[],
      login_ts bigint,
      transient boolean,
      state jsonb,
      authorizations jsonb,
      issued_at bigint NOT NULL,
      expires_at bigint NOT NULL,
      version integer NOT NULL DEFAULT 1,
      ended_at timestamptz,
      ended_reason text
    );
    CREATE UNIQUE INDEX sessions__id ON sessions (id_digest);
    CREATE INDEX sessions__by_account ON sessions (account_id) WHERE account_id IS NOT NULL;
    CREATE INDEX sessions__by_expiry ON sessions (expires_at);

    CREATE TABLE grants (
      id text PRIMARY KEY,
      account_id uuid NOT NULL,
      client_id text NOT NULL,
      session_uid text,
      openid jsonb,
      resources jsonb,
      rejected jsonb,
      rar jsonb,
      issued_at bigint NOT NULL,
      expires_at bigint NOT NULL
    );
    CREATE INDEX grants__by_account ON grants (account_id, client_id);
    CREATE INDEX grants__by_expiry ON grants (expires_at);

    CREATE TABLE access_tokens (${TOKEN_COLUMNS.replace('%s', 'access_tokens')},
      aud text,
      extra jsonb
    );
    CREATE TABLE refresh_tokens (${TOKEN_COLUMNS.replace('%s', 'refresh_tokens')},
      consumed_at bigint,
      acr text,
      amr text[],
      auth_time bigint,
      nonce text,
      resource jsonb,
      rotations integer,
      iiat bigint,
      attestation_jkt text
    );
    CREATE TABLE client_credentials_tokens (
      digest bytea PRIMARY KEY,
      client_id text NOT NULL,
      scope text,
      aud text,
      extra jsonb,
      rar jsonb,
      jkt text,
      x5t_s256 text,
      issued_at bigint NOT NULL,
      expires_at bigint NOT NULL
    );
    CREATE INDEX access_tokens__by_grant ON access_tokens (grant_id);
    CREATE INDEX access_tokens__by_expiry ON access_tokens (expires_at);
    CREATE INDEX refresh_tokens__by_grant ON refresh_tokens (grant_id);
    CREATE INDEX refresh_tokens__by_expiry ON refresh_tokens (expires_at);
    CREATE INDEX client_credentials_tokens__by_expiry ON client_credentials_tokens (expires_at);

    CREATE TABLE replays (id text PRIMARY KEY, iss text, issued_at bigint NOT NULL, expires_at bigint NOT NULL);
    CREATE INDEX replays__by_expiry ON replays (expires_at);

    CREATE TABLE authorization_codes (
      slot smallint NOT NULL,
      digest bytea NOT NULL,
      grant_id text CONSTRAINT authorization_codes__grant REFERENCES grants (id) ON DELETE CASCADE,
      account_id uuid,
      client_id text NOT NULL,
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
      code_challenge text,
      code_challenge_method text,
      redirect_uri text,
      dpop_jkt text,
      attestation_jkt text,
      rar jsonb,
      issued_at bigint NOT NULL,
      expires_at bigint NOT NULL,
      PRIMARY KEY (slot, digest)
    ) PARTITION BY LIST (slot);
    CREATE INDEX authorization_codes__by_grant ON authorization_codes (grant_id);
    ${slots('authorization_codes')}

    CREATE TABLE interactions (
      slot smallint NOT NULL,
      id text NOT NULL,
      return_to text NOT NULL,
      prompt jsonb NOT NULL,
      params jsonb NOT NULL,
      session jsonb,
      result jsonb,
      last_submission jsonb,
      trusted jsonb,
      grant_id text,
      device_code text,
      cid text,
      par_jti text,
      progress jsonb,
      issued_at bigint NOT NULL,
      expires_at bigint NOT NULL,
      PRIMARY KEY (slot, id)
    ) PARTITION BY LIST (slot);
    ${slots('interactions')}

    CREATE FUNCTION keyhold_require(holds boolean, kind text) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
      IF holds IS NOT TRUE THEN
        RAISE EXCEPTION '%', kind USING ERRCODE = 'KH001';
      END IF;
    END $$;

    CREATE FUNCTION keyhold_empty_slot(number smallint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public SET lock_timeout = '1s' AS $$
    BEGIN
      EXECUTE format('TRUNCATE %I, %I', 'interactions_' || number, 'authorization_codes_' || number);
    END $$;

    CREATE TABLE signing_keys (
      kid text PRIMARY KEY,
      alg text NOT NULL,
      state text NOT NULL CONSTRAINT signing_keys__state CHECK (state IN ('pending', 'active', 'retiring', 'retired')),
      sealed bytea NOT NULL,
      created_at timestamptz NOT NULL,
      activates_at timestamptz NOT NULL,
      retires_at timestamptz
    );
    CREATE UNIQUE INDEX signing_keys__one_active ON signing_keys (alg) WHERE state = 'active';
  `);
}

export async function down(knex) {
  await knex.raw(`
    DROP TABLE signing_keys;
    DROP FUNCTION keyhold_empty_slot(smallint);
    DROP FUNCTION keyhold_require(boolean, text);
    DROP TABLE interactions, authorization_codes, replays, client_credentials_tokens, refresh_tokens, access_tokens, grants, sessions;
  `);
}
