import type { Payload } from '../oidc/artefacts.js';
import type { Person } from '../oidc/people.js';
import { requestScope } from '../oidc/request-scope.js';
import type { Clause, Db } from '../platform/storage/db.js';
import type { NameId } from './app.js';

/** An app's share in a session: by which id it knows the session, and by which kind of name its person. */
export interface Share {
  readonly clientId: string;
  readonly sid: string;
  /** Undefined for the one that the app usually gets. */
  readonly name: NameId | undefined;
}

interface Authorization {
  readonly sid?: string;
  readonly saml_name?: NameId;
}

/* More apps than that nobody signs out of one by one. */
const MOST = 30;

/** What apps share in the session of somebody who is here. */
export async function sharesOf({ sessionUid }: Pick<Person, 'sessionUid'>): Promise<readonly Share[]> {
  const session = await requestScope().sessionByUid(sessionUid);
  return sharesIn(session);
}

function sharesIn(session: Payload | undefined): readonly Share[] {
  const authorizations = (session?.['authorizations'] ?? {}) as Readonly<Record<string, Authorization>>;
  return Object.entries(authorizations)
    .flatMap(([clientId, { sid, saml_name: name }]) => (sid === undefined ? [] : [{ clientId, sid, name }]))
    .slice(0, MOST);
}

/** Notes, along with the answer, which kind of name an app got, so that it hears of the end by the same. */
export const notesName =
  (sessionUid: string, clientId: string, name: NameId): Clause =>
  bind => ({
    parts: [
      `saml_named AS (UPDATE sessions SET version = version + 1, authorizations = jsonb_set(authorizations,
        ARRAY[${bind(clientId, 'text')}, 'saml_name'], to_jsonb(${bind(name, 'text')}))
        WHERE uid = ${bind(sessionUid, 'text')} AND ended_at IS NULL AND jsonb_exists(authorizations, ${bind(clientId, 'text')}))`,
    ],
  });

/** The kind of name that an app got in a session, also where that is over. */
export async function nameTold(
  db: Db,
  {
    accountId,
    clientId,
    sid,
  }: { readonly accountId: string; readonly clientId: string; readonly sid: string },
): Promise<NameId | undefined> {
  const { rows } = await db.raw<{ rows: { name: NameId | null }[] }>(
    `SELECT authorizations -> CAST(:clientId AS text) ->> 'saml_name' AS name FROM sessions
     WHERE account_id = :accountId AND authorizations -> CAST(:clientId AS text) ->> 'sid' = :sid LIMIT 1`,
    { accountId, clientId, sid },
  );
  return rows[0]?.name ?? undefined;
}
