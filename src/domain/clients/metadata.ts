import { z } from 'zod';
import { samlSchema } from './saml.js';

/** The scopes a client may ask for; what it gets when its metadata names none. */
export const STANDARD_SCOPES = ['openid', 'profile', 'email', 'address', 'phone', 'offline_access'] as const;

/** Whether a scope lets a program do what only whoever runs this installation may. */
export const isOperatorScope = (scope: string): boolean => scope.startsWith('operator:');

/** How ID tokens and signed userinfo may be signed: never by a shared secret, never not at all. */
export const SIGNING_ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const;

/** How a client may sign its assertions (RFC 7523). */
export const ASSERTION_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const;

/** RFC 8628 §3.4 */
export const DEVICE_CODE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

const GRANT_TYPES = ['authorization_code', 'refresh_token', 'client_credentials', DEVICE_CODE_GRANT] as const;

const uri = z.string().min(1, 'must not be empty').max(2048, 'is longer than 2048 characters');
const uris = z.array(uri).max(64, 'has more than 64 members').transform(once);
const flag = z.boolean();
const id = z.string().regex(/^[a-z][a-z0-9_]{0,39}$/, 'must be lower-case letters, digits and _, 40 at most');
const claims = z
  .array(z.string().regex(/^[A-Za-z0-9_:./#-]{1,100}$/, 'is no name of a claim'))
  .max(64, 'has more than 64 members')
  .transform(once);

// Line breaks, marks that turn the direction of writing, and invisible spaces let one name pass for another.
const DECEIVING = /[\p{Cc}\p{Cs}\p{Co}\u2028\u2029\u200b\u200e\u200f\u061c\u202a-\u202e\u2060-\u2069\ufeff]/u;

const name = z
  .string()
  .trim()
  .min(1, 'must not be empty')
  .max(100, 'is longer than 100 characters')
  .refine(text => !/[<>]/.test(text), 'must not contain < or >')
  .refine(text => !DECEIVING.test(text), 'must not contain control or invisible characters')
  .transform(text => text.normalize('NFC'));

/** RSA, EC and Ed25519 keys in their public form; anything that could be a secret is refused. */
const publicKey = z
  .looseObject({ kty: z.enum(['RSA', 'EC', 'OKP']), kid: z.string().min(1).max(255).optional() })
  .refine(jwk => !['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'].some(part => part in jwk), {
    message: 'contains a private key: register the public half only, and replace this key',
  })
  .refine(jwk => jwk.kty !== 'RSA' || (typeof jwk.n === 'string' && jwk.n.length >= 342), {
    message: 'is an RSA key of less than 2048 bits',
  })
  .refine(jwk => jwk.kty !== 'EC' || ['P-256', 'P-384', 'P-521'].includes(String(jwk.crv)), {
    message: 'must be on P-256, P-384 or P-521',
  });

/** The members of a client's metadata, by their names in RFC 7591, OpenID Connect and, last, our own. */
export const METADATA_FIELDS = {
  client_name: name.exactOptional(),
  redirect_uris: uris.exactOptional(),
  post_logout_redirect_uris: uris.exactOptional(),
  application_type: z.enum(['web', 'native']).exactOptional(),
  token_endpoint_auth_method: z
    .enum(['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'])
    .exactOptional(),
  token_endpoint_auth_signing_alg: z.enum(ASSERTION_ALGORITHMS).exactOptional(),
  grant_types: z.array(z.enum(GRANT_TYPES)).min(1, 'must not be empty').transform(once).exactOptional(),
  response_types: z
    .array(z.enum(['code']))
    .transform(once)
    .exactOptional(),
  response_modes: z
    .array(z.enum(['query', 'fragment', 'form_post']))
    .min(1, 'must not be empty')
    .transform(once)
    .exactOptional(),
  scope: z
    .string()
    .max(1000, 'is longer than 1000 characters')
    .regex(
      /^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/,
      'must be scopes with one space between',
    )
    .transform(text => once(text.split(' ')).join(' '))
    .exactOptional(),
  contacts: z
    .array(z.email('must be an e-mail address').max(254))
    .max(10, 'has more than 10 members')
    .exactOptional(),
  client_uri: uri.exactOptional(),
  logo_uri: uri.exactOptional(),
  policy_uri: uri.exactOptional(),
  tos_uri: uri.exactOptional(),
  jwks_uri: uri.exactOptional(),
  jwks: z
    .strictObject({
      keys: z.array(publicKey).min(1, 'must not be empty').max(20, 'has more than 20 members'),
    })
    .exactOptional(),
  software_id: name.exactOptional(),
  software_version: name.exactOptional(),
  subject_type: z.enum(['public', 'pairwise']).exactOptional(),
  sector_identifier_uri: uri.exactOptional(),
  id_token_signed_response_alg: z.enum(SIGNING_ALGORITHMS).exactOptional(),
  userinfo_signed_response_alg: z.enum(SIGNING_ALGORITHMS).exactOptional(),
  default_max_age: z.int('must be a whole number of seconds').min(0, 'must not be negative').exactOptional(),
  require_auth_time: flag.exactOptional(),
  default_acr_values: z
    .array(z.enum(['aal1', 'aal2', 'phr']))
    .transform(once)
    .exactOptional(),
  initiate_login_uri: uri.exactOptional(),
  backchannel_logout_uri: uri.exactOptional(),
  backchannel_logout_session_required: flag.exactOptional(),
  /** Where it takes OpenID Provider Commands, and which. */
  command_endpoint: uri.exactOptional(),
  commands_supported: z
    .array(z.string().regex(/^[a-z][a-z_]{0,39}$/, 'is no name of a command'))
    .min(1, 'must not be empty')
    .max(32, 'has more than 32 members')
    .transform(once)
    .exactOptional(),
  /** Where it takes security events (RFC 8935) of RISC 1.0. */
  risc_endpoint: uri.exactOptional(),
  /** Where it takes signed webhooks (Standard Webhooks). */
  webhook_uri: uri.exactOptional(),
  require_pushed_authorization_requests: flag.exactOptional(),
  dpop_bound_access_tokens: flag.exactOptional(),
  /** Whether an authorization request must carry an S256 challenge. */
  require_pkce: flag.exactOptional(),
  /** Whether the operator's own house runs it, so that nobody is asked for consent; only an operator may say so. */
  first_party: flag.exactOptional(),
  /** Whether http on loopback is let through; only where the issuer is on loopback itself. */
  development: flag.exactOptional(),
  /** Which origins may call us from a browser. */
  allowed_origins: z.array(uri).max(64, 'has more than 64 members').transform(once).exactOptional(),
  /** How strongly everybody signs in for it, whatever a request says; `default_acr_values` is a wish. */
  minimum_acr: z.enum(['aal2', 'phr']).exactOptional(),
  /** Pages of the house itself that may use its passkeys in the browser (WebAuthn Level 3 §5.11); only an operator may say so. */
  webauthn_origins: z.array(uri).max(16, 'has more than 16 members').transform(once).exactOptional(),
  /** How long what somebody allows this app lasts before they are asked again; by default until it is taken back. */
  consent_lasts: z
    .string()
    .regex(/^[1-9]\d{0,3} days?$/, 'is no number of days, such as "365 days"')
    .exactOptional(),
  /** What it asks for, by the ids of the purposes here: it is offered nothing that is held for another one. */
  purposes: z.array(id).max(64, 'has more than 64 members').transform(once).exactOptional(),
  /** The claims that it cannot do without, and may call essential. */
  required_claims: claims.exactOptional(),
  /** The claims that it would like, and does without. */
  optional_claims: claims.exactOptional(),
  /** The types of `authorization_details` that it sends (RFC 9396 §10). */
  authorization_details_types: z
    .array(z.enum(['data_use']))
    .transform(once)
    .exactOptional(),
  /** What it says of itself where it speaks SAML 2.0 and nothing else; only an operator may register such an app. */
  saml: samlSchema.exactOptional(),
  /** The operator's own word for where this client runs. */
  environment: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'must be 1 to 32 of a-z, 0-9 and -')
    .exactOptional(),
} as const;

/** The one schema of client metadata: for shell, console, API and dynamic registration, and for their documentation. */
export const metadataSchema = z.strictObject(METADATA_FIELDS);

/** Metadata as somebody gives it: every member well-formed, none required. */
export type GivenMetadata = Readonly<z.infer<typeof metadataSchema>>;

/** Metadata as it is kept: checked, and with every default written out. */
export type ClientMetadata = Readonly<
  Omit<GivenMetadata, 'first_party'> &
    Required<
      Pick<
        GivenMetadata,
        | 'application_type'
        | 'grant_types'
        | 'id_token_signed_response_alg'
        | 'redirect_uris'
        | 'require_pkce'
        | 'response_types'
        | 'scope'
        | 'subject_type'
        | 'token_endpoint_auth_method'
      >
    >
>;

/** What the rules need to know of this installation; the configuration is one. */
export interface ClientRules {
  readonly issuer: URL;
  readonly allowPrivateNetwork: boolean;
  /** The scopes that may be registered; the standard ones when absent. */
  readonly scopes?: readonly string[];
  /** What an app can declare that it asks for; nothing when absent. */
  readonly declarable?: Declarable;
}

/** The purposes there are, and the claims that apps may have. */
export interface Declarable {
  readonly purposes: readonly string[];
  readonly claims: readonly {
    readonly name: string;
    readonly scope: string | undefined;
    readonly purpose: string;
  }[];
}

/** One thing that is wrong with one member, worded to follow the member's name. */
export interface MetadataIssue {
  readonly field: string;
  readonly message: string;
}

function once<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
