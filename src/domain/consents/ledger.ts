import { createHash } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import type { Tx } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';
import {
  type ConsentActor,
  type ConsentAnswers,
  type ConsentEventName,
  type ConsentTerms,
  inOrder,
  stateAfter,
} from './consent.js';

/** What is added to the ledger. */
export interface Entry extends ConsentAnswers, ConsentTerms {
  readonly accountId: string;
  readonly clientId: string;
  readonly at: Date;
  readonly by: ConsentActor;
  readonly method: string;
  readonly language: string | undefined;
}

/** What is said of an event: what nobody says is nothing. */
export type Said = Pick<Entry, 'accountId' | 'clientId'> & Partial<Omit<Entry, 'at' | 'by'>>;

/** An event of this work's actor and instant. */
export function entryOf({ actor, at }: Work, said: Said): Entry {
  return {
    scopes: [],
    claims: [],
    refusedScopes: [],
    refusedClaims: [],
    uses: [],
    refusedUses: [],
    resources: {},
    notices: {},
    renews: [],
    wording: undefined,
    controllers: [],
    recipients: [],
    retention: {},
    jurisdiction: [],
    withdrawal: undefined,
    validUntil: undefined,
    language: undefined,
    method: 'unknown',
    ...said,
    at,
    by: actor.kind,
  };
}

const OVER = 'coalesce(consents.valid_until <= excluded.given_at, false)';
const WHOLE = `(${OVER} OR (consents.scopes <@ (excluded.scopes || excluded.refused_scopes)
    AND consents.claims <@ (excluded.claims || excluded.refused_claims)
    AND consents.uses <@ (excluded.uses || excluded.refused_uses) AND consents.resources <@ excluded.resources))`;

const merged = (column: string, without: string) => `CASE WHEN ${OVER} THEN excluded.${column} ELSE ARRAY(
    SELECT DISTINCT v COLLATE "C" AS v FROM unnest(consents.${column} || excluded.${column}) v
    WHERE NOT v = ANY (excluded.${without}) ORDER BY 1) END`;

/* Scopes by resource: what an API was allowed before stays beside what it is allowed now. */
const MERGED_RESOURCES = `CASE WHEN ${OVER} THEN excluded.resources ELSE (
    SELECT coalesce(jsonb_object_agg(indicator, scopes), '{}') FROM (
      SELECT indicator, string_agg(scope, ' ' ORDER BY scope COLLATE "C") AS scopes FROM (
        SELECT key AS indicator, unnest(string_to_array(value, ' ')) AS scope FROM jsonb_each_text(consents.resources)
        UNION SELECT key, unnest(string_to_array(value, ' ')) FROM jsonb_each_text(excluded.resources)
      ) each WHERE scope <> '' GROUP BY indicator
    ) merged) END`;

/* A purpose stands under the oldest words that anything of it was allowed under. */
const MERGED_NOTICES = `CASE WHEN ${WHOLE} THEN excluded.notices ELSE (
    SELECT coalesce(jsonb_object_agg(purpose, CASE
      WHEN purpose = ANY (ARRAY(SELECT unnest(renews) FROM said)) AND fresh IS NOT NULL THEN fresh
      ELSE least(old, fresh) END), '{}')
    FROM (SELECT coalesce(o.key, f.key) AS purpose, o.value::integer AS old, f.value::integer AS fresh
      FROM jsonb_each_text(consents.notices) o FULL JOIN jsonb_each_text(excluded.notices) f ON f.key = o.key) each) END`;

const SAID = `said AS MATERIALIZED (SELECT * FROM jsonb_to_record(CAST(:said AS jsonb)) AS s(account_id uuid, id uuid,
    client_id text, event text, state text, changed_state text, at timestamptz, by_kind text, method text, notices jsonb,
    renews text[], language text, wording text, scopes text[], claims text[], refused_scopes text[], refused_claims text[],
    uses text[], refused_uses text[], resources jsonb, controllers jsonb, recipients jsonb, retention jsonb, jurisdiction text[], withdrawal text,
    valid_until timestamptz)),
  subject AS (INSERT INTO consent_subjects (account_id, subject, events)
    SELECT account_id, gen_random_uuid(), 1 FROM said
    ON CONFLICT (account_id) DO UPDATE SET events = consent_subjects.events + 1 RETURNING subject, events),
  wording AS (INSERT INTO consent_wordings (digest, wording, first_shown_at)
    SELECT sha256(convert_to(wording, 'UTF8')), wording, at FROM said WHERE wording IS NOT NULL ON CONFLICT DO NOTHING)`;

const add = (
  event: string,
  state: string,
  more = '',
) => `INSERT INTO consent_ledger (subject, nr, id, client_id, event,
    state, at, by_kind, method, notices, renews, language, wording, scopes, claims, refused_scopes, refused_claims, uses,
    refused_uses, resources, controllers, recipients, retention, jurisdiction, withdrawal, valid_until)
  SELECT subject, events, id, client_id, ${event}, ${state}, at, by_kind, method, notices, renews, language,
    sha256(convert_to(wording, 'UTF8')), scopes, claims, refused_scopes, refused_claims, uses, refused_uses, resources,
    controllers, recipients, retention, jurisdiction, withdrawal, valid_until
  FROM said, subject${more}`;

/*
 * The person's row is taken before the app's, here and wherever a consent ends. Whoever answers several pages at once has
 * all answers counted and none lost, each in one statement.
 */
const GIVE = `WITH ${SAID}, given AS (
    INSERT INTO consents (account_id, client_id, id, scopes, claims, refused_scopes, refused_claims, uses, refused_uses,
      resources, notices, language, given_at, valid_until)
    SELECT account_id, client_id, id, scopes, claims, refused_scopes, refused_claims, uses, refused_uses,
      resources, notices, language, at, valid_until FROM said, subject
    ON CONFLICT (account_id, client_id) DO UPDATE SET
      scopes = ${merged('scopes', 'refused_scopes')},
      claims = ${merged('claims', 'refused_claims')},
      refused_scopes = ${merged('refused_scopes', 'scopes')},
      refused_claims = ${merged('refused_claims', 'claims')},
      uses = ${merged('uses', 'refused_uses')},
      refused_uses = ${merged('refused_uses', 'uses')},
      resources = ${MERGED_RESOURCES},
      notices = ${MERGED_NOTICES},
      valid_until = CASE WHEN ${WHOLE} THEN excluded.valid_until ELSE least(consents.valid_until, excluded.valid_until) END,
      language = excluded.language, given_at = excluded.given_at, id = excluded.id
    RETURNING xmax = 0 AS fresh)
  ${add(`CASE WHEN fresh THEN event ELSE 'changed' END`, 'CASE WHEN fresh THEN state ELSE changed_state END', ', given')}`;

const APPEND = `WITH ${SAID} ${add('event', 'state')}`;

function said(entry: Entry, event: ConsentEventName): string {
  return JSON.stringify({
    id: uuidv7(),
    account_id: entry.accountId,
    client_id: entry.clientId,
    event,
    state: stateAfter(event, entry.by),
    changed_state: stateAfter('changed', entry.by),
    at: entry.at,
    by_kind: entry.by,
    method: entry.method,
    notices: entry.notices,
    renews: entry.renews,
    language: entry.language,
    wording: entry.wording,
    scopes: inOrder(entry.scopes),
    claims: inOrder(entry.claims),
    refused_scopes: inOrder(entry.refusedScopes),
    refused_claims: inOrder(entry.refusedClaims),
    uses: inOrder(entry.uses),
    refused_uses: inOrder(entry.refusedUses),
    resources: entry.resources,
    controllers: entry.controllers,
    recipients: entry.recipients,
    retention: entry.retention,
    jurisdiction: entry.jurisdiction,
    withdrawal: entry.withdrawal,
    valid_until: entry.validUntil,
  });
}

/** The SHA-256 that a wording is kept under, as hex. */
export function digestOf(wording: string): string {
  return createHash('sha256').update(wording).digest('hex');
}

/** Adds an answer to the ledger and to what is allowed. */
export async function insertAnswer(tx: Tx, entry: Entry): Promise<void> {
  await tx.raw(GIVE, { said: said(entry, 'given') });
}

/** Adds an event to the ledger that leaves what is allowed as it is. */
export async function append(tx: Tx, event: ConsentEventName, entry: Entry): Promise<void> {
  await tx.raw(APPEND, { said: said(entry, event) });
}
