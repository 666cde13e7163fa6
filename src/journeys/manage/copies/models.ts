import type { ExportState } from '../../../domain/exports/exports.js';
import type { ExportScope } from '../../../platform/storage/export-file.js';
import type { AccountFrame } from '../door.js';

/** What has just been done about a copy: `copy.done.<word>`. */
export const COPY_DONE = ['asked', 'cancelled', 'removed', 'over'] as const;

/** A copy as its person sees it. */
export interface ShownCopy {
  readonly id: string;
  readonly scope: ExportScope;
  readonly state: ExportState;
  readonly askedAt: Date;
  /** While it is made: how many of its kinds of things are in it, of how many. */
  readonly walked?: { readonly count: number; readonly of: number };
  /** What says whether that has gone on. */
  readonly watch?: { readonly url: string; readonly state: string };
  /** While it can be fetched. */
  readonly until?: Date;
  readonly fileUrl?: string;
  readonly megabytes?: number;
  readonly fetchedAt?: Date;
  readonly dropUrl?: string;
}

/** The section of `/account/data` about copies; `drop` posts to a copy's `dropUrl`. */
export interface CopySection {
  readonly done?: (typeof COPY_DONE)[number];
  /** The one that is being made, and those that can be fetched. */
  readonly current: readonly ShownCopy[];
  /** Those that are over. */
  readonly earlier: readonly ShownCopy[];
  readonly askUrl: string;
}

/** `/account/data/copy`: posts `scope` to itself. */
export interface AskCopyPage extends AccountFrame {
  readonly problem?: 'running' | 'enough';
  readonly scope: ExportScope;
  readonly days: number;
  readonly aDay: number;
}

/** The pages of this topic. */
export interface CopyPages {
  readonly 'account/copy': AskCopyPage;
}
