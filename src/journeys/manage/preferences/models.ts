import type { Channel } from '../../../domain/messages/messages.js';
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
  readonly done?: 'topics' | 'language';
  readonly problem?: PreferencesProblem;
}

/** The pages of this topic. */
export interface PreferencesPages {
  readonly 'account/preferences': PreferencesPage;
}
