import { createPublicKey, X509Certificate } from 'node:crypto';
import { z } from 'zod';
import type { ClientMetadata, MetadataIssue } from './metadata.js';

const uri = z.string().min(1, 'must not be empty').max(2048, 'is longer than 2048 characters');

/* As SAML metadata has it: the DER of a certificate in base64, without lines (XML Signature §4.4.4). */
const certificate = z
  .string()
  .max(8_192, 'is longer than 8192 characters')
  .regex(/^[A-Za-z0-9+/]+={0,2}$/, 'must be a certificate in base64, without lines or spaces');

/** Which name an app gets people by (SAML 2.0 Core §8.3); the e-mail address is a claim that is released. */
export const NAME_IDS = ['persistent', 'transient', 'email'] as const;

/** What an app says of itself that speaks SAML 2.0 alone: what its metadata says, and what its operator chose. */
export const samlSchema = z.strictObject({
  entity_id: z
    .string()
    .min(1, 'must not be empty')
    .max(1024, 'is longer than 1024 characters')
    .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces'),
  /** Where it takes answers, by POST; the first where a request names none. */
  acs: z
    .array(z.strictObject({ url: uri, index: z.int().min(0).max(65_535).exactOptional() }))
    .min(1, 'must not be empty')
    .max(10, 'has more than 10 members'),
  /** Where it hears that somebody signed out, by browser or (soap) directly. */
  logout: z
    .array(
      z.strictObject({
        binding: z.enum(['redirect', 'post', 'soap']),
        url: uri,
        /** Where answers go, if elsewhere. */
        answer_url: uri.exactOptional(),
      }),
    )
    .max(6, 'has more than 6 members')
    .exactOptional(),
  /** What its requests are signed with: where there is one, none is taken that is not. */
  signing_certificates: z.array(certificate).max(5, 'has more than 5 members').exactOptional(),
  /** What answers to it are encrypted for: where there is one, they are. */
  encryption_certificate: certificate.exactOptional(),
  name_id: z.enum(NAME_IDS).exactOptional(),
  /** By which name it knows a claim, where not by the claim's own. */
  attributes: z
    .record(
      z.string().max(100),
      z
        .string()
        .min(1)
        .max(255)
        .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces'),
    )
    .exactOptional(),
  /** People may start it from here, without its asking first. */
  startable: z.boolean().exactOptional(),
  /** What it is told then as RelayState. */
  start_state: z
    .string()
    .min(1)
    .max(1024)
    .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII without spaces')
    .exactOptional(),
});

/** How an app that speaks SAML is registered. */
export type SamlRegistration = Readonly<z.infer<typeof samlSchema>>;

/** What such an app is besides: known by a subject of its own, asking by claim, and never at our token endpoint. */
export const SAML_DEFAULTS = {
  token_endpoint_auth_method: 'none',
  subject_type: 'pairwise',
  scope: 'openid',
} as const;

const MEANINGLESS = [
  'redirect_uris',
  'post_logout_redirect_uris',
  'response_modes',
  'jwks',
  'jwks_uri',
  'sector_identifier_uri',
  'initiate_login_uri',
  'backchannel_logout_uri',
  'allowed_origins',
  'authorization_details_types',
  'userinfo_signed_response_alg',
  'require_pushed_authorization_requests',
  'dpop_bound_access_tokens',
] as const satisfies readonly (keyof ClientMetadata)[];

/** What the members of an app that speaks SAML are to each other. */
export function* samlRules(metadata: ClientMetadata): Iterable<MetadataIssue> {
  const { saml } = metadata;
  if (!saml) return;
  yield* otherProtocol(metadata);
  yield* certificateIssues(saml);
  const asked = [...(metadata.required_claims ?? []), ...(metadata.optional_claims ?? [])];
  for (const claim of Object.keys(saml.attributes ?? {}).filter(name => !asked.includes(name))) {
    yield { field: 'saml.attributes', message: `names ${claim}, which is no claim that it declares` };
  }
  if (saml.name_id === 'email' && !metadata.required_claims?.includes('email')) {
    yield { field: 'saml.name_id', message: 'email needs email among required_claims: it is released' };
  }
  const indexes = saml.acs.flatMap(({ index }) => index ?? []);
  if (new Set(indexes).size < indexes.length)
    yield { field: 'saml.acs', message: 'has the same index twice' };
  if (saml.start_state !== undefined && !saml.startable) {
    yield { field: 'saml.start_state', message: 'is only for an app that is startable' };
  }
}

function* otherProtocol(metadata: ClientMetadata): Iterable<MetadataIssue> {
  const { grant_types: grants, application_type: type } = metadata;
  for (const field of MEANINGLESS) {
    const value = metadata[field];
    if (value !== undefined && !(Array.isArray(value) && value.length === 0))
      yield { field, message: 'means nothing to an app that speaks SAML' };
  }
  for (const field of ['token_endpoint_auth_method', 'subject_type', 'scope'] as const) {
    const only = SAML_DEFAULTS[field];
    if (metadata[field] !== only) yield { field, message: `must be ${only} for an app that speaks SAML` };
  }
  if (grants.length !== 1 || grants[0] !== 'authorization_code' || type !== 'web') {
    yield {
      field: 'grant_types',
      message: 'and application_type must be left out by an app that speaks SAML',
    };
  }
}

function* certificateIssues(saml: SamlRegistration): Iterable<MetadataIssue> {
  const named = [
    ...(saml.signing_certificates ?? []).map((of, at) => [`saml.signing_certificates[${at}]`, of] as const),
    ...(saml.encryption_certificate === undefined
      ? []
      : [['saml.encryption_certificate', saml.encryption_certificate] as const]),
  ];
  for (const [field, text] of named) {
    const message = certificateProblem(text, field.includes('encryption'));
    if (message !== undefined) yield { field, message };
  }
}

/* Until when one is valid says nothing in SAML: what counts is that it stands in the metadata (Metadata IOP §2.6.1). */
function certificateProblem(text: string, mustEncrypt: boolean): string | undefined {
  try {
    const key = createPublicKey(new X509Certificate(Buffer.from(text, 'base64')).publicKey.export(PEM));
    const { modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
    if (key.asymmetricKeyType === 'rsa')
      return modulusLength < 2048 ? 'has an RSA key of less than 2048 bits' : undefined;
    if (key.asymmetricKeyType === 'ec' && !mustEncrypt) return undefined;
    return mustEncrypt ? 'must have an RSA key' : 'must have an RSA or EC key';
  } catch {
    return 'is no certificate (X.509)';
  }
}

const PEM = { type: 'spki', format: 'pem' } as const;

/** The addresses of such an app, each with the member that it stands in and what becomes of it. */
export function* samlAddresses({
  acs,
  logout = [],
}: SamlRegistration): Iterable<readonly [string, 'redirect' | 'fetched', string]> {
  for (const [at, { url }] of acs.entries()) yield [`saml.acs[${at}].url`, 'redirect', url];
  for (const [at, { binding, url, answer_url: answers }] of logout.entries()) {
    yield [`saml.logout[${at}].url`, binding === 'soap' ? 'fetched' : 'redirect', url];
    if (answers !== undefined) yield [`saml.logout[${at}].answer_url`, 'redirect', answers];
  }
}
