import { changeProfile, keptAttributes, type ProfileSchema } from '../../../domain/profiles/profiles.js';
import type { Work } from '../../../platform/storage/work.js';
import type { Parts } from '../../journey.js';
import { type Doing, tellEveryone } from '../../notices/tell.js';
import { namedZones, type ZoneRegion } from '../time-zones.js';
import type { PreferencesPage, ZoneChoice } from './models.js';

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
export function zonesByRegion(
  schema: ProfileSchema,
  chosen: string,
  language: string,
): PreferencesPage['zones'] {
  if (!isOffered(schema)) return [];
  const regions = new Map<ZoneRegion | undefined, ZoneChoice[]>();
  for (const { zone, region, place, time } of namedZones(language).values()) {
    const choice = { zone, place, ...(time !== undefined && { time }), chosen: zone === chosen };
    const there = regions.get(region);
    if (there) there.push(choice);
    else regions.set(region, [choice]);
  }
  return [...regions].map(([region, zones]) => ({ ...(region && { region }), zones }));
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
