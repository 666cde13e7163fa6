import { randomInt } from 'node:crypto';

/**
 * Where a move to a new phone stands. waiting: the old phone shows a code to scan · claimed: a phone has scanned it · confirmed:
 * the old phone said that this is the new one · bound: a way to sign in was added there · tested: somebody signed in with it ·
 * finished: what the old phone holds was dealt with · refused, cancelled, expired: nothing comes of it any more.
 */
export const MOVE_STATES = [
  'waiting',
  'claimed',
  'confirmed',
  'bound',
  'tested',
  'finished',
  'refused',
  'cancelled',
  'expired',
] as const;

/** Where a move stands. */
export type MoveState = (typeof MOVE_STATES)[number];

/** Who takes a step. */
export type MoveSide = 'old phone' | 'new phone' | 'either phone' | 'the clock';

/** One step of a move: from where it may be taken, where it leads, and by whom. */
export interface MoveEdge {
  readonly from: readonly MoveState[];
  readonly to: MoveState;
  readonly by: MoveSide;
}

/** Every legal step, and no other: the whole of the flow. A passkey that came along with its keeper is tested without being bound. */
export const MOVE_EDGES = {
  claim: { from: ['waiting'], to: 'claimed', by: 'new phone' },
  confirm: { from: ['claimed'], to: 'confirmed', by: 'old phone' },
  refuse: { from: ['claimed'], to: 'refused', by: 'either phone' },
  bind: { from: ['confirmed'], to: 'bound', by: 'new phone' },
  test: { from: ['confirmed', 'bound'], to: 'tested', by: 'new phone' },
  finish: { from: ['tested'], to: 'finished', by: 'either phone' },
  cancel: { from: ['waiting', 'claimed', 'confirmed', 'bound'], to: 'cancelled', by: 'old phone' },
  expire: { from: ['waiting', 'claimed', 'confirmed', 'bound'], to: 'expired', by: 'the clock' },
  settle: { from: ['tested'], to: 'finished', by: 'the clock' },
} as const satisfies Readonly<Record<string, MoveEdge>>;

/** A step by its name. */
export type MoveStep = keyof typeof MOVE_EDGES;

/** States in which something may still happen. */
export const OPEN_STATES = MOVE_STATES.filter(state =>
  Object.values(MOVE_EDGES).some(({ from }) => (from as readonly MoveState[]).includes(state)),
);

const MINUTE = 60_000;

/** Minutes for which the code to scan is good, its confirmation included (NIST SP 800-63B-4 §4.1.2.2). */
export const LINK_MINUTES = 10;

/** How long a move may stay in a state once it has come there; being claimed gives no more time. */
export const LASTS: Readonly<Partial<Record<MoveState, number>>> = {
  waiting: LINK_MINUTES * MINUTE,
  confirmed: 15 * MINUTE,
  bound: 30 * MINUTE,
  tested: 24 * 60 * MINUTE,
};

/** What is added on the new phone. */
export type MoveKind = 'passkey' | 'app';

/** A move to a new phone. */
export interface Move {
  readonly accountId: string;
  readonly id: string;
  readonly state: MoveState;
  readonly startedAt: Date;
  readonly until: Date;
  /** Since when what was proved counts for it. */
  readonly provedAt: Date;
  readonly endedAt: Date | undefined;
  /** The session that it was begun in, unless an app began it that knows none. */
  readonly sessionUid: string | undefined;
  /** The name by which the old phone's browser is remembered for the second step, as a digest. */
  readonly remembered: Buffer | undefined;
  /** From where it was begun, sealed by whoever began it. */
  readonly startedFrom: Buffer;
  /** What the new phone's browser shows, as a digest; and from where it came, sealed. */
  readonly browser: Buffer | undefined;
  readonly claimedFrom: Buffer | undefined;
  readonly claimedAt: Date | undefined;
  /** The old phone offers these; the new one shows `number`. */
  readonly numbers: readonly number[];
  readonly number: number | undefined;
  /** What was added on the new phone, or was there already and signed in there. */
  readonly kind: MoveKind | undefined;
  readonly bound: string | undefined;
  readonly boundAt: Date | undefined;
}

/** Where a move stands now: one whose time is over has ended, also before the clock has put that on record. */
export function stateAt({ state, until }: Pick<Move, 'state' | 'until'>, now: Date): MoveState {
  if (now < until || !OPEN_STATES.includes(state)) return state;
  return state === 'tested' ? 'finished' : 'expired';
}

/** Whether a step may be taken from a state. */
export function mayStep(step: MoveStep, state: MoveState): boolean {
  return (MOVE_EDGES[step].from as readonly MoveState[]).includes(state);
}

const CHOICES = 3;

/** Three different numbers of two digits, and which of them the new phone shows. */
export function drawNumbers(): { readonly numbers: readonly number[]; readonly number: number } {
  const numbers = new Set<number>();
  while (numbers.size < CHOICES) numbers.add(randomInt(10, 100));
  const drawn = [...numbers];
  return { numbers: drawn, number: drawn[randomInt(CHOICES)] ?? 0 };
}
