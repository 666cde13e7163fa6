import {
  type ConsentKey,
  listConsentsOver,
  recordExpiry,
  withdrawConsent,
} from '../../domain/consents/consents.js';
import { endAppAccess } from '../../oidc/app-access.js';
import type { JobDefinition } from '../../platform/jobs/jobs.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import { tellOfEnd } from './tell-of-end.js';

/** Whose consent to which app is taken back, and how. */
export interface Withdrawal extends ConsentKey {
  /** Where it was done, e.g. `account`, `api` or `command`. */
  readonly method: string;
}

/**
 * Takes back all that an app was allowed, in one work: on record in the ledger, gone, with every code and token that the app
 * holds, the app told, and asked anew by its next request. Says whether there was anything. What a JWT access token says it
 * goes on saying until it ends, five minutes after it was given: nobody asks us about it.
 */
export async function withdrawFromApp(
  work: Work,
  { accountId, clientId, method }: Withdrawal,
): Promise<boolean> {
  if (!(await withdrawConsent(work, accountId, clientId, method))) return false;
  await endAppAccess(work, accountId, clientId);
  tellOfEnd(work, { accountId, clientId }, 'consent_withdrawn');
  return true;
}

const BATCH = 200;

/**
 * Writes down which consents have ended by themselves, and clears away what apps still hold of them. It was worth nothing
 * from their end on; this makes nobody wait.
 */
export function expireConsents(db: Db): JobDefinition {
  return {
    name: 'expire-consents',
    every: '* * * * *',
    run: async (_payload, { signal }) => {
      for (;;) {
        const over = await listConsentsOver(db, new Date(), BATCH);
        for (const key of over) {
          if (signal.aborted) return;
          await openWork(db, { kind: 'system' }, async work => {
            if (!(await recordExpiry(work, key))) return;
            await endAppAccess(work, key.accountId, key.clientId);
            tellOfEnd(work, key, 'consent_ended');
          });
        }
        if (over.length < BATCH) return;
      }
    },
  };
}
