import type { Account } from '../../domain/accounts/accounts.js';
import { isWithin, type LiveConsent, listLiveConsents, narrowerOf } from '../../domain/consents/consents.js';
import { type Contact, contactsToMove, listContacts } from '../../domain/contacts/contacts.js';
import { listWaysIn, type Passkey } from '../../domain/credentials/credentials.js';
import { findFactors } from '../../domain/factors/factors.js';
import { type FederatedLink, listLinks } from '../../domain/federation/federation.js';
import { listAttributes } from '../../domain/profiles/profiles.js';
import type { AccountScope } from '../../domain/resources/resources.js';
import { lastUsesByApp } from '../../oidc/last-use.js';
import type { Db } from '../../platform/storage/db.js';
import type { Parts } from '../journey.js';
import { choicesOf } from '../manage/apps/change.js';
import { type Takeable, takeableOf } from '../manage/imports/offers.js';
import { profileOf } from '../manage/profile/entries.js';
import type { Two } from './hindrances.js';

type Reading = Pick<Parts, 'keyring' | 'profile'>;

/** A value that only the account that goes has, or has another one of. */
export interface ValueOffer extends Takeable {
  /** The apps that would be told of it. */
  readonly tells: readonly LiveConsent[];
}

/**
 * What of the profile that goes may be taken over: what its person may change here at this moment, and takes effect at once. Pictures
 * stay what they are.
 */
export async function offersOf(db: Db, parts: Reading, { stays, goes }: Two): Promise<readonly ValueOffer[]> {
  const entries = await profileOf({ ...parts, db }, stays.id);
  const values = await listAttributes(db, goes.id);
  const { takeable } = takeableOf(entries, { values, pictures: {} }, new Date());
  const atOnce = takeable.filter(({ entry: { attribute, kept } }) => {
    const { approval, effective_after: after } = attribute.limits;
    return !approval && (!after || kept === undefined);
  });
  const apps = await listLiveConsents(db, stays.id);
  return atOnce.map(offer => ({ ...offer, tells: apps.filter(app => hears(parts, app, offer)) }));
}

/* Also what is worked out of a value says something about it. */
function hears(parts: Reading, app: LiveConsent, { entry: { attribute } }: Takeable): boolean {
  return choicesOf(parts, app, 'en').some(
    ({ claim, allowed }) => allowed && (claim === attribute.name || claim.startsWith(`${attribute.name}_`)),
  );
}

/** An app that both accounts let in, and what it may have from then on. */
export interface SharedApp {
  readonly app: LiveConsent;
  readonly to: ReturnType<typeof narrowerOf>;
  /** It may have less than it may have of the account that stays. */
  readonly narrower: boolean;
}

/** The apps that both accounts let in: each may have from then on what both allowed, and no more. */
export async function sharedApps(db: Db, { stays, goes }: Two): Promise<readonly SharedApp[]> {
  const here = await listLiveConsents(db, stays.id);
  const there = new Map((await listLiveConsents(db, goes.id)).map(app => [app.clientId, app]));
  return here.flatMap(app => {
    const other = there.get(app.clientId);
    if (!other) return [];
    const to = narrowerOf(app, other);
    return [{ app, to, narrower: !isWithin(app, to) }];
  });
}

/** What becomes of what, before anything is done. */
export interface Plan {
  readonly contacts: readonly Contact[];
  readonly offers: readonly ValueOffer[];
  readonly passkeys: readonly Passkey[];
  readonly links: readonly FederatedLink[];
  /** What of the account that goes signs nobody in any more. */
  readonly ends: { readonly password: boolean; readonly secondStep: boolean };
  readonly shared: readonly SharedApp[];
  /** Names of apps that know the account that goes alone: they know nobody any more. */
  readonly lost: readonly string[];
  /** Names of apps that may see every address of the account that stays. */
  readonly seeing: readonly string[];
}

/** Looks at what would become of what. */
export async function planOf(db: Db, parts: Reading, two: Two): Promise<Plan> {
  const { stays, goes } = two;
  const [here, there] = [await listContacts(db, stays.id), await listContacts(db, goes.id)];
  const ways = await listWaysIn(db, goes.id);
  const { apps, codes } = await findFactors(db, goes.id);
  return {
    contacts: contactsToMove(here, there).moved,
    offers: await offersOf(db, parts, two),
    links: await listLinks(db, goes.id),
    passkeys: ways.passkeys.filter(({ suspendedFor }) => suspendedFor === null),
    ends: { password: ways.password !== undefined, secondStep: apps.length > 0 || codes !== undefined },
    shared: await sharedApps(db, two),
    lost: await lostApps(db, stays, goes),
    seeing: await seeingApps(db, stays),
  };
}

const SEES: AccountScope = 'account:contacts:read';

async function seeingApps(db: Db, { id }: Account): Promise<readonly string[]> {
  const may = ({ resources }: LiveConsent) =>
    Object.values(resources).some(each => each.split(' ').includes(SEES));
  return (await listLiveConsents(db, id)).filter(may).map(({ name }) => name);
}

async function lostApps(db: Db, stays: Account, goes: Account): Promise<readonly string[]> {
  const [allowed, others] = [await listLiveConsents(db, goes.id), await listLiveConsents(db, stays.id)];
  const [used, known] = [await lastUsesByApp(db, goes.id), await lastUsesByApp(db, stays.id)];
  const names = new Map([
    ...used.filter(({ firstParty }) => firstParty).map(({ clientId, name }) => [clientId, name] as const),
    ...allowed.map(({ clientId, name }) => [clientId, name] as const),
  ]);
  for (const { clientId } of [...others, ...known]) names.delete(clientId);
  return [...names.values()].map(String).sort((a, b) => a.localeCompare(b));
}
