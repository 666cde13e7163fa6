import { createHmac, createSecretKey } from 'node:crypto';

/** The ways by which something about a person leaves to an app. */
export const WAYS = [
  'id_token',
  'access_token',
  'userinfo',
  'introspection',
  'api',
  'webhook',
  'saml',
] as const;
export type Way = (typeof WAYS)[number];

/**
 * What an answer says about itself, the app or the sign-in, and not about the person (RFC 7519 §4.1, OpenID Connect Core
 * §2 and §3.3, RFC 9068 §2.2), and what an app has to keep to, whoever it is about. No attribute has such a name; everything
 * else that leaves is personal, `sub` too.
 */
export const PROTOCOL_CLAIMS: ReadonlySet<string> = new Set(
  `iss aud exp nbf iat jti sid nonce acr amr auth_time azp at_hash c_hash s_hash scope client_id cnf sale_opt_out authorization_details`.split(
    /\s+/,
  ),
);

/* RFC 7662 §2.2 */
const OF_INTROSPECTION: ReadonlySet<string> = new Set(['active', 'token_type']);

/** What an app is told about a person in one way, by the name of each claim. */
export type Told = Readonly<Record<string, unknown>>;

/** What of an answer is about the person. */
export function personalOf(answer: Told, way: Way): Told {
  const isProtocol = (name: string) =>
    PROTOCOL_CLAIMS.has(name) || (way === 'introspection' && OF_INTROSPECTION.has(name));
  const personal: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(answer)) {
    if (value !== undefined && !isProtocol(name)) personal[name] = value;
  }
  return personal;
}

/* The order of members says nothing. */
function sameText(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/** Hashes values of one person: equal ones alike, and unlike those of anybody else. */
export type HashValue = (claim: string, value: unknown) => string;

const BYTES = 16;

/** Opens the hashing under a person's own key; once that is destroyed, nobody can try which value it was. */
export function openHashing(key: Buffer): HashValue {
  /* Key objects: with bytes each use of one costs five times as much. */
  const own = createSecretKey(createHmac('sha256', createSecretKey(key)).update('disclosures').digest());
  return (claim, value) =>
    createHmac('sha256', own)
      .update(`${claim}\n${sameText(value)}`)
      .digest('hex')
      .slice(0, BYTES * 2);
}

/** Hashes by claim. */
export type Hashes = Readonly<Record<string, string>>;

/** The hash of each claim of what is told. */
export function hashesOf(told: Told, hash: HashValue): Hashes {
  return Object.fromEntries(Object.entries(told).map(([claim, value]) => [claim, hash(claim, value)]));
}

/** One claim that left: when, to whom, how, and why it was allowed to. */
export interface Disclosure {
  /** Of all that left in the same answer. */
  readonly id: string;
  readonly claim: string;
  readonly clientId: string;
  /** Undefined for an app that is gone. */
  readonly name: string | undefined;
  readonly way: Way;
  readonly valueHash: string;
  readonly purpose: string | undefined;
  readonly consentId: string | undefined;
  readonly at: Date;
}
