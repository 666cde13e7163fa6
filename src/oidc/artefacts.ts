/** How a field of the engine's payload is kept. `seconds` and `flag` are the engine's own number and boolean. */
type ColumnType = 'bytea' | 'text' | 'uuid' | 'jsonb' | 'boolean' | 'integer' | 'bigint' | 'text[]';

interface Column {
  readonly field: string;
  readonly column: string;
  readonly type: ColumnType;
}

/** Where a kind of artefact lives, and which field of the engine's payload is which column. */
export interface Artefact {
  readonly table: string;
  /** `digest`: only SHA-256 of the id is stored; `id`: the id is no secret. */
  readonly key: 'digest' | 'id';
  /** Lives in hourly slots. */
  readonly slotted?: true;
  readonly columns: readonly Column[];
}

export type Payload = Record<string, unknown>;

const column = (field: string, type: ColumnType, name?: string): Column => ({
  field,
  column: name ?? field.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`),
  type,
});

const TIMES = [column('iat', 'bigint', 'issued_at'), column('exp', 'bigint', 'expires_at')];
const CLIENT = column('clientId', 'text');
const BINDINGS = [column('jkt', 'text'), column('x5t#S256', 'text', 'x5t_s256')];
const CONSUMED = column('consumed', 'bigint', 'consumed_at');
const GRANTED = [
  CLIENT,
  column('grantId', 'text'),
  column('accountId', 'uuid'),
  column('sessionUid', 'text'),
  column('expiresWithSession', 'boolean'),
  column('scope', 'text'),
  column('sid', 'text'),
  column('claims', 'jsonb'),
  column('rar', 'jsonb'),
];
const AUTHENTICATION = [
  column('acr', 'text'),
  column('amr', 'text[]'),
  column('authTime', 'bigint'),
  column('nonce', 'text'),
  column('resource', 'jsonb'),
];

/** Every kind that is stored in a table of its own; sessions have rules of their own (`session-row.ts`). */
export const ARTEFACTS: Readonly<Record<string, Artefact>> = {
  Grant: {
    table: 'grants',
    key: 'id',
    columns: [
      ...TIMES,
      CLIENT,
      column('accountId', 'uuid'),
      column('openid', 'jsonb'),
      column('resources', 'jsonb'),
      column('rejected', 'jsonb'),
      column('rar', 'jsonb'),
    ],
  },
  AccessToken: {
    table: 'access_tokens',
    key: 'digest',
    columns: [
      ...TIMES,
      ...GRANTED,
      ...BINDINGS,
      column('gty', 'text'),
      column('aud', 'text'),
      column('extra', 'jsonb'),
    ],
  },
  RefreshToken: {
    table: 'refresh_tokens',
    key: 'digest',
    columns: [
      ...TIMES,
      ...GRANTED,
      ...BINDINGS,
      ...AUTHENTICATION,
      CONSUMED,
      column('gty', 'text'),
      column('rotations', 'integer'),
      column('iiat', 'bigint'),
      column('attestationJkt', 'text'),
    ],
  },
  ClientCredentials: {
    table: 'client_credentials_tokens',
    key: 'digest',
    columns: [
      ...TIMES,
      CLIENT,
      ...BINDINGS,
      column('scope', 'text'),
      column('aud', 'text'),
      column('extra', 'jsonb'),
      column('rar', 'jsonb'),
    ],
  },
  AuthorizationCode: {
    table: 'authorization_codes',
    key: 'digest',
    slotted: true,
    columns: [
      ...TIMES,
      ...GRANTED,
      ...AUTHENTICATION,
      CONSUMED,
      column('codeChallenge', 'text'),
      column('codeChallengeMethod', 'text'),
      column('redirectUri', 'text'),
      column('dpopJkt', 'text'),
      column('attestationJkt', 'text'),
    ],
  },
  Interaction: {
    table: 'interactions',
    key: 'id',
    slotted: true,
    columns: [
      ...TIMES,
      column('returnTo', 'text'),
      column('prompt', 'jsonb'),
      column('params', 'jsonb'),
      column('session', 'jsonb'),
      column('result', 'jsonb'),
      column('lastSubmission', 'jsonb'),
      column('trusted', 'jsonb'),
      column('grantId', 'text'),
      column('deviceCode', 'text'),
      column('cid', 'text'),
      column('parJti', 'text'),
      column('progress', 'jsonb'),
      column('begunIn', 'bytea'),
    ],
  },
  DeviceCode: {
    table: 'device_codes',
    key: 'digest',
    columns: [
      ...TIMES,
      ...GRANTED,
      ...AUTHENTICATION,
      CONSUMED,
      column('attestationJkt', 'text'),
      column('params', 'jsonb'),
      column('userCode', 'bytea'),
      column('inFlight', 'boolean'),
      column('deviceInfo', 'jsonb'),
      column('error', 'text'),
      column('errorDescription', 'text'),
    ],
  },
  PushedAuthorizationRequest: {
    table: 'pushed_authorization_requests',
    key: 'digest',
    slotted: true,
    columns: [
      ...TIMES,
      CONSUMED,
      column('request', 'text'),
      column('dpopJkt', 'text'),
      column('attestationJkt', 'text'),
      column('trusted', 'boolean'),
    ],
  },
  ReplayDetection: {
    table: 'replays',
    key: 'id',
    columns: [...TIMES, column('iss', 'text')],
  },
};

/** The artefact of a kind; a kind without a table is a feature that nobody prepared the storage for. */
export function artefactOf(model: string): Artefact {
  const artefact = ARTEFACTS[model];
  if (!artefact) throw new Error(`no table for ${model}`);
  return artefact;
}

/** Written once and never again; nobody is told. */
export const WRITTEN_ONCE: ReadonlySet<string> = new Set(['begunIn', 'userCode']);

/** What the remembered `jti` of a DPoP proof begins with; all others are of client assertions. */
export const PROOF_ID = 'dpop ';

/** What it is called when there is one already. */
export function conflictOf(model: string, id: string): string {
  if (model === 'DeviceCode') return 'UserCode';
  return id.startsWith(PROOF_ID) ? 'DpopProof' : 'ClientAssertion';
}

const places = new Map<Artefact, ReadonlyMap<string, number>>();

/* At which place the column of a field stands. */
function placesIn(artefact: Artefact): ReadonlyMap<string, number> {
  let known = places.get(artefact);
  if (!known) {
    known = new Map(artefact.columns.map(({ field }, at) => [field, at]));
    places.set(artefact, known);
  }
  return known;
}

/** One value for each column of an artefact, in order; refuses a field that has no column, so that none is lost. */
export function columnValues(artefact: Artefact, payload: Payload): unknown[] {
  const known = placesIn(artefact);
  const values: unknown[] = artefact.columns.map(() => null);
  for (const field of Object.keys(payload)) {
    const value = payload[field];
    if (value === undefined || field === 'jti' || field === 'kind') continue;
    const at = known.get(field);
    if (at === undefined) throw new Error(`${artefact.table} has no column for ${field}`);
    values[at] = value === null ? null : columnValue(artefact.columns[at], value);
  }
  return values;
}

function columnValue(column: Column | undefined, value: unknown): unknown {
  if (column?.field === 'consumed') return value === true ? Math.floor(Date.now() / 1000) : value;
  return column?.type === 'jsonb' ? JSON.stringify(value) : value;
}

/** The engine's payload of a row that came as JSON; absent columns are absent fields. */
export function payloadOf(artefact: Artefact, id: string, row: Payload): Payload {
  const payload: Payload = { jti: id };
  for (const { field, column: name } of artefact.columns) {
    const value = row[name];
    if (value !== null && value !== undefined) payload[field] = value;
  }
  return payload;
}

const HOUR = 3_600_000;

/** How many hourly slots there are; an artefact in them lives for an hour at most. */
export const SLOT_COUNT = 4;

/** The slot of an instant in milliseconds. */
export function slotAt(now: number): number {
  return Math.floor(now / HOUR) % SLOT_COUNT;
}

/* Milliseconds by which the clock of a machine may be ahead of another's. */
const AHEAD = 300_000;

/**
 * The three slots, not always different ones, that may hold something of the last hour. What lives for less is looked for as long:
 * a code that comes again after its time has leaked all the same.
 */
export function liveSlots(now = Date.now()): number[] {
  return [slotAt(now - HOUR), slotAt(now), slotAt(now + AHEAD)];
}

/** That a row is in one of those slots. Each is named by itself: so the other ones are not even opened. */
export const inSlots = (column: string, slots: string): string =>
  `${column} IN (${[1, 2, 3].map(at => `(${slots}::smallint[])[${at}]`).join(', ')})`;
