import type { Work } from '../../platform/storage/work.js';
import { touchAccount } from '../accounts/accounts.js';
import { put } from './changes.js';
import { type KeptValue, listValues } from './store.js';
import { sameValue } from './value.js';

/** A value of a profile that was made another one, and what it was before; undefined where there was none. */
export interface ReplacedValue {
  readonly attribute: string;
  readonly now: unknown;
  readonly before: KeptValue | undefined;
}

/** Lets a profile say again what it said before, as far as it has not been changed since. */
export async function restoreValues(
  work: Work,
  accountId: string,
  replaced: readonly ReplacedValue[],
): Promise<readonly string[]> {
  const values = await listValues(work.tx, accountId);
  const stands = replaced.filter(
    ({ attribute, now }) => values.has(attribute) && sameValue(values.get(attribute)?.value, now),
  );
  for (const { attribute, before } of stands)
    await put(work, accountId, attribute, before?.value, before?.source ?? 'person', before?.at);
  const attributes = stands.map(({ attribute }) => attribute);
  if (attributes.length === 0) return [];
  await touchAccount(work.tx, accountId, work.at);
  work.record({ type: 'profile.changed', accountId, detail: { attributes, source: 'undoing' } });
  return attributes;
}
