import type { JobTry } from './job.js';

/** A message on its way out: by which id it is known, and to whose messages it belongs, if to anybody's. */
export interface Outgoing {
  readonly id: string;
  readonly accountId: string | undefined;
}

/** What became of a message. */
export type Delivery =
  | { readonly state: 'sent'; readonly tries: number }
  /** failed: it could not be handed over · refused: the other side does not take it. */
  | { readonly state: 'failed' | 'refused'; readonly tries: number; readonly reason: string };

/** Where it is kept what becomes of messages, whatever the channel. */
export interface DeliveryLedger {
  /** Whether it is to go out now: it has not been sent, and whoever gets it still wants it. */
  isDue(outgoing: Outgoing): Promise<boolean>;
  note(outgoing: Outgoing, delivery: Delivery): Promise<void>;
}

/** Why a message was not taken over: in codes, never in the other side's sentence, which may hold the address. */
export class NotTakenOver extends Error {
  readonly reason: string;
  /** The other side said that it never will. */
  readonly refused: boolean;
  /** Trying again would only cost. */
  readonly final: boolean;

  constructor(message: string, reason: string, refused: boolean, final = false) {
    super(`${message}: ${reason}`);
    this.name = 'NotTakenOver';
    this.reason = reason;
    this.refused = refused;
    this.final = final;
  }
}

/**
 * Sends a message that is due and notes what became of it; throws when it is to be tried again. `dropped` after the last
 * try, `over` when it was not due any more.
 */
export async function deliver(
  ledger: DeliveryLedger,
  outgoing: Outgoing,
  { attempt: tries, last }: JobTry,
  send: () => Promise<void>,
): Promise<'sent' | 'dropped' | 'over'> {
  try {
    if (!(await ledger.isDue(outgoing))) return 'over';
    await send();
  } catch (error) {
    if (!last && !(error instanceof NotTakenOver && error.final)) throw error;
    const { reason, refused } = error instanceof NotTakenOver ? error : { reason: 'unknown', refused: false };
    await ledger.note(outgoing, { state: refused ? 'refused' : 'failed', tries, reason });
    return 'dropped';
  }
  await ledger.note(outgoing, { state: 'sent', tries });
  return 'sent';
}
