import { Refusal } from '../../platform/errors.js';
import { completed } from './presets/completing.js';
import { PRESETS, presetOf } from './presets/presets.js';
import type { DeclaredProvider } from './provider.js';
import { readProvider } from './providers.js';

/** A declaration that may leave open whether the provider is enabled. */
export type UndecidedProvider = Omit<DeclaredProvider, 'state'> & {
  readonly state?: DeclaredProvider['state'] | undefined;
};

/** A provider as an operator writes it in a file, completed by the preset that it names; refused like `readProvider`. */
export function readDeclared(entry: Readonly<Record<string, unknown>>): UndecidedProvider {
  const { state, ...read } = readProvider(whole(entry));
  return { ...read, ...('state' in entry && { state }) };
}

function whole(entry: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { preset: name, settings: given, mapping, ...rest } = entry;
  if (name === undefined) return entry;
  const preset = typeof name === 'string' ? presetOf(name) : undefined;
  if (!preset) {
    const known = [...PRESETS.keys()].join(', ');
    throw new Refusal('invalid', 'invalid_provider', `preset: there is none of this name, but ${known}`);
  }
  if ('kind' in rest) throw new Refusal('invalid', 'invalid_provider', 'kind: is what the preset says');
  return {
    name: preset.name,
    ...rest,
    preset: name,
    kind: preset.kind,
    settings: isObject(given) ? completed(preset, given) : given,
    mapping:
      mapping === undefined || isObject(mapping) ? { attributes: preset.attributes, ...mapping } : mapping,
  };
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
