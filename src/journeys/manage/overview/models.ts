import type { AccountFrame } from '../door.js';
import type { Attention } from './attention.js';

/** `/account`: what is set up, what needs attention, who signed in last. */
export interface OverviewPage extends AccountFrame {
  readonly attention: readonly { readonly word: Attention; readonly url?: string }[];
  readonly password: boolean;
  readonly passkeys: number;
  readonly secondStep: boolean;
  readonly addresses: readonly { readonly address: string; readonly proved: boolean }[];
  readonly signIns: readonly {
    readonly at: Date;
    /** A sentence under `history.did.*`. */
    readonly word: string;
    readonly device?: string;
    readonly country?: string;
  }[];
  readonly historyUrl?: string;
}

/** A form that was made for somebody else than the pages are about by now. */
export interface OtherPersonPage extends AccountFrame {
  /** Where the form is shown for whoever it is now. */
  readonly form: string;
}

/** The pages of this topic. */
export interface OverviewPages {
  readonly 'account/overview': OverviewPage;
  readonly 'account/other-person': OtherPersonPage;
}
