import { networkOf } from '../../platform/addresses.js';
import type { Fact } from '../../platform/storage/work.js';
import type { Limit, Protection } from './protection.js';

/** Something that is used once, presented again or where it was not made for. */
export interface Replay {
  /** What it was, e.g. `DpopProof`. */
  readonly kind: string;
  readonly address: string;
  readonly clientId?: string | undefined;
  readonly accountId?: string | undefined;
}

/** The fact that a replay leaves, if it leaves one. */
export type NoteReplay = (replay: Replay) => Promise<Fact | undefined>;

const QUARTER = 900;

/* Whoever holds one used thing may send it at will: the record shall show it, and not be filled by it. */
function limitsOf(address: string): readonly Limit[] {
  const limit = (per: string, subject: string, max: number): Limit => ({
    name: 'replay',
    per,
    subject,
    max,
    window: QUARTER,
  });
  return [limit('network', networkOf(address), 20), limit('everywhere', '', 2_000)];
}

/** Opens the notes: so many replays of a network are on record one by one, then that there were more. */
export function openReplayNotes(protection: Protection): NoteReplay {
  return async ({ kind, address, clientId, accountId }) => {
    const verdict = await protection.count(limitsOf(address));
    const about = {
      ...(clientId !== undefined && { clientId }),
      ...(accountId !== undefined && { accountId }),
    };
    if (verdict.allowed) return { type: 'replay.refused', ...about, detail: { kind } };
    const { reached } = verdict;
    return reached && { type: 'limit.reached', detail: { limit: reached.name, per: reached.per } };
  };
}
