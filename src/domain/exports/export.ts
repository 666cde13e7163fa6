import type { ExportScope } from '../../platform/storage/export-file.js';

/**
 * waiting: nobody has begun · running · ready: it can be fetched · cancelled: by its person, before it was ready · stopped: its
 * account may not act any more · failed · removed: by its person, when it was ready · expired: its days are over.
 */
export const EXPORT_STATES = [
  'waiting',
  'running',
  'ready',
  'cancelled',
  'stopped',
  'failed',
  'removed',
  'expired',
] as const;
export type ExportState = (typeof EXPORT_STATES)[number];

/** A copy of what is held about somebody. */
export interface Export {
  readonly accountId: string;
  readonly id: string;
  readonly scope: ExportScope;
  readonly state: ExportState;
  readonly language: string;
  readonly askedAt: Date;
  /** When something was done about it last. */
  readonly lookedAt: Date;
  /** So many of the kinds of things that it holds are in it by now. */
  readonly walked: number;
  readonly files: number;
  readonly rows: number;
  readonly bytes: number;
  readonly readyAt: Date | undefined;
  /** Until when it can be fetched. */
  readonly expiresAt: Date | undefined;
  readonly endedAt: Date | undefined;
  readonly fetchedAt: Date | undefined;
}

/** Where the walk through the rooms is: in which file, in which part of it, and after what. */
export interface Reached {
  readonly file: string;
  readonly part: number;
  readonly after?: string | undefined;
}

/** One that is being made: how far it is on record, and the key that its pieces are sealed with. */
export interface Making extends Export {
  readonly step: number;
  readonly reached: Reached | undefined;
  readonly key: Buffer;
}

/** A file of an export, with what a manifest says of it. */
export interface MadeFile {
  readonly path: string;
  /** Which kind of thing it is about; nothing for what is about the export itself. */
  readonly about: string | undefined;
  /** Its lines, where it has any. */
  readonly rows: number | undefined;
  readonly bytes: number;
  readonly sha256: Buffer;
}

/** The same with its pieces, each deflated by itself. */
export interface PackedFile extends MadeFile {
  readonly pieces: readonly Buffer[];
}

/** A file on record. */
export interface KeptFile extends MadeFile {
  readonly nr: number;
  readonly pieces: number;
}

/** For so long somebody can fetch what is ready. */
export const EXPORT_DAYS = 7;

/** So many somebody may ask for in a day. */
export const EXPORTS_A_DAY = 3;

/** The record that there was one is kept for so long. */
export const RECORD_DAYS = 365;

const DAY = 86_400_000;

/** Until when what is ready at a moment can be fetched. */
export function expiryOf(at: Date): Date {
  return new Date(at.getTime() + EXPORT_DAYS * DAY);
}

/** Whether somebody who asked for so many at these times may ask for another one. */
export function mayAsk(asked: readonly Date[], at: Date): boolean {
  return asked.filter(one => at.getTime() - one.getTime() < DAY).length < EXPORTS_A_DAY;
}

/** Whether it is being made. */
export function isUnderWay({ state }: Pick<Export, 'state'>): boolean {
  return state === 'waiting' || state === 'running';
}

/** Whether it can be fetched at a moment: from its last moment on it cannot, whether the job that removes it has run or not. */
export function isFetchable({ state, expiresAt }: Pick<Export, 'state' | 'expiresAt'>, at: Date): boolean {
  return state === 'ready' && expiresAt !== undefined && expiresAt > at;
}
