import type { CommandState } from '../../../domain/commands/commands.js';
import type { Outcome, RequestState, Right, Urgency } from '../../../domain/rights/rights.js';
import type { Problem } from '../../page-models.js';
import type { AccountFrame } from '../door.js';

/** Why a form about rights came back. */
export type RightsProblem =
  | 'right_words_missing'
  | 'right_words_too_long'
  | 'right_about_missing'
  | 'right_not_objectable'
  | 'rights_full'
  | 'agent_missing'
  | 'agent_rights_missing'
  | 'agents_full';

/** What has just been done: a word under `rights.done.*`. */
export const RIGHTS_DONE = [
  'asked',
  'held',
  'ended',
  'taken_back',
  'confirmed',
  'over',
  'given',
  'revoked',
] as const;
export type RightsDone = (typeof RIGHTS_DONE)[number];

/** A right with where it is used: by the software at once, and in writing. */
export interface OfferedRight {
  readonly right: Right;
  readonly nowUrl: string;
  readonly askUrl?: string;
}

/** A request as its person sees it. */
export interface ShownRequest {
  readonly id: string;
  readonly right: Right;
  readonly state: RequestState;
  readonly askedAt: Date;
  readonly url: string;
  /** What it is about, as people call it; empty for what says so in words alone. */
  readonly about: readonly string[];
  readonly everything: boolean;
  /** Who asked, where it was not the person. */
  readonly agent?: string;
  /** While somebody has to answer. */
  readonly clock?: {
    readonly due: Date;
    readonly urgency: Urgency;
    readonly days: number;
    readonly extended: boolean;
  };
  readonly outcome?: Outcome;
  readonly decidedAt?: Date;
  /** It holds data back at this moment. */
  readonly holds?: { readonly since: Date; readonly endUrl: string; readonly endsAt?: Date };
}

/** An app that was told of a request, and what it said: its receipt. */
export interface ShownRecipient {
  readonly app: string;
  readonly state: CommandState;
  /** When it said so, or was told last. */
  readonly at: Date;
}

/** `/account/data/requests`. */
export interface RightsPage extends AccountFrame {
  readonly done?: RightsDone;
  readonly rights: readonly OfferedRight[];
  readonly inForce: readonly ShownRequest[];
  readonly requests: readonly ShownRequest[];
  readonly agentsUrl: string;
}

/** What a restriction can be about. */
export interface Holdable {
  readonly value: string;
  readonly label: string;
  readonly hint?: string;
  readonly chosen: boolean;
}

/** `/account/data/requests/ask/:right`: posts `words`, and `about` for each that is chosen. */
export interface AskRightPage extends AccountFrame {
  readonly right: Right;
  readonly action: string;
  readonly problems?: readonly Problem[];
  readonly words: string;
  readonly longest: number;
  /** By when it is answered, by which law. */
  readonly due: Date;
  readonly law: string;
  readonly purposes: readonly Holdable[];
  readonly attributes: readonly Holdable[];
  readonly everything: boolean;
}

/** `/account/data/requests/:id`. */
export interface RequestPage extends AccountFrame {
  readonly done?: RightsDone;
  readonly request: ShownRequest;
  readonly law: string;
  readonly source: string;
  readonly words?: string;
  readonly answer?: string;
  readonly extendedBecause?: string;
  readonly recipients: readonly ShownRecipient[];
  readonly withdrawUrl?: string;
  readonly confirmUrl?: string;
}

/** Somebody who may ask in the person's place. */
export interface ShownMandate {
  readonly id: string;
  readonly agent: string;
  readonly rights: readonly Right[];
  readonly givenAt: Date;
  readonly expiresAt: Date;
  readonly lastUsedAt?: Date;
  readonly state: 'live' | 'revoked' | 'expired';
  readonly fileUrl?: string;
  readonly revokeUrl?: string;
}

/** `/account/data/agents`: posts `agent`, `right` for each and `days` to `…/give`. */
export interface AgentsPage extends AccountFrame {
  readonly done?: RightsDone;
  readonly mandates: readonly ShownMandate[];
  readonly giveUrl: string;
}

/** `/account/data/agents/give`. */
export interface GiveMandatePage extends AccountFrame {
  readonly problems?: readonly Problem[];
  readonly agent: string;
  readonly rights: readonly { readonly right: Right; readonly chosen: boolean }[];
  readonly days: readonly number[];
  readonly chosenDays: number;
}

/** The pages of this topic. */
export interface RightsPages {
  readonly 'account/rights': RightsPage;
  readonly 'account/rights-ask': AskRightPage;
  readonly 'account/rights-request': RequestPage;
  readonly 'account/agents': AgentsPage;
  readonly 'account/agents-give': GiveMandatePage;
}
