import { isDeepStrictEqual } from 'node:util';
import type { Keyring } from '../../platform/crypto/keyring.js';
import { Refusal } from '../../platform/errors.js';
import type { Db } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';
import type { UndecidedProvider } from './declared.js';
import { hasLinksTo } from './link-store.js';
import { presetOf } from './presets/presets.js';
import { protocolOf } from './protocols.js';
import type { DeclaredProvider, IdentityProvider } from './provider.js';
import { applyProvider } from './providers.js';
import { findWithSecrets } from './store.js';
import { openSecrets } from './upstreams.js';

/** What applying a declaration would do, and the declaration as it would be kept. */
export interface PlannedProvider {
  readonly declared: DeclaredProvider;
  readonly what: 'added' | 'changed' | 'unchanged';
  /** The members that are different, by name; of a secret no more than that. */
  readonly changes: readonly string[];
}

/**
 * Holds a declaration against what stands. What it does not say stays: the state, so that nothing that was disabled in a
 * hurry comes back by itself, and secrets. Who would be taken for somebody else by it is a refusal, unless the operator knows
 * that both name the same people.
 */
export async function planProvider(
  db: Db,
  keyring: Keyring,
  { state, secrets: given = {}, ...rest }: UndecidedProvider,
  samePeople = false,
): Promise<PlannedProvider> {
  const found = await findWithSecrets(db, rest.id);
  const kept = openSecrets(keyring, rest.id, found?.sealed);
  const secrets = { ...kept, ...given };
  const declared = { ...rest, state: state ?? found?.provider.state ?? 'enabled' };
  await protocolOf(rest.kind).checkSecrets?.(rest.settings, secrets);
  const changed = Object.keys(secrets).filter(name => secrets[name] !== kept[name]);
  const planned = { declared: { ...declared, ...(changed.length > 0 && { secrets }) } };
  if (!found) return { ...planned, what: 'added', changes: [] };
  if (!samePeople) await mustNameTheSame(db, found.provider, declared);
  const changes = [...differences(found.provider, declared), ...changed.map(name => `secrets.${name}`)];
  return { ...planned, what: changes.length > 0 ? 'changed' : 'unchanged', changes };
}

/** Keeps what was planned. */
export async function enactProvider(
  work: Work,
  keyring: Keyring,
  { declared, what }: PlannedProvider,
): Promise<void> {
  if (what !== 'unchanged') await applyProvider(work, keyring, declared);
}

type Compared = Pick<IdentityProvider, 'kind' | 'name' | 'place' | 'state' | 'settings' | 'mapping'> & {
  readonly preset?: string | undefined;
};

function differences(was: Compared, next: Compared): readonly string[] {
  const members = ['kind', 'name', 'preset', 'place', 'state'] as const;
  const flat = members.filter(member => was[member] !== next[member]);
  return [
    ...flat,
    ...deep('settings', was.settings, next.settings),
    ...deep('mapping', was.mapping, next.mapping),
  ];
}

function deep(of: string, was: object, next: object): readonly string[] {
  const [before, after] = [new Map(Object.entries(was)), new Map(Object.entries(next))];
  const names = new Set([...before.keys(), ...after.keys()]);
  const other = [...names].filter(name => !isDeepStrictEqual(before.get(name), after.get(name)));
  return other.sort().map(name => `${of}.${name}`);
}

/* "12345" of another house is another person, and would come in as whoever is tied to "12345" here. */
async function mustNameTheSame(
  db: Db,
  was: Compared & { readonly id: string },
  next: Compared,
): Promise<void> {
  if (namespaceOf(was) === namespaceOf(next) || !(await hasLinksTo(db, was.id))) return;
  throw new Refusal(
    'conflict',
    'other_people',
    `${was.id}: people sign in by it as they are named at ${namespaceOf(was)}, and ${namespaceOf(next)} names others; give it an id of its own, or say --same-people if you know that they are the same there.`,
  );
}

/** Within what a provider's subjects are one person each. */
function namespaceOf({ kind, preset, settings }: Pick<Compared, 'kind' | 'preset' | 'settings'>): string {
  return presetOf(preset)?.namespace ?? protocolOf(kind).namespace?.(settings) ?? kind;
}

/** Refuses while anybody is tied to a provider: should its id come back for another one, they would be taken for its people. */
export async function mustBeUnused(db: Db, id: string): Promise<void> {
  if (!(await hasLinksTo(db, id))) return;
  const advice = 'disable it, and nobody signs in by it any more.';
  throw new Refusal('conflict', 'provider_used', `${id}: people are known by it, so it stays; ${advice}`);
}
