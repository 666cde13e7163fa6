import type { Db } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';
import { PROFILE_ATTRIBUTES, type ProfileAttribute, type ProfileSource } from './profile.js';

export { PROFILE_ATTRIBUTES, type ProfileAttribute, type ProfileSource } from './profile.js';

/** The facts this room records. */
export const PROFILE_FACTS = ['profile.changed'] as const;

/** What is known about somebody, by attribute. */
export async function listAttributes(db: Db, accountId: string): Promise<Readonly<Record<string, unknown>>> {
  const rows = await db('profile_attributes')
    .select('attribute', 'value')
    .where({ account_id: accountId })
    .limit(200);
  return Object.fromEntries(rows.map(row => [row.attribute as string, row.value as unknown]));
}

/** Sets attributes, each with where the value came from; the fact names the attributes and never their values. */
export async function setAttributes(
  work: Work,
  accountId: string,
  values: Readonly<Partial<Record<ProfileAttribute, unknown>>>,
  source: ProfileSource,
): Promise<void> {
  const changed = PROFILE_ATTRIBUTES.filter(attribute => values[attribute] !== undefined);
  if (changed.length === 0) return;
  await work
    .tx('profile_attributes')
    .insert(
      changed.map(attribute => ({
        account_id: accountId,
        attribute,
        value: JSON.stringify(values[attribute]),
        source,
        recorded_at: work.at,
      })),
    )
    .onConflict(['account_id', 'attribute'])
    .merge(['value', 'source', 'recorded_at']);
  work.record({ type: 'profile.changed', accountId, detail: { attributes: changed, source } });
}
