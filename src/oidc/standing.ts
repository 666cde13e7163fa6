import { type StatementPool, statement } from '../platform/storage/db.js';
import type { LiveConsent, Standing, StandingPurpose } from './decision.js';
import type { AccountSnapshot } from './memory.js';

/** Whom an app means by a subject: an account's id, or what the app's sector knows an account by. */
export type MeantSubject = { readonly accountId: string } | { readonly pairwise: Buffer } | undefined;

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** Reads a subject as the app got it; undefined for what never was one. */
export function meantBy(subject: string, pairwise: boolean): MeantSubject {
  if (!pairwise) return UUID.test(subject) ? { accountId: subject } : undefined;
  const bytes = Buffer.from(subject, 'base64url');
  return bytes.length === 32 && bytes.toString('base64url') === subject ? { pairwise: bytes } : undefined;
}

/*
 * Of each subject ($2, $3): what connects it to the app ($1) at this moment, and how it came to an end that did. The account is
 * looked at only where something does. With the purposes ($4) as they stand.
 */
const STANDING_READ = `
  WITH asked AS (
    SELECT a.nr, coalesce(a.id, p.account_id) AS account_id
    FROM unnest($2::uuid[], $3::bytea[]) WITH ORDINALITY AS a(id, subject, nr)
    LEFT JOIN pairwise_subjects p ON p.subject = a.subject)
  SELECT a.account_id, to_json(c) AS consent, l.event, l.id AS event_id, to_json(s) AS account,
    (SELECT jsonb_object_agg(p.id, jsonb_build_object('basis', p.basis, 'version', p.version,
       'terms', coalesce(p.declaration -> 'dpv' -> 'purposes', '[]'))) FROM purposes p WHERE p.id = ANY ($4::text[])) AS purposes
  FROM asked a
  LEFT JOIN consent_snapshots c ON c.account_id = a.account_id AND c.client_id = $1
  LEFT JOIN LATERAL (SELECT l.event, l.id FROM consent_subjects s JOIN consent_ledger l ON l.subject = s.subject
    WHERE s.account_id = a.account_id AND l.client_id = $1 AND l.event IN ('given', 'changed', 'withdrawn', 'expired')
    ORDER BY l.nr DESC LIMIT 1) l ON true
  LEFT JOIN LATERAL (SELECT true AS held FROM grants g
    WHERE g.account_id = a.account_id AND g.client_id = $1 LIMIT 1) g ON true
  LEFT JOIN LATERAL (SELECT s.state, s.profile, s.sale_choice, s.restriction FROM account_snapshots s
    WHERE s.account_id = a.account_id AND (c.id IS NOT NULL OR l.id IS NOT NULL OR g.held)) s ON true
  ORDER BY a.nr`;

interface StandingRow {
  readonly account_id: string | null;
  readonly consent: LiveConsent | null;
  readonly event: string | null;
  readonly event_id: string | null;
  readonly account: Pick<AccountSnapshot, 'state' | 'profile' | 'sale_choice' | 'restriction'> | null;
  readonly purposes: Readonly<Record<string, StandingPurpose>> | null;
}

/**
 * What stands between an app and each of these subjects, in their order, read in one statement. What another sector knows
 * somebody by is nobody's name here: two apps that lay their subjects side by side must not learn whose belong together.
 */
export async function readStandings(
  pool: StatementPool,
  { clientId, knows }: { readonly clientId: string; readonly knows: (accountId: string) => string },
  subjects: readonly MeantSubject[],
  purposes: readonly string[],
): Promise<readonly Standing[]> {
  const ids = subjects.map(subject => (subject && 'accountId' in subject ? subject.accountId : null));
  const pairwise = subjects.map(subject => (subject && 'pairwise' in subject ? subject.pairwise : null));
  const values = [clientId, ids, pairwise, [...new Set(purposes)]];
  const { rows } = await pool.query<StandingRow>(statement(STANDING_READ, values));
  return rows.map(({ account_id: found, purposes: standing, ...row }, at) => {
    const of = pairwise[at]?.toString('base64url');
    const isMeant = of === undefined || (found !== null && knows(found) === of);
    return { ...(isMeant ? stoodBetween(row) : NOTHING), purposes: standing ?? {} };
  });
}

const NOTHING = { account: undefined, consent: undefined, ended: undefined };

function stoodBetween({
  consent,
  event,
  event_id: id,
  account,
}: Omit<StandingRow, 'account_id' | 'purposes'>) {
  return {
    account: account ?? undefined,
    consent: consent ?? undefined,
    ended:
      id === null
        ? undefined
        : ({ how: event === 'withdrawn' ? 'withdrawn' : 'expired', event: id } as const),
  };
}

const REMEMBER = (subject: string, account: string) =>
  `subject_of AS (INSERT INTO pairwise_subjects (subject, account_id) VALUES (${subject}, ${account}) ON CONFLICT DO NOTHING)`;

/** Remembers, along with another statement, whom an app's sector knows by a subject. */
export const remembersSubject =
  (subject: string, accountId: string) => (bind: (value: unknown, type: string) => string) => ({
    parts: [REMEMBER(bind(Buffer.from(subject, 'base64url'), 'bytea'), bind(accountId, 'uuid'))],
  });
