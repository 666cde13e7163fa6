import { apple } from './apple.js';
import { facebook } from './facebook.js';
import { github } from './github.js';
import { gitlab } from './gitlab.js';
import { google } from './google.js';
import { linkedin } from './linkedin.js';
import { microsoft } from './microsoft.js';
import type { Preset } from './preset.js';

/** The identity providers that Keyhold knows by name, as an operator writes them. */
export const PRESETS: ReadonlyMap<string, Preset> = new Map(
  Object.entries({ google, apple, microsoft, github, facebook, linkedin, gitlab }),
);

/** The preset that a provider was made after; undefined where it is one of its own. */
export function presetOf(name: string | undefined): Preset | undefined {
  return name === undefined ? undefined : PRESETS.get(name);
}
