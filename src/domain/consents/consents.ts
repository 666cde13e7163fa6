import { v7 as uuidv7 } from 'uuid';
import type { Db } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';

/** The facts this room records. */
export const CONSENT_FACTS = [
  'consent.given',
  'consent.refused',
  'consent.withdrawn',
  'terms.accepted',
] as const;

/** What somebody allowed an app, and what of it they left out. */
export interface ConsentGiven {
  readonly accountId: string;
  readonly clientId: string;
  readonly scopes: readonly string[];
  readonly claims: readonly string[];
  readonly refusedScopes: readonly string[];
  readonly refusedClaims: readonly string[];
  /** Scopes by resource indicator (RFC 8707). */
  readonly resources?: Readonly<Record<string, string>>;
  readonly language: string;
}

const merged = (column: string, without: string) =>
  `ARRAY(SELECT DISTINCT v FROM unnest(consents.${column} || excluded.${column}) v WHERE NOT v = ANY (excluded.${without}))`;

/* Scopes by resource: what an API was allowed before stays beside what it is allowed now. */
const MERGED_RESOURCES = `(
  SELECT coalesce(jsonb_object_agg(indicator, scopes), '{}') FROM (
    SELECT indicator, string_agg(DISTINCT scope, ' ') AS scopes FROM (
      SELECT key AS indicator, unnest(string_to_array(value, ' ')) AS scope FROM jsonb_each_text(consents.resources)
      UNION ALL
      SELECT key, unnest(string_to_array(value, ' ')) FROM jsonb_each_text(excluded.resources)
    ) each GROUP BY indicator
  ) merged)`;

/**
 * Puts on record what somebody allowed. It is remembered beside what they allowed the same app before: the newer answer
 * about a scope or claim wins, and what was not asked this time stays as it was.
 */
export async function giveConsent(work: Work, given: ConsentGiven): Promise<void> {
  await work.tx.raw(
    `INSERT INTO consents (account_id, client_id, id, scopes, claims, refused_scopes, refused_claims, resources, language, given_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (account_id, client_id) DO UPDATE SET
       scopes = ${merged('scopes', 'refused_scopes')},
       claims = ${merged('claims', 'refused_claims')},
       refused_scopes = ${merged('refused_scopes', 'scopes')},
       refused_claims = ${merged('refused_claims', 'claims')},
       resources = ${MERGED_RESOURCES},
       language = excluded.language, given_at = excluded.given_at, id = excluded.id`,
    [
      given.accountId,
      given.clientId,
      uuidv7(),
      [...given.scopes],
      [...given.claims],
      [...given.refusedScopes],
      [...given.refusedClaims],
      JSON.stringify(given.resources ?? {}),
      given.language,
      work.at,
    ],
  );
  work.record({
    type: 'consent.given',
    accountId: given.accountId,
    clientId: given.clientId,
    detail: {
      scopes: given.scopes,
      claims: given.claims,
      refused: [...given.refusedScopes, ...given.refusedClaims],
    },
  });
}

/** An app that somebody lets have something, and what. */
export interface LiveConsent {
  readonly clientId: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly claims: readonly string[];
  readonly givenAt: Date;
}

/** The apps that somebody lets have something, by name. */
export async function listLiveConsents(db: Db, accountId: string): Promise<readonly LiveConsent[]> {
  const { rows } = await db.raw<{ rows: LiveConsent[] }>(
    `SELECT c.client_id AS "clientId", n.name, c.scopes, c.claims, c.given_at AS "givenAt"
     FROM consents c JOIN client_names n ON n.client_id = c.client_id
     WHERE c.account_id = ? ORDER BY n.name, c.client_id LIMIT 500`,
    [accountId],
  );
  return rows;
}

/** Takes back all that an app was allowed; says whether there was anything. */
export async function withdrawConsent(work: Work, accountId: string, clientId: string): Promise<boolean> {
  const gone = await work.tx('consents').where({ account_id: accountId, client_id: clientId }).delete();
  if (gone > 0) work.record({ type: 'consent.withdrawn', accountId, clientId });
  return gone > 0;
}

/** Records which terms were accepted, in which version and language. */
export async function acceptTerms(
  work: Work,
  accountId: string,
  version: string,
  language: string,
): Promise<void> {
  await work
    .tx('terms_acceptances')
    .insert({ account_id: accountId, version, language, accepted_at: work.at })
    .onConflict(['account_id', 'version'])
    .ignore();
  work.record({ type: 'terms.accepted', accountId, detail: { version, language } });
}
