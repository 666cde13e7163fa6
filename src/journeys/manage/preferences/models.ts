import type { SaleChoice } from '../../../domain/accounts/accounts.js';
import type { Channel } from '../../../domain/messages/messages.js';
import type { Regime } from '../../../domain/opt-outs/opt-outs.js';
import type { AccountFrame } from '../door.js';
import type { NamedZone, ZoneRegion } from '../time-zones.js';

/** A word under `preferences_problem.*` in the locales. */
export type PreferencesProblem = 'reworded' | 'zone';

/** A topic with its words, and a box for each channel. */
export interface OfferedTopicModel {
  readonly topic: string;
  readonly name: string;
  readonly description: string;
  readonly wording: string;
  readonly language: string;
  readonly channels: readonly {
    readonly channel: Channel;
    readonly wanted: boolean;
    /** Since when they get it. */
    readonly since?: Date;
    /** What the form says was read, so that an opt-in names these very words. */
    readonly read: string;
    /** There is no proven address of that kind yet. */
    readonly unreachable: boolean;
  }[];
}

/** A time zone that can be chosen. */
export interface ZoneChoice extends Omit<NamedZone, 'region'> {
  readonly chosen: boolean;
}

/** `/account/preferences`. Posts `read` for each box shown and `want` for each ticked one; the other form posts the rest. */
export interface PreferencesPage extends AccountFrame {
  readonly topics: readonly OfferedTopicModel[];
  readonly languages: readonly { readonly code: string; readonly name: string; readonly chosen: boolean }[];
  readonly zones: readonly { readonly region?: ZoneRegion; readonly zones: readonly ZoneChoice[] }[];
  readonly sale: {
    /** What holds now, whoever said it. */
    readonly allowed: boolean;
    readonly choice?: SaleChoice;
    readonly by?: 'signal' | 'person';
    readonly since?: Date;
    /** This browser sends the signal now. */
    readonly signal: boolean;
    /** Without a yes nothing may be sold of them: because of where they live, or how old they are. */
    readonly regime: Regime;
  };
  readonly done?: 'topics' | 'language' | 'sale';
  readonly problem?: PreferencesProblem;
}

/** The pages of this topic. */
export interface PreferencesPages {
  readonly 'account/preferences': PreferencesPage;
}
