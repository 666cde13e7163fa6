import type { SubjectOf } from '../oidc/subjects.js';
import type { Keyring } from '../platform/crypto/keyring.js';
import type { NameId, SamlApp } from './app.js';
import type { Statement } from './response.js';

/** What a name of somebody is made of. */
export interface Named {
  readonly accountId: string;
  /** The app's share in their session. */
  readonly sid: string;
  readonly email: string | undefined;
}

/**
 * The name an app gets somebody by: the same for good and for this app alone, or another one for each session, or their
 * address, where it was released (Core §8.3). Undefined where it must not be known.
 */
export function nameFor(
  app: SamlApp,
  format: NameId,
  { accountId, sid, email }: Named,
  { keyring, subjectOf }: { readonly keyring: Keyring; readonly subjectOf: SubjectOf },
): Statement['nameId'] | undefined {
  if (format === 'email') return email === undefined ? undefined : { format, value: email };
  if (format === 'transient') {
    const value = keyring.mac('saml-transient', `${app.clientId}\n${sid}`).toString('base64url');
    return { format, value: `_${value}` };
  }
  return { format, value: subjectFor(app, accountId, subjectOf) };
}

/* What an app knows an account by for good. */
const subjectFor = (app: SamlApp, accountId: string, subjectOf: SubjectOf): string =>
  subjectOf(accountId, {
    clientId: app.clientId,
    subjectType: 'pairwise',
    saml_entity: app.saml.entity_id,
  });

/**
 * Claims without an address that nobody proved: an attribute says nothing of that, and apps take every address for proved.
 * One that asks for `email_verified` as well is told both.
 */
export function provedOf(
  claims: Readonly<Record<string, unknown>>,
  email: { readonly verified: boolean } | null,
): Readonly<Record<string, unknown>> {
  if (email?.verified || 'email_verified' in claims) return claims;
  const { email: _unproved, ...rest } = claims;
  return rest;
}

/** Claims as attributes, by the names that the app knows them by. */
export function attributesOf(
  { saml }: SamlApp,
  claims: Readonly<Record<string, unknown>>,
): Statement['attributes'] {
  return Object.entries(claims).map(([claim, value]) => ({
    name: saml.attributes?.[claim] ?? claim,
    values: (Array.isArray(value) ? value : [value]).map(textOf),
  }));
}

const textOf = (value: unknown): string =>
  typeof value === 'object' && value !== null
    ? String((value as { formatted?: unknown }).formatted ?? JSON.stringify(value))
    : String(value);
