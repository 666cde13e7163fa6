import type { Keyring } from '../../platform/crypto/keyring.js';
import { Refusal } from '../../platform/errors.js';
import type { Work } from '../../platform/storage/work.js';
import { protocolOf } from './protocols.js';
import { type DeclaredProvider, providerSchema } from './provider.js';
import * as store from './store.js';
import { sealSecrets } from './upstreams.js';

/** A provider as an operator declares it, whole and checked; every problem at once, where it stands. */
export function readProvider(input: unknown): DeclaredProvider {
  const read = providerSchema.safeParse(input);
  if (!read.success) throw wrong(read.error.issues.map(({ path, message }) => [path, message]));
  const protocol = protocolOf(read.data.kind);
  const settings = protocol.settings.safeParse(read.data.settings);
  if (!settings.success) {
    throw wrong(settings.error.issues.map(({ path, message }) => [['settings', ...path], message]));
  }
  const strange = Object.keys(read.data.secrets ?? {}).filter(name => !protocol.secrets.includes(name));
  if (strange.length > 0) throw wrong(strange.map(name => [['secrets', name], 'is not known here']));
  return { ...read.data, settings: settings.data };
}

function wrong(issues: readonly (readonly [readonly PropertyKey[], string])[]): Refusal {
  const lines = issues.map(([path, message]) => `${path.map(String).join('.') || 'provider'}: ${message}`);
  return new Refusal('invalid', 'invalid_provider', lines.join('\n'));
}

/** Keeps a provider as it was read; secrets that are not given stay as they were. */
export async function applyProvider(
  work: Work,
  keyring: Keyring,
  { secrets, preset, ...declared }: DeclaredProvider,
): Promise<'inserted' | 'updated' | 'unchanged'> {
  const kept = await store.upsertProvider(work.tx, {
    ...declared,
    preset,
    secrets: secrets && sealSecrets(keyring, declared.id, secrets),
    at: work.at,
  });
  const { id, kind, state } = declared;
  if (kept !== 'unchanged') {
    work.record({ type: 'identity_provider.applied', detail: { provider: id, kind, state } });
  }
  return kept;
}

/** Lets a provider be used or not, from the commit on at every step; false when it was so already. */
export async function setProviderState(
  work: Work,
  id: string,
  state: 'enabled' | 'disabled',
): Promise<boolean> {
  if (!(await store.findProvider(work.tx, id))) {
    throw new Refusal('missing', 'no_such_provider', `There is no identity provider ${id}.`);
  }
  const changed = await store.updateProviderState(work.tx, id, state, work.at);
  if (changed && state === 'enabled')
    work.record({ type: 'identity_provider.enabled', detail: { provider: id } });
  if (changed && state === 'disabled')
    work.record({ type: 'identity_provider.disabled', detail: { provider: id } });
  return changed;
}

/** Removes a provider; whoever is tied to it stays so, should it come back under its name. */
export async function removeProvider(work: Work, id: string): Promise<boolean> {
  const removed = await store.removeProvider(work.tx, id);
  if (removed) work.record({ type: 'identity_provider.removed', detail: { provider: id } });
  return removed;
}
