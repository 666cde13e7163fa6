import type { Way } from '../../../domain/disclosures/disclosures.js';
import type { AccountFrame } from '../door.js';
import type { Reason } from './labels.js';

/** Something that can be looked at alone. */
export interface FilterChoice {
  readonly value: string;
  readonly label: string;
  readonly chosen: boolean;
}

/** What one app was told in one answer. */
export interface ShownLeft {
  readonly app: string;
  readonly at: Date;
  /** A word under `disclosures.way.*`. */
  readonly way: Way;
  /** A word under `disclosures.reason.*`. */
  readonly reason: Reason;
  readonly claims: readonly {
    readonly label: string;
    readonly purpose?: string;
    /** It is another one by now. */
    readonly changed: boolean;
  }[];
}

/** An app that was told something. */
export interface ShownKnowing {
  readonly app: string;
  readonly last: Date;
  readonly labels: readonly string[];
  readonly url: string;
}

/** `/account/disclosures`: what left to which app, newest first. The form sends `app` and `claim` by GET. */
export interface DisclosuresPage extends AccountFrame {
  /** None where something is looked at alone, or further back. */
  readonly knowing: readonly ShownKnowing[];
  readonly rows: readonly ShownLeft[];
  readonly apps: readonly FilterChoice[];
  readonly claims: readonly FilterChoice[];
  /** Something is looked at alone. */
  readonly filtered: boolean;
  readonly olderUrl?: string;
  /** Back to the newest, where these are not. */
  readonly newestUrl?: string;
  readonly csvUrl: string;
  readonly jsonUrl: string;
}

/** The pages of this topic. */
export interface DisclosuresPages {
  readonly 'account/disclosures': DisclosuresPage;
}
