import type { AccountFrame } from '../door.js';

/** A word under `devices_done.*` in the locales: what the form before has done. */
export const DONE = ['ended', 'ended_others', 'gone', 'forgotten', 'forgot_all'] as const;

/** A device as its owner sees it. */
export interface ShownDevice {
  readonly name?: string;
  readonly country?: string;
  readonly firstSeenAt: Date;
  readonly lastSeenAt: Date;
  /** The one that shows this. */
  readonly here: boolean;
  /** Names of the apps that are signed in there, or their ids. */
  readonly apps: readonly string[];
}

/** A browser that is not asked for the second step. */
export interface ShownRemembered {
  readonly name?: string;
  readonly country?: string;
  readonly at: Date;
  readonly until: Date;
  /** Posted to, without fields. */
  readonly forgetUrl: string;
}

/** `/account/devices`: where somebody is signed in. */
export interface DevicesPage extends AccountFrame {
  readonly done?: (typeof DONE)[number];
  /** This one is left by the ordinary way out, and has no addresses. */
  readonly devices: readonly (ShownDevice & { readonly endUrl?: string; readonly objectUrl?: string })[];
  /** Others are signed in as well. */
  readonly mayEndOthers: boolean;
  readonly moreUrl?: string;
  /** Back to the first, where these are not. */
  readonly firstUrl?: string;
  readonly remembered: readonly ShownRemembered[];
}

/** `/account/devices/:id/end`: what signing another device out does; posts to the same address. */
export interface DeviceEndPage extends AccountFrame {
  readonly device: ShownDevice;
  readonly url: string;
}

/** `/account/devices/:id/object`: freezes the account; posts `objection` to `/objection`. */
export interface DeviceObjectionPage extends AccountFrame {
  readonly device: ShownDevice;
  readonly objection: string;
  readonly endUrl: string;
}

/** The pages of this topic. */
export interface DevicesPages {
  readonly 'account/devices': DevicesPage;
  readonly 'account/device-end': DeviceEndPage;
  readonly 'account/device-object': DeviceObjectionPage;
  /** `/account/devices/end-others`: what that does; posts to the same address. */
  readonly 'account/devices-end-others': AccountFrame;
}
