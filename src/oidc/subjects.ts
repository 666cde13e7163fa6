import type { Client } from '../domain/clients/clients.js';
import type { Keyring } from '../platform/crypto/keyring.js';

/** What decides which subject an app knows people by. */
export interface SubjectClient {
  readonly clientId: string;
  readonly subjectType?: string | undefined;
  readonly sectorIdentifier?: string | undefined;
  /** Its name in SAML, where it speaks that. */
  readonly saml_entity?: unknown;
}

/* A host has no space, so that no sector of another app is the same. An entity is a party of its own (SAML 2.0 Core §8.3.7). */
const sectorOf = ({ saml_entity: entity, sectorIdentifier }: SubjectClient) =>
  typeof entity === 'string' ? `saml ${entity}` : sectorIdentifier;

/** The subject that an app knows an account by (OpenID Connect Core §8): the account's id, or one of the app's sector. */
export type SubjectOf = (accountId: string, client: SubjectClient | undefined) => string;

/** Opens the subjects of an installation; a pairwise one is the same for all apps of a sector and says nothing else. */
export function openSubjects(keyring: Keyring): SubjectOf {
  return (accountId, client) =>
    client?.subjectType === 'pairwise'
      ? keyring.mac('pairwise-subject', `${sectorOf(client)}\n${accountId}`).toString('base64url')
      : accountId;
}

/**
 * What decides the subject of a registered app, as the engine has it (OpenID Connect Core §8.1): also of one that is turned
 * off, which the engine does not know any more.
 */
export function subjectClientOf({
  id,
  metadata,
}: Pick<Client, 'id'> & {
  readonly metadata: Pick<
    Client['metadata'],
    'subject_type' | 'sector_identifier_uri' | 'redirect_uris' | 'jwks_uri' | 'response_types' | 'saml'
  >;
}): SubjectClient {
  const {
    subject_type: subjectType,
    sector_identifier_uri: sector,
    redirect_uris: back,
    jwks_uri: keys,
  } = metadata;
  if (metadata.saml) return { clientId: id, subjectType, saml_entity: metadata.saml.entity_id };
  const of = sector ?? (metadata.response_types.length > 0 ? back[0] : keys);
  return { clientId: id, subjectType, ...(of !== undefined && { sectorIdentifier: new URL(of).host }) };
}
