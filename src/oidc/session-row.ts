import type { Keyring } from '../platform/crypto/keyring.js';
import { digest } from '../platform/crypto/tokens.js';
import type { Payload } from './artefacts.js';

/** A session as its row: the id sealed (the engine needs it back), found by digest or by uid, versioned. */
export interface KnownSession {
  readonly payload: Payload;
  readonly version: number;
  /** The session at an identity provider that it came by. */
  readonly upstream?: string;
}

/** What the sealed origin of a session belongs to: it opens nowhere else. */
export const originContext = (uid: string) => `session ${uid}`;

const FIELDS: readonly (readonly [field: string, column: string])[] = [
  ['accountId', 'account_id'],
  ['acr', 'acr'],
  ['amr', 'amr'],
  ['loginTs', 'login_ts'],
  ['transient', 'transient'],
  ['state', 'state'],
  ['authorizations', 'authorizations'],
  ['iat', 'issued_at'],
  ['exp', 'expires_at'],
];

/** Stands for the id of a session that was read along with a token: it is looked at, never saved, and no id has this form. */
export const BY_REFERENCE = '(by reference)';

/** The engine's payload of a session row that came as JSON; none when it was sealed under a secret that is lost. */
export function sessionOf(row: Payload, keyring: Keyring): KnownSession | undefined {
  const sealed = row['id_sealed'];
  const id =
    sealed === undefined ? BY_REFERENCE : opened(keyring, Buffer.from(String(sealed).slice(2), 'hex'));
  if (id === undefined) return undefined;
  const payload: Payload = { jti: id, uid: row['uid'] };
  for (const [field, column] of FIELDS) {
    const value = row[column];
    if (value !== null && value !== undefined) payload[field] = value;
  }
  const upstream = row['upstream'];
  return { payload, version: Number(row['version']), ...(typeof upstream === 'string' && { upstream }) };
}

/** Whether saving would change nothing that matters: the same content, and the expiry moved by less than a tenth. */
export function sameSession(known: Payload, next: Payload): boolean {
  const span = Number(known['exp']) - Number(known['iat']);
  const moved = Math.abs(Number(next['exp']) - Number(known['exp']));
  const content = (payload: Payload) =>
    JSON.stringify(
      ['jti', 'accountId', 'acr', 'amr', 'loginTs', 'transient', 'state', 'authorizations'].map(
        f => payload[f],
      ),
    );
  return moved < span / 10 && content(known) === content(next);
}

const json = (value: unknown) => (value === undefined || value === null ? null : JSON.stringify(value));

/** The values of a session's statement: uid, digest, sealed id, then the fields in the order of `SESSION_COLUMNS`. */
export function sessionValues(payload: Payload, keyring: Keyring): unknown[] {
  const id = String(payload['jti']);
  return [
    payload['uid'],
    digest(id),
    keyring.seal('session-id', id),
    payload['accountId'] ?? null,
    payload['acr'] ?? null,
    payload['amr'] ?? null,
    payload['loginTs'] ?? null,
    payload['transient'] ?? null,
    json(payload['state']),
    json(payload['authorizations']),
    payload['iat'],
    payload['exp'],
  ];
}

export const SESSION_COLUMNS = [
  ['uid', 'text'],
  ['id_digest', 'bytea'],
  ['id_sealed', 'bytea'],
  ['account_id', 'uuid'],
  ['acr', 'text'],
  ['amr', 'text[]'],
  ['login_ts', 'bigint'],
  ['transient', 'boolean'],
  ['state', 'jsonb'],
  ['authorizations', 'jsonb'],
  ['issued_at', 'bigint'],
  ['expires_at', 'bigint'],
] as const;

function opened(keyring: Keyring, sealed: Buffer): string | undefined {
  try {
    return keyring.open('session-id', sealed);
  } catch {
    return undefined;
  }
}
