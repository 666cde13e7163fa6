/** waiting: until its time has come, and a while after · stopped: its owner said that it was not them · expired: nobody came back · completed: something new is bound, and can be undone · undone: it was not the owner · settled: for good. */
export type RecoveryState = 'waiting' | 'stopped' | 'expired' | 'completed' | 'undone' | 'settled';

/** What can become of a recovery. */
export type RecoveryStep = 'stop' | 'complete' | 'expire' | 'undo' | 'settle';

/** A time that a recovery has. */
export type RecoveryTime = 'ready_at' | 'expires_at' | 'settles_at';

/** One legal step: from where to where, and between which of its own times. */
export interface RecoveryEdge {
  readonly from: RecoveryState;
  readonly to: RecoveryState;
  /** Not before that time. */
  readonly since?: RecoveryTime;
  /** Only before that time. */
  readonly until?: RecoveryTime;
}

/** Every step that is legal. What stands here is what the database is asked, in one statement with the step itself. */
export const RECOVERY_EDGES: Readonly<Record<RecoveryStep, RecoveryEdge>> = {
  stop: { from: 'waiting', to: 'stopped' },
  complete: { from: 'waiting', to: 'completed', since: 'ready_at', until: 'expires_at' },
  expire: { from: 'waiting', to: 'expired', since: 'expires_at' },
  undo: { from: 'completed', to: 'undone', until: 'settles_at' },
  settle: { from: 'completed', to: 'settled', since: 'settles_at' },
};

/** A recovery of somebody whose phone is lost. */
export interface Recovery {
  readonly accountId: string;
  readonly id: string;
  readonly state: RecoveryState;
  /** Sealed by whoever began. */
  readonly askedFrom: Buffer;
  readonly startedAt: Date;
  readonly readyAt: Date;
  readonly expiresAt: Date;
  readonly endedAt: Date | undefined;
  readonly addedApp: string | undefined;
  readonly addedPasskey: string | undefined;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Days for which somebody may come back once the waiting time is over. */
export const READY_DAYS = 7;

/** Days for which what was completed can be undone. */
export const UNDO_DAYS = 7;

/** Days for which no other one is begun after its owner has stopped one. */
export const REST_DAYS = 7;

/** Hours before its time for which a last reminder is sent. */
const LAST_HOURS = 6;

/** When a recovery that is begun now is ready, and until when. */
export function timesOf(at: Date, waitHours: number): { readonly readyAt: Date; readonly expiresAt: Date } {
  const readyAt = new Date(at.getTime() + waitHours * HOUR);
  return { readyAt, expiresAt: new Date(readyAt.getTime() + READY_DAYS * DAY) };
}

/** Whether its waiting time is over. */
export function isReady({ readyAt }: Pick<Recovery, 'readyAt'>, at: Date): boolean {
  return readyAt <= at;
}

type Times = Pick<Recovery, 'startedAt' | 'readyAt' | 'expiresAt'>;

/** When there is next something to do after an instant: a reminder each day, one in the last hours, its time, its end. */
export function nextLook({ startedAt, readyAt, expiresAt }: Times, after: Date): Date {
  const last = readyAt.getTime() - LAST_HOURS * HOUR;
  const daysGone = Math.floor((after.getTime() - startedAt.getTime()) / DAY);
  const daily = startedAt.getTime() + (daysGone + 1) * DAY;
  const moments = [...(daily < last ? [daily] : []), last, readyAt.getTime(), expiresAt.getTime()];
  const next = moments.find(moment => moment > after.getTime() && moment > startedAt.getTime());
  return new Date(next ?? expiresAt.getTime());
}

/** What is due about one that waits: its owner is reminded, or told that its time has come, or it is over. */
export function dueOf({ readyAt, expiresAt }: Times, at: Date): 'remind' | 'ready' | 'expire' {
  if (at >= expiresAt) return 'expire';
  return at >= readyAt ? 'ready' : 'remind';
}

/** Whether another one may begin, after the latest that its owner has stopped. */
export function mayBegin(stoppedAt: Date | undefined, at: Date): boolean {
  return stoppedAt === undefined || at.getTime() - stoppedAt.getTime() >= REST_DAYS * DAY;
}
