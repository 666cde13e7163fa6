import type { MoveState } from '../../../domain/moves/moves.js';
import type { Asked, Problem } from '../../page-models.js';
import type { AccountFrame } from '../door.js';
import type { ShownApp, ShownPasskey } from '../signing-in/models.js';

/** `/account/move`: what will happen, and what needs no move. Posts to its own address to begin. */
export interface MoveStartPage extends AccountFrame {
  /** Passkeys that come along with the account of their keeper. */
  readonly synced: readonly ShownPasskey[];
  /** Passkeys that are on one device only. */
  readonly local: readonly ShownPasskey[];
  readonly apps: readonly ShownApp[];
  readonly hasPassword: boolean;
}

/** A state of a move as the old phone sees it; `elsewhere` when it was begun on another device. */
export type MoveNowWord = MoveState | 'elsewhere' | 'account' | 'signed_out';

/** `/account/move/now`: the code to scan, then the question, then how the new phone gets on. */
export interface MoveNowPage extends AccountFrame {
  readonly state: MoveNowWord;
  readonly problems: readonly Problem[];
  readonly code?: {
    readonly qr: { readonly size: number; readonly path: string };
    readonly url: string;
    readonly minutes: number;
  };
  /** The phone that has scanned the code, and the numbers of which it shows one. */
  readonly asked?: Asked;
  readonly numbers: readonly number[];
  /** Something was added there before the move ended. */
  readonly added: boolean;
  /** For a browser without scripts, while only the other phone is to do something. */
  readonly refresh?: number;
}

/** Why something of the old phone cannot be taken away: a sentence under `move_stays.*` in the locales. */
export type StaysWord = 'last_way_in' | 'last_second_step';

/** Something that only the old phone holds. */
export interface OldThing {
  /** The value of its tick. */
  readonly value: string;
  readonly kind: 'passkey' | 'app' | 'session' | 'browser';
  readonly name?: string;
  readonly provider?: string;
  readonly addedAt?: Date;
  readonly addedFrom?: string;
  readonly usedAt?: Date;
  readonly usedFrom?: string;
  readonly stays?: StaysWord;
}

/** `/account/move/old`: what only the old phone holds, each with a tick. */
export interface MoveOldPage extends AccountFrame {
  readonly problems: readonly Problem[];
  readonly things: readonly OldThing[];
  /** This very browser is the old phone's. */
  readonly isOld: boolean;
}

/** `/account/move/done`: what now is where. */
export interface MoveDonePage extends AccountFrame {
  readonly passkeys: readonly ShownPasskey[];
  readonly apps: readonly ShownApp[];
  readonly hasPassword: boolean;
  /** Recovery codes that are left; absent where there is no second step that they stand in for. */
  readonly codesLeft?: number;
  readonly signal: {
    readonly rpId: string;
    readonly userId: string;
    readonly known: string;
    readonly name: string;
  };
}

/** The pages of the old phone. */
export interface OldPhonePages {
  readonly 'account/move/start': MoveStartPage;
  readonly 'account/move/now': MoveNowPage;
  readonly 'account/move/old': MoveOldPage;
  readonly 'account/move/done': MoveDonePage;
}
