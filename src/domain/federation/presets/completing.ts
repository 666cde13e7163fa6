import type { Payload, Preset } from './preset.js';

/** The settings of a provider: what its operator gives, above what its preset knows. */
export function completed(preset: Preset | undefined, given: Payload): Payload {
  if (!preset) return given;
  return { ...preset.settings, ...(preset.completes ? preset.completes(given) : given) };
}
