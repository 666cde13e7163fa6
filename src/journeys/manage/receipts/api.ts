import { z } from 'zod';
import { Refusal } from '../../../platform/errors.js';
import { issueReceipt } from '../../receipts/issue.js';
import { type ApiOperation, operation } from '../api.js';

/** Receipts, for the apps that a person lets have them. */
export const RECEIPT_OPERATIONS: readonly ApiOperation[] = [
  operation({
    method: 'POST',
    path: '/api/me/receipts/:event',
    scope: 'account:consents:read',
    summary: 'A signed receipt (ISO/IEC TS 27560, JWS) of one event of the consent ledger.',
    status: 201,
    answer: z.strictObject({ receipt: z.string() }),
    run: async ({ parts, me, actor, params }) => {
      const eventId = z.uuid().safeParse(params['event']).data;
      const receipt =
        eventId === undefined
          ? undefined
          : await issueReceipt(parts, { accountId: me.accountId, eventId, actor });
      if (receipt === undefined) throw new Refusal('missing', 'not_found', 'There is no such event.');
      return { receipt };
    },
  }),
];
