import { ARTEFACTS, inSlots } from './artefacts.js';

/*
 * The reads of the protocol: each fetches along what the engine will ask next, so that a request reads once.
 * Every one answers a single row of JSON columns: artefact, grant, session, account, consent.
 */

const ACCOUNT = 'LEFT JOIN account_snapshots a ON a.account_id =';
/* What a token asks of its session; nobody will present the session's id, so it is not unsealed for that. */
const BY_REFERENCE = [
  'uid',
  'account_id',
  'acr',
  'amr',
  'login_ts',
  'transient',
  'authorizations',
  'issued_at',
  'expires_at',
  'version',
]
  .map(column => `'${column}', s.${column}`)
  .join(', ');
const SELECT_TOKEN = `SELECT to_json(t) AS artefact, to_json(g) AS "grant",
    CASE WHEN s.uid IS NOT NULL THEN json_build_object(${BY_REFERENCE}) END AS session, to_json(a) AS account,
    to_json(c) AS consent`;
const CONSENT_OF = (row: string) =>
  `LEFT JOIN consent_snapshots c ON c.account_id = ${row}.account_id AND c.client_id = ${row}.client_id`;

/** A code or token by digest ($1), for slotted kinds in one of the slots $2: with its grant, session, account and consent. */
export function tokenRead(model: string): string {
  const artefact = ARTEFACTS[model];
  if (!artefact) throw new Error(`no table for ${model}`);
  const found = `WHERE t.digest = $1${artefact.slotted ? ` AND ${inSlots('t.slot', '$2')}` : ''}`;
  if (!artefact.columns.some(({ field }) => field === 'grantId')) {
    return `SELECT to_json(t) AS artefact FROM ${artefact.table} t ${found}`;
  }
  return `${SELECT_TOKEN}${toldLast(model, artefact.columns)} FROM ${artefact.table} t
    LEFT JOIN grants g ON g.id = t.grant_id
    LEFT JOIN sessions s ON s.uid = t.session_uid AND s.ended_at IS NULL
    ${ACCOUNT} t.account_id
    ${CONSENT_OF('t')}
    ${found}`;
}

/* What leaves for a token, and what an API is told that asks about one. */
const LEAVES: Readonly<Record<string, readonly string[]>> = {
  AuthorizationCode: ['access_token', 'id_token'],
  DeviceCode: ['access_token', 'id_token'],
  RefreshToken: ['access_token', 'id_token', 'introspection'],
  AccessToken: ['userinfo', 'introspection', 'api'],
};

/* The answers that those who will be told something know already, so that telling them the same again writes nothing. */
function toldLast(model: string, columns: readonly { readonly column: string }[]): string {
  const ways = (LEAVES[model] ?? []).map(way => `'${way}'`).join(', ');
  if (ways === '') return '';
  const apps = columns.some(({ column }) => column === 'aud') ? 't.client_id, t.aud' : 't.client_id';
  return `, (SELECT jsonb_object_agg(d.way || ' ' || d.client_id, d.answers) FROM disclosure_snapshots d
      WHERE d.account_id = t.account_id AND d.client_id = ANY (ARRAY[${apps}]) AND d.way = ANY (ARRAY[${ways}])) AS told`;
}

/** A session by digest of its id ($1), with what client $2 will need of it. */
export const SESSION_READ = `
  SELECT to_json(s) AS session, to_json(g) AS "grant", to_json(a) AS account, to_json(c) AS consent
  FROM sessions s
  LEFT JOIN grants g ON g.id = s.authorizations -> $2::text ->> 'grantId'
  ${ACCOUNT} s.account_id
  LEFT JOIN consent_snapshots c ON c.account_id = s.account_id AND c.client_id = $2::text
  WHERE s.id_digest = $1 AND s.ended_at IS NULL`;

/** A session by uid ($1), with what client $2 will need of it. */
export const SESSION_BY_UID_READ = SESSION_READ.replace('s.id_digest = $1', 's.uid = $1');

const PENDING = 'FROM interactions i';
const LIVE = 'ended_at IS NULL AND expires_at > extract(epoch FROM now())';
const ANSWERED = `coalesce(i.result -> 'login' ->> 'accountId', i.result -> 'select_account' ->> 'accountId')::uuid`;
const PERSON = `coalesce(${ANSWERED}, (i.session ->> 'accountId')::uuid)`;
const CROWD = `(SELECT count(*)::int FROM sessions WHERE browser = $3::bytea AND ${LIVE}) AS crowd`;
const SELECT_PENDING = `SELECT to_json(i) AS artefact, to_json(s) AS session, to_json(g) AS "grant",
  to_json(a) AS account, to_json(c) AS consent`;
const ofPerson = (person: string) => `
  LEFT JOIN grants g ON g.id = s.authorizations -> (i.params ->> 'client_id') ->> 'grantId'
  ${ACCOUNT} ${person}
  LEFT JOIN consent_snapshots c ON c.account_id = ${person} AND c.client_id = i.params ->> 'client_id'
  WHERE i.id = $1 AND ${inSlots('i.slot', '$2')}`;
const OF_PERSON = ofPerson(PERSON);
const ITS_SESSION = `LEFT JOIN sessions s ON s.uid = i.session ->> 'uid' AND s.ended_at IS NULL`;

/** A pending request ($1, in slots $2) with its session and who answers. */
export const INTERACTION_READ = `${SELECT_PENDING} ${PENDING} ${ITS_SESSION} ${OF_PERSON}`;

const alongside = new Map<string, string>();

/**
 * The same with the row that a query on it (`i`) finds, under the name `along`, and with the account of that row's `id` where the
 * request is about nobody yet. And how crowded browser $3 is.
 */
export function interactionReadAlong(query: string): string {
  let text = alongside.get(query);
  if (text === undefined) {
    text = `${SELECT_PENDING}, to_json(along) AS along, ${CROWD} ${PENDING}
      LEFT JOIN LATERAL ${query} along ON true ${ITS_SESSION} ${ofPerson(`coalesce(${PERSON}, along.id)`)}`;
    alongside.set(query, text);
  }
  return text;
}

/** The same at the choice of an account: with everybody who is signed in in browser $3, as `PEOPLE_READ` finds them. */
export const CHOICE_READ = `${SELECT_PENDING}, (
    SELECT jsonb_agg(jsonb_build_object('session', to_jsonb(here), 'account', to_jsonb(theirs)) ORDER BY here.login_ts DESC, here.uid)
    FROM (SELECT * FROM sessions WHERE browser = $3::bytea AND account_id IS NOT NULL AND ${LIVE}
      ORDER BY login_ts DESC, uid LIMIT 20) here
    LEFT JOIN account_snapshots theirs ON theirs.account_id = here.account_id) AS people ${PENDING}
  ${ITS_SESSION} ${OF_PERSON}`;

const isNew = (answer: string) => `i.result -> '${answer}' IS NOT NULL
    AND i.result -> '${answer}' IS DISTINCT FROM i.last_submission -> '${answer}'`;

/**
 * The same for a request that resumes in browser $3: with the session that whoever just signed in or was chosen has
 * there, or else the very session that the request is about, provided that it is there. A sign-in or choice of an
 * earlier step made its session then: if that has ended, nothing brings it back. And how crowded the browser is.
 */
export const RESUME_READ = `${SELECT_PENDING}, ${CROWD} ${PENDING}
  LEFT JOIN LATERAL (SELECT * FROM sessions WHERE browser = $3::bytea AND ${LIVE}) s ON CASE
    WHEN ${isNew('login')} THEN s.account_id = (i.result -> 'login' ->> 'accountId')::uuid
    WHEN ${isNew('select_account')} THEN s.account_id = (i.result -> 'select_account' ->> 'accountId')::uuid
    ELSE s.uid = i.session ->> 'uid' END ${OF_PERSON}
  ORDER BY s.login_ts DESC LIMIT 1`;

/** An account's snapshot ($1). */
export const ACCOUNT_READ = 'SELECT to_json(a) AS account FROM account_snapshots a WHERE a.account_id = $1';

/** A grant ($1), with the consent that bounds it. */
export const GRANT_READ = `SELECT to_json(g) AS "grant", to_json(c) AS consent FROM grants g ${CONSENT_OF('g')} WHERE g.id = $1`;

/** What somebody ($1) allowed an app ($2). */
export const CONSENT_READ =
  'SELECT to_json(c) AS consent FROM consent_snapshots c WHERE c.account_id = $1 AND c.client_id = $2';

/* The sessions of a browser ($1), and while it was renamed a moment ago ($3: silent requests only) under its former name. */
const OF_BROWSER = `(SELECT * FROM sessions WHERE browser = $1
  UNION ALL SELECT * FROM sessions WHERE $3::boolean AND browser_before = $1 AND browser_moved_at > now() - interval '10 seconds')`;

/** Everybody who is signed in in browser $1, each with what client $2 will need of them. */
export const PEOPLE_READ = `
  SELECT to_json(s) AS session, to_json(g) AS "grant", to_json(a) AS account, to_json(c) AS consent
  FROM ${OF_BROWSER} s
  LEFT JOIN grants g ON g.id = s.authorizations -> $2::text ->> 'grantId'
  ${ACCOUNT} s.account_id
  LEFT JOIN consent_snapshots c ON c.account_id = s.account_id AND c.client_id = $2::text
  WHERE s.ended_at IS NULL AND s.account_id IS NOT NULL AND s.expires_at > extract(epoch FROM now())
  ORDER BY s.login_ts DESC, s.uid LIMIT 20`;

/** The keys of accounts ($1) whose snapshots nobody read. */
export const SUBJECT_KEYS_READ =
  'SELECT account_id, sealed FROM subject_keys WHERE account_id = ANY ($1::uuid[])';
