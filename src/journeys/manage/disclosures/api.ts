import { z } from 'zod';
import { WAYS } from '../../../domain/disclosures/disclosures.js';
import { type ApiOperation, operation } from '../api.js';
import { tellsDaily } from '../topics.js';
import { written } from './download.js';
import { listLeft, readingOf } from './listing.js';

const MOST = 500;

const leftSchema = z.strictObject({
  id: z.uuid(),
  time: z.iso.datetime(),
  app: z.strictObject({ client_id: z.string(), name: z.string().optional() }),
  way: z.enum(WAYS),
  /** The consent under which it left; null where none was needed. */
  consent: z.uuid().nullable(),
  claims: z.array(
    z.strictObject({
      name: z.string(),
      /** What it is held for. */
      purpose: z.string().nullable(),
      /** Its value is another one by now; absent where that is no question. */
      changed_since: z.boolean().optional(),
    }),
  ),
});

/** What left about a person, for the apps that they let see it. */
export const DISCLOSURES_OPERATIONS: readonly ApiOperation[] = [
  operation({
    method: 'GET',
    path: '/api/me/disclosures',
    scope: 'account:disclosures:read',
    summary:
      'Which app was told what about the person, newest first: for the first time, or with another value.',
    query: z.strictObject({
      app: z.string().max(255).optional(),
      claim: z.string().max(255).optional(),
      /** `next` of the page before. */
      before: z.uuid().optional(),
      /** About so many claims; what left in one answer is never divided. */
      limit: z.coerce.number().int().min(1).max(MOST).default(100),
    }),
    tells: tellsDaily('account:disclosures'),
    answer: z.strictObject({ disclosures: z.array(leftSchema), next: z.uuid().optional() }),
    run: async ({ parts, me, query: { app: clientId, claim, before, limit } }) => {
      const reading = await readingOf(parts, me.accountId);
      const { rows, older } = await listLeft(reading, { clientId, claim, before }, limit);
      return { disclosures: rows.map(written), ...(older !== undefined && { next: older }) };
    },
  }),
];
