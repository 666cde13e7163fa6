import { type Account, chooseSale } from '../../domain/accounts/accounts.js';
import { openWork } from '../../platform/storage/work.js';
import type { Turn } from '../turn.js';

/** Whether the browser asks that data is neither sold nor shared (Global Privacy Control §3.2: `1` and nothing else). */
export function sendsSignal({ ctx }: Pick<Turn, 'ctx'>): boolean {
  return ctx.get('Sec-GPC') === '1';
}

/**
 * Heeds the signal of whoever signs in, once: what they have said themselves stands, and it costs nothing from then on. Says
 * whether it was heeded.
 */
export async function heedSignal(
  turn: Turn,
  accountId: string,
  account: Account | undefined,
): Promise<boolean> {
  if (!sendsSignal(turn) || account?.saleChoice !== undefined) return false;
  await openWork(turn.parts.db, { kind: 'person', id: accountId }, work =>
    chooseSale(work, accountId, 'opted_out', 'signal'),
  );
  return true;
}
