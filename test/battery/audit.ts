import type { Place } from './place.js';

/** What must never be on record, and a statement that finds it. */
const FINDINGS: Readonly<Record<string, string>> = {
  'access tokens without a grant': `SELECT 1 FROM access_tokens t WHERE account_id IS NOT NULL
    AND NOT EXISTS (SELECT FROM grants g WHERE g.id = t.grant_id)`,
  'refresh tokens without a grant': `SELECT 1 FROM refresh_tokens t
    WHERE NOT EXISTS (SELECT FROM grants g WHERE g.id = t.grant_id)`,
  'codes without a grant': `SELECT 1 FROM authorization_codes t
    WHERE NOT EXISTS (SELECT FROM grants g WHERE g.id = t.grant_id)`,
  'tokens of somebody else than their grant': `SELECT 1 FROM access_tokens t JOIN grants g ON g.id = t.grant_id
    WHERE (t.account_id, t.client_id) IS DISTINCT FROM (g.account_id, g.client_id)
    UNION ALL SELECT 1 FROM refresh_tokens t JOIN grants g ON g.id = t.grant_id
    WHERE (t.account_id, t.client_id) IS DISTINCT FROM (g.account_id, g.client_id)`,
  'used codes that brought nothing': `SELECT 1 FROM authorization_codes c WHERE consumed_at IS NOT NULL
    AND NOT EXISTS (SELECT FROM access_tokens t WHERE t.grant_id = c.grant_id)`,
  'used refresh tokens without a descendant': `SELECT 1 FROM refresh_tokens r WHERE consumed_at IS NOT NULL
    AND NOT EXISTS (SELECT FROM refresh_tokens o WHERE o.grant_id = r.grant_id AND o.digest <> r.digest
      AND o.issued_at >= r.consumed_at - 1)`,
  'grants without an account': `SELECT 1 FROM grants g WHERE NOT EXISTS (SELECT FROM accounts a WHERE a.id = g.account_id)`,
  'grants without an app': `SELECT 1 FROM grants g
    WHERE NOT EXISTS (SELECT FROM clients c WHERE c.client_id = g.client_id)`,
  'grants without a consent': `SELECT 1 FROM grants g JOIN clients c USING (client_id) WHERE NOT c.first_party
    AND NOT EXISTS (SELECT FROM consents o WHERE (o.account_id, o.client_id) = (g.account_id, g.client_id))`,
  'sessions without an account': `SELECT 1 FROM sessions s WHERE account_id IS NOT NULL
    AND NOT EXISTS (SELECT FROM accounts a WHERE a.id = s.account_id)`,
  'live grants of an ended session': `SELECT 1 FROM grants g JOIN sessions s ON s.uid = g.session_uid
    WHERE s.ended_at IS NOT NULL
    AND NOT EXISTS (SELECT FROM refresh_tokens r WHERE r.grant_id = g.id AND r.expires_with_session IS NOT TRUE)
    AND EXISTS (SELECT FROM access_tokens t WHERE t.grant_id = g.id)`,
  'consents without an account or an app': `SELECT 1 FROM consents o
    WHERE NOT EXISTS (SELECT FROM accounts a WHERE a.id = o.account_id)
    OR NOT EXISTS (SELECT FROM clients c WHERE c.client_id = o.client_id)`,
  'told last, and on no record': `SELECT 1 FROM disclosed p CROSS JOIN jsonb_each_text(p.ids) AS told (claim, id)
    WHERE NOT EXISTS (SELECT FROM disclosures d WHERE d.account_id = p.account_id AND d.id = told.id::uuid
      AND d.claim = told.claim AND encode(d.value_hash, 'hex') = p.claims ->> told.claim)`,
  'accounts without an identifier': `SELECT 1 FROM accounts a
    WHERE NOT EXISTS (SELECT FROM identifiers i WHERE i.account_id = a.id)`,
  'accounts without a proved address': `SELECT 1 FROM accounts a WHERE NOT EXISTS (SELECT FROM email_addresses e
    WHERE e.account_id = a.id AND e.is_primary AND e.verified_at IS NOT NULL)`,
  'addresses that lead to somebody else': `SELECT 1 FROM email_addresses e WHERE NOT EXISTS (SELECT FROM identifiers i
    WHERE i.kind = 'email' AND i.value = e.address AND i.account_id = e.account_id)`,
  'one address of two accounts': `SELECT 1 FROM email_addresses GROUP BY address HAVING count(*) > 1`,
  'accounts without a way to sign in': `SELECT 1 FROM accounts a
    WHERE NOT EXISTS (SELECT FROM passwords p WHERE p.account_id = a.id)
    AND NOT EXISTS (SELECT FROM passkeys k WHERE k.account_id = a.id)`,
  'accounts that accepted no terms': `SELECT 1 FROM accounts a
    WHERE NOT EXISTS (SELECT FROM terms_acceptances t WHERE t.account_id = a.id)`,
  'accounts whose opening is not on record once': `SELECT 1 FROM accounts a
    WHERE (SELECT count(*) FROM events e WHERE e.account_id = a.id AND e.type = 'account.opened') <> 1`,
  'openings on record without an account': `SELECT 1 FROM events e WHERE type = 'account.opened'
    AND NOT EXISTS (SELECT FROM accounts a WHERE a.id = e.account_id)`,
  'more accounts than used proofs of an address': `SELECT 1 FROM email_addresses e
    WHERE NOT EXISTS (SELECT FROM email_proofs p
      WHERE p.address = e.address AND p.purpose = 'sign-up' AND p.used_at IS NOT NULL)`,
  'proofs used more or less often than is on record': `SELECT 1 FROM email_proofs p
    WHERE (SELECT count(*) FROM events e WHERE e.type = 'email_proof.proved' AND e.detail ->> 'proof' = p.id::text)
      <> (p.used_at IS NOT NULL)::int`,
  'passkeys without their owner': `SELECT 1 FROM passkeys k WHERE NOT EXISTS (SELECT FROM passkey_owners o
    WHERE (o.account_id, o.passkey_id) = (k.account_id, k.id))`,
  'algorithms without exactly one active key': `SELECT 1 FROM unnest(ARRAY['RS256', 'ES256', 'EdDSA']) AS alg
    WHERE (SELECT count(*) FROM signing_keys k WHERE k.alg = alg.alg AND k.state = 'active') <> 1`,
  /* What runs every minute anyway is made anew then. */
  'jobs that were given up': `SELECT 1 FROM graphile_worker.jobs
    WHERE attempts >= max_attempts AND locked_at IS NULL AND key IS DISTINCT FROM task_identifier`,
};

/** Everything on record that must not be, in words. */
export async function auditRecord(place: Place): Promise<readonly string[]> {
  const found: string[] = [];
  for (const [name, statement] of Object.entries(FINDINGS)) {
    const [row] = await place.ask(`SELECT count(*)::int AS n FROM (${statement}) AS found`);
    if (row?.['n'] !== 0) found.push(`${row?.['n']} × ${name}`);
  }
  return found;
}

/** How many different things are looked for. */
export const AUDITED = Object.keys(FINDINGS).length;
