import type Provider from 'oidc-provider';
import { z } from 'zod';
import type { JobDefinition } from '../platform/jobs/jobs.js';
import type { Db } from '../platform/storage/db.js';
import { openWork } from '../platform/storage/work.js';
import { slotAt } from './artefacts.js';
import { type TellLoggedOut, tellLoggedOut } from './clients.js';
import { advanceKeys } from './keys.js';
import { emptySlot, type NoteLeftBehind } from './left-behind.js';
import { BACKCHANNEL_LOGOUT } from './session-ending.js';

const BATCH = 1000;
/** Kept for a day after its end, so that a late request meets the tombstone and not a gap. */
const TOMBSTONE = 86_400;
const HOUR = 3_600_000;

const TABLES = [
  'access_tokens',
  'refresh_tokens',
  'client_credentials_tokens',
  'replays',
  'device_codes',
  'grants',
] as const;

async function sweepTable(db: Db, table: string, condition: string): Promise<number> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `DELETE FROM ${table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${table} WHERE ${condition} LIMIT ${BATCH}))`,
  );
  return rowCount;
}

/** Removes what has expired, in batches; the slot of two hours ago is emptied whole, and what was left behind in it told before. */
export function sweepArtefacts(db: Db, note?: NoteLeftBehind): JobDefinition {
  return {
    name: 'sweep-artefacts',
    every: '*/10 * * * *',
    run: async (_payload, attempt) => {
      const expired = 'expires_at < extract(epoch FROM now())::bigint';
      const conditions: [string, string][] = [
        ...TABLES.map((table): [string, string] => [table, expired]),
        ['sessions', `expires_at < extract(epoch FROM now())::bigint - ${TOMBSTONE}`],
        ['sessions', `ended_at < now() - interval '${TOMBSTONE} seconds'`],
      ];
      for (const [table, condition] of conditions) {
        while (!attempt.signal.aborted && (await sweepTable(db, table, condition)) === BATCH);
      }
      const hour = new Date(Date.now() - 2 * HOUR);
      await emptySlot(db, slotAt(hour.getTime()), hour, note);
    },
  };
}

/** Lets a published key sign when its time has come, and takes back one whose last token has expired. */
export function advanceSigningKeys(db: Db): JobDefinition {
  return {
    name: 'advance-signing-keys',
    every: '* * * * *',
    run: async () => {
      await openWork(db, { kind: 'system' }, advanceKeys);
    },
  };
}

const logoutSchema = z.object({ clientId: z.string(), accountId: z.string(), sid: z.string() });

/**
 * Tells one app that a session ended (Back-Channel Logout 1.0 §2.5, or by what else it hears); an app that does not take it is
 * tried again.
 */
export function backchannelLogout(provider: () => Provider, db: Db, others: TellLoggedOut): JobDefinition {
  return {
    name: BACKCHANNEL_LOGOUT,
    run: async (payload, attempt) => {
      const { clientId, accountId, sid } = logoutSchema.parse(payload);
      try {
        await tellLoggedOut(provider(), clientId, accountId, sid);
        await others(clientId, accountId, sid);
      } catch (error) {
        if (!attempt.last) throw error;
        await openWork(db, { kind: 'system' }, async work => {
          work.record({
            type: 'logout.undelivered',
            accountId,
            clientId,
            detail: { tries: attempt.attempt },
          });
        });
      }
    },
  };
}
