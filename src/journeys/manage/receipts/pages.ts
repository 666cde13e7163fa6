import { Refusal } from '../../../platform/errors.js';
import { issueReceipt } from '../../receipts/issue.js';
import type { AccountCall, AccountPage } from '../door.js';

/** A signed receipt of something that its person allowed, changed or took back, to keep; that one was made is on record. */
export const RECEIPT_PAGES: readonly AccountPage[] = [
  { method: 'POST', path: '/account/receipts/:event', run: download },
];

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

async function download({ ctx, parts, me, actor, params }: AccountCall): Promise<void> {
  const eventId = params['event'] ?? '';
  const receipt = UUID.test(eventId)
    ? await issueReceipt(parts, { accountId: me.accountId, eventId, actor })
    : undefined;
  if (receipt === undefined) throw new Refusal('missing', 'not_found', 'There is nothing at this address.');
  ctx.attachment(`receipt-${eventId}.jws`);
  ctx.type = 'application/jose';
  ctx.body = receipt;
}
