import {
  changeProfile,
  keptAttributes,
  type ProfileSchema,
  timeZones,
} from '../../../domain/profiles/profiles.js';
import type { Work } from '../../../platform/storage/work.js';
import type { Parts } from '../../journey.js';
import { type Doing, tellEveryone } from '../../notices/tell.js';
import type { PreferencesPage } from './models.js';

const ZONE = 'zoneinfo';

/** The time zone of a profile; '' where none is set. */
export function zoneOf(profile: Readonly<Record<string, unknown>> | null | undefined): string {
  const zone = profile?.[ZONE];
  return typeof zone === 'string' ? zone : '';
}

/** Whether the operator's declaration lets a person have a time zone. */
function isOffered(schema: ProfileSchema): boolean {
  return keptAttributes(schema).some(({ name, change }) => name === ZONE && change.includes('person'));
}

/** The time zones there are, by region; none where the operator declares no time zone. */
export function zonesByRegion(schema: ProfileSchema, chosen: string): PreferencesPage['zones'] {
  if (!isOffered(schema)) return [];
  const regions = new Map<string, { zone: string; place: string; chosen: boolean }[]>();
  for (const zone of timeZones()) {
    const [region = '', ...rest] = zone.split('/');
    const place = rest.join(' / ').replaceAll('_', ' ') || zone;
    const there = regions.get(region) ?? [];
    regions.set(region, [...there, { zone, place, chosen: zone === chosen }]);
  }
  return [...regions].map(([region, zones]) => ({ region, zones }));
}

/** Sets the time zone as a part of the profile, within the limits of it; '' takes it away. False when it may not be. */
export async function changeZone(
  work: Work,
  doing: Doing & { readonly parts: Pick<Parts, 'profile' | 'keyring'> },
  accountId: string,
  zone: string,
): Promise<boolean> {
  const { profile: schema, keyring } = doing.parts;
  if (!isOffered(schema)) return true;
  const asking = { accountId, values: { [ZONE]: zone === '' ? null : zone }, fresh: false };
  const outcome = await changeProfile(work, { schema, keyring }, asking);
  if (outcome.outcome !== 'taken') return false;
  if (outcome.changes.some(({ became }) => became !== 'unchanged')) {
    await tellEveryone(work, doing, {
      accountId,
      kind: 'time_zone_changed',
      values: { zone: zone || 'UTC' },
    });
  }
  return true;
}
