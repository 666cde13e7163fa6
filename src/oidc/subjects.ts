import type { Keyring } from '../platform/crypto/keyring.js';

/** What decides which subject an app knows people by. */
export interface SubjectClient {
  readonly clientId: string;
  readonly subjectType?: string | undefined;
  readonly sectorIdentifier?: string | undefined;
}

/** The subject that an app knows an account by (OpenID Connect Core §8): the account's id, or one of the app's sector. */
export type SubjectOf = (accountId: string, client: SubjectClient | undefined) => string;

/** Opens the subjects of an installation; a pairwise one is the same for all apps of a sector and says nothing else. */
export function openSubjects(keyring: Keyring): SubjectOf {
  return (accountId, client) =>
    client?.subjectType === 'pairwise'
      ? keyring.mac('pairwise-subject', `${client.sectorIdentifier}\n${accountId}`).toString('base64url')
      : accountId;
}
