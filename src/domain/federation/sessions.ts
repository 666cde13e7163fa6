import { v7 as uuidv7 } from 'uuid';
import type { Keyring } from '../../platform/crypto/keyring.js';
import type { Db } from '../../platform/storage/db.js';
import { openPersonal } from '../../platform/storage/origin.js';
import type { Work } from '../../platform/storage/work.js';
import type { Linking } from './links.js';
import type { SessionThere } from './saml/assertion.js';
import * as store from './session-store.js';

export { listSessionsOfLink, type NamedSession, sessionStands } from './session-store.js';

/** In which context the name of a session there is sealed. */
export const sessionContext = (id: string) => `federated-session ${id}`;
const digestOf = (keyring: Keyring, ...named: readonly string[]) =>
  keyring.mac('federated-session', JSON.stringify(named));

/**
 * Keeps the session at a provider by which somebody arrives, and gives its id, which the session here is to carry: by it
 * either side ends the other, and a link that is removed ends what came by it.
 */
export function beginSession(
  work: Work,
  keyring: Keyring,
  { accountId, providerId, identity, linkId }: Linking & { readonly linkId: string },
): string {
  const id = uuidv7();
  const { session } = identity;
  const name = session && digestOf(keyring, providerId, session.nameId.value);
  const index = session?.sessionIndex && digestOf(keyring, providerId, 'index', session.sessionIndex);
  work.leave({
    into: store.INSERT_SESSION,
    row: {
      account_id: accountId,
      id,
      provider_id: providerId,
      link_id: linkId,
      name_digest: name ? name.toString('hex') : null,
      index_digest: index ? index.toString('hex') : null,
      began_at: work.at,
    },
    personal: { keyring, accountId, context: sessionContext(id), plain: JSON.stringify(session ?? null) },
  });
  return id;
}

/** How a session is named at its provider; undefined where nobody can end it there. */
export async function findSessionThere(
  db: Db,
  keyring: Keyring,
  { accountId, id }: store.NamedSession,
): Promise<{ readonly providerId: string; readonly session: SessionThere } | undefined> {
  const kept = await store.findSession(db, accountId, id);
  if (!kept?.sealed || !kept.key) return undefined;
  const { providerId, sealed, key } = kept;
  const plain = openPersonal({ keyring, accountId, context: sessionContext(id), sealed, key });
  return plain === undefined ? undefined : { providerId, session: JSON.parse(plain) as SessionThere };
}

/** The sessions that a provider means by somebody's name and, where it gives any, their sessions' indexes. */
export function listSessionsNamed(
  db: Db,
  keyring: Keyring,
  providerId: string,
  { name, sessionIndexes }: { readonly name: string; readonly sessionIndexes: readonly string[] },
): Promise<readonly store.NamedSession[]> {
  return store.listNamedSessions(
    db,
    providerId,
    digestOf(keyring, providerId, name),
    sessionIndexes.map(index => digestOf(keyring, providerId, 'index', index)),
  );
}
