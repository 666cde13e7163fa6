import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { findClient } from '../../domain/clients/clients.js';
import { rewriteClaims, routeOf, sendCommand } from '../../domain/commands/commands.js';
import type { ConsentKey } from '../../domain/consents/consents.js';
import { type SubjectOf, subjectClientOf } from '../../oidc/subjects.js';
import type { Keyring } from '../../platform/crypto/keyring.js';
import type { JobDefinition } from '../../platform/jobs/jobs.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork, type Work } from '../../platform/storage/work.js';

const TELL_OF_END = 'tell-of-end';
const payloadSchema = z.object({
  id: z.uuid(),
  accountId: z.uuid(),
  clientId: z.string(),
  because: z.enum(['consent_withdrawn', 'consent_ended']),
});

/** Has an app told, by a way that it can answer, that what somebody allowed it is over. */
export function tellOfEnd(
  work: Work,
  { accountId, clientId }: ConsentKey,
  because: z.output<typeof payloadSchema>['because'],
): void {
  work.enqueue({ name: TELL_OF_END, payload: { id: uuidv7(), accountId, clientId, because } });
}

const WITHHOLD = 'withhold-claims';
const withheldSchema = z.object({ accountId: z.uuid(), clientId: z.string(), claims: z.array(z.string()) });

/** Has claims that somebody takes back from an app left out of what still waits to be told there. */
export function withholdClaims(
  work: Work,
  { accountId, clientId }: ConsentKey,
  claims: readonly string[],
): void {
  if (claims.length > 0) work.enqueue({ name: WITHHOLD, payload: { accountId, clientId, claims } });
}

/* What is not a value: the names of what is not true any more, and of what must not be used. */
const NAMES = ['outdated_claims', 'restricted_claims'] as const;

/** Of values that may leave no more an app is told that what it has is not true, and nothing else (GDPR Art. 19). */
const withheld = (mayNot: (claim: string) => boolean) => (claims: Readonly<Record<string, unknown>>) => {
  const isName = (name: string) => NAMES.some(each => each === name);
  const gone = Object.keys(claims).filter(name => !isName(name) && mayNot(name));
  if (gone.length === 0) return claims;
  const left = Object.entries(claims).filter(([name]) => !gone.includes(name));
  const outdated = [claims[NAMES[0]] ?? []].flat();
  return { ...Object.fromEntries(left), [NAMES[0]]: [...outdated, ...gone] };
};

/** Leaves out of what waits to be told to an app what was taken back from it. */
export function withholdJob(db: Db, keyring: Keyring): JobDefinition {
  return {
    name: WITHHOLD,
    run: async payload => {
      const { claims, ...about } = withheldSchema.parse(payload);
      await openWork(db, { kind: 'system' }, work =>
        rewriteClaims(
          work,
          keyring,
          about,
          withheld(name => claims.includes(name)),
        ),
      );
    },
  };
}

/**
 * Tells an app by a command, an event or a webhook that what it was allowed is over (`invalidate`), beside the logout token that
 * each sign-in to it gets. An app that takes none of them is told by that token, and by its next request.
 */
export function tellOfEnds(
  db: Db,
  {
    keyring,
    subjectOf,
    days,
  }: { readonly keyring: Keyring; readonly subjectOf: SubjectOf; readonly days: number },
): JobDefinition {
  return {
    name: TELL_OF_END,
    run: async payload => {
      const { id, accountId, clientId, because } = payloadSchema.parse(payload);
      await openWork(db, { kind: 'system' }, work =>
        rewriteClaims(
          work,
          keyring,
          { accountId, clientId },
          withheld(() => true),
        ),
      );
      const client = await findClient(db, clientId);
      if (!client || routeOf(client.metadata, 'invalidate').channel === 'none') return;
      const subject = subjectOf(accountId, subjectClientOf(client));
      await openWork(db, { kind: 'system' }, work =>
        sendCommand(
          work,
          keyring,
          {
            clientId,
            accountId,
            subject,
            because,
            command: 'invalidate',
            reason: { kind: 'consent', id },
          },
          { days },
        ),
      );
    },
  };
}
