import type { AccountFrame } from '../door.js';

/** `/account/data/delete`: what goes, what stays and why, who is told; or that it is on its way, and how it is called off. */
export interface DeletePage extends AccountFrame {
  readonly waiting?: { readonly beginsAt: Date; readonly statementUrl?: string };
  readonly kept: boolean;
  readonly days: number;
  /** The apps that will be told, so many of them by name. */
  readonly apps: readonly string[];
  readonly moreApps: number;
}

/** The pages of this topic. */
export interface DeletePages {
  readonly 'account/delete': DeletePage;
}
