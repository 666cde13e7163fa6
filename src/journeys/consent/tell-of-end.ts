import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { findClient } from '../../domain/clients/clients.js';
import { routeOf, sendCommand } from '../../domain/commands/commands.js';
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
