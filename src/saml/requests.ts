import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import type { Keyring } from '../platform/crypto/keyring.js';
import type { JobDefinition } from '../platform/jobs/jobs.js';
import type { Clause, Db } from '../platform/storage/db.js';
import { openWork } from '../platform/storage/work.js';
import type { AskedSignOn } from './authn-request.js';

/** A request that waits for its answer, in the browser where it goes on. */
export interface PendingSignOn {
  readonly id: string;
  readonly clientId: string;
  readonly asked: AskedSignOn;
  readonly begunAt: Date;
  readonly answered: boolean;
  /** It goes on in another browser, or was over before it came to this one. */
  readonly elsewhere: boolean;
}

/* As long as the engine waits for somebody to sign in. */
const LASTS_MS = 3_600_000;
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

interface Row {
  readonly id: string;
  readonly client_id: string;
  readonly asked: Buffer;
  readonly browser: Buffer | null;
  readonly begun_at: Date;
  readonly answered_at: Date | null;
}

const COLUMNS = ['id', 'client_id', 'asked', 'browser', 'begun_at', 'answered_at'] as const;
const SEALED = 'saml-request';

const askedSchema = z.custom<AskedSignOn>(value => typeof value === 'object' && value !== null);

/** What an app asks for, and whose browser it can only go on in where that is known. */
export interface NewSignOn {
  readonly clientId: string;
  readonly asked: AskedSignOn;
  readonly browser?: Buffer;
}

/** Keeps what an app asks for, by its own id once: when it comes again, it is the same that is gone on with. Gives our id. */
export async function keepRequest(
  db: Db,
  keyring: Keyring,
  { clientId, asked, browser }: NewSignOn,
): Promise<string> {
  const { requestId } = asked;
  return openWork(db, { kind: 'client', id: clientId }, async ({ tx, at }) => {
    const row = {
      id: uuidv7(),
      client_id: clientId,
      request_id: requestId ?? null,
      asked: keyring.seal(SEALED, JSON.stringify(asked)),
      browser: browser ?? null,
      begun_at: at,
      expires_at: new Date(at.getTime() + LASTS_MS),
    };
    const kept = await tx('saml_requests')
      .insert(row)
      .onConflict(['client_id', 'request_id'])
      .ignore()
      .returning<{ id: string }[]>('id');
    if (kept[0]) return kept[0].id;
    const before = await tx('saml_requests')
      .where({ client_id: clientId, request_id: requestId ?? null })
      .first<{ id: string }>('id');
    return before.id;
  });
}

/** The request under our id, which from its first visit on goes on in one browser alone. */
export async function visitRequest(
  db: Db,
  keyring: Keyring,
  id: unknown,
  browser: Buffer,
): Promise<PendingSignOn | undefined> {
  if (typeof id !== 'string' || !UUID.test(id)) return undefined;
  return openWork(db, { kind: 'person' }, async ({ tx, at }) => {
    const open = () => tx<Row>('saml_requests').where({ id }).where('expires_at', '>', at);
    await open().whereNull('browser').whereNull('answered_at').update({ browser });
    const row = await open().first(...COLUMNS);
    return row && pendingOf(row, keyring, browser);
  });
}

function pendingOf(row: Row, keyring: Keyring, browser: Buffer): PendingSignOn {
  return {
    id: row.id,
    clientId: row.client_id,
    asked: askedSchema.parse(JSON.parse(keyring.open(SEALED, row.asked))),
    begunAt: row.begun_at,
    answered: row.answered_at !== null,
    elsewhere: row.browser === null || !row.browser.equals(browser),
  };
}

/** Answers a request with the flush of the one that is served: once, or nothing of that flush happens. */
export const answersOnce =
  (id: string): Clause =>
  bind => ({
    parts: [
      `saml_answered AS (UPDATE saml_requests SET answered_at = now()
        WHERE id = ${bind(id, 'uuid')} AND answered_at IS NULL AND expires_at > now() RETURNING 1)`,
    ],
    selected: [`keyhold_require(EXISTS (SELECT FROM saml_answered), 'SamlRequest')`],
  });

/** Forgets requests that are over. */
export function sweepSamlRequests(db: Db): JobDefinition {
  return {
    name: 'sweep-saml-requests',
    every: '*/10 * * * *',
    run: async () => {
      await db.raw(
        `DELETE FROM saml_requests WHERE id = ANY (ARRAY(SELECT id FROM saml_requests WHERE expires_at < now() LIMIT 10000))`,
      );
    },
  };
}
