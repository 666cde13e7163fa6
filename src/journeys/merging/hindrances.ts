import { type Account, mayChange } from '../../domain/accounts/accounts.js';
import { listLiveConsents } from '../../domain/consents/consents.js';
import { contactsToMove, listContacts, listOpenChanges } from '../../domain/contacts/contacts.js';
import { listPasskeys, MOST_PASSKEYS } from '../../domain/credentials/credentials.js';
import { isUnderWay, listExports } from '../../domain/exports/exports.js';
import { listLinks, MOST_LINKS } from '../../domain/federation/federation.js';
import { findStandingMerge, listGone, MOST_MERGES } from '../../domain/merges/merges.js';
import { findLatestMove, OPEN_STATES, stateAt } from '../../domain/moves/moves.js';
import { findWaiting } from '../../domain/recoveries/recoveries.js';
import { listRequests } from '../../domain/rights/rights.js';
import type { Db } from '../../platform/storage/db.js';
import type { Parts } from '../journey.js';
import { profileOf } from '../manage/profile/entries.js';

/** Why two accounts cannot become one now: `merge_hindrance.<word>`. */
export type HindranceWord =
  | 'state'
  | 'roles'
  | 'deletion'
  | 'restricted'
  | 'recovery'
  | 'move'
  | 'copy'
  | 'rights'
  | 'addresses'
  | 'profile'
  | 'merged'
  | 'second_step'
  | 'full';

/** One reason, and of which of the two accounts it is. */
export interface Hindrance {
  readonly word: HindranceWord;
  readonly accountId: string;
}

/** Which account stays, and which becomes part of it. */
export interface Two {
  readonly stays: Account;
  readonly goes: Account;
}

type Reading = Pick<Parts, 'keyring' | 'profile'>;

const REQUESTS = 100;
/** So many apps of either account are looked at; more stand in no one's way but their own. */
export const MOST_APPS = 500;

/** All that stands against making two accounts one: each is something that its person, or time, can settle. */
export async function hindrancesOf(db: Db, parts: Reading, two: Two): Promise<readonly Hindrance[]> {
  const { stays, goes } = two;
  const [one, other, both] = [
    await ownHindrances(db, parts, stays),
    await ownHindrances(db, parts, goes),
    await tooMany(db, two),
  ];
  /* Whoever asks for two steps would be let in by one. */
  const weaker = goes.secondStep && !stays.secondStep;
  return [
    ...one.map(word => ({ word, accountId: stays.id })),
    ...other.map(word => ({ word, accountId: goes.id })),
    ...(weaker ? [{ word: 'second_step' as const, accountId: goes.id }] : []),
    ...(both ? [{ word: 'full' as const, accountId: stays.id }] : []),
  ];
}

async function ownHindrances(db: Db, parts: Reading, account: Account): Promise<readonly HindranceWord[]> {
  const { id, roles, leavingAt, restriction } = account;
  const now = new Date();
  const move = await findLatestMove(db, id);
  const requests = await listRequests(db, parts.keyring, { accountId: id, limit: REQUESTS });
  const profile = await profileOf({ ...parts, db }, id, now);
  const found: Readonly<Record<Exclude<HindranceWord, 'second_step' | 'full'>, boolean>> = {
    state: !mayChange(account),
    /* What somebody may do here is given to one account, after a look at it. */
    roles: roles.length > 0,
    deletion: leavingAt !== undefined,
    restricted: restriction !== undefined,
    recovery: (await findWaiting(db, id)) !== undefined,
    move: move !== undefined && OPEN_STATES.includes(stateAt(move, now)),
    copy: (await listExports(db, id)).some(isUnderWay),
    rights: requests.some(({ state }) => state === 'open' || state === 'unconfirmed'),
    addresses: (await listOpenChanges(db, id, now)).length > 0,
    profile: profile.some(({ open, correction }) => open !== undefined || correction?.state === 'open'),
    merged: (await findStandingMerge(db, id)) !== undefined,
  };
  return Object.entries(found).flatMap(([word, is]) => (is ? [word as HindranceWord] : []));
}

async function tooMany(db: Db, { stays, goes }: Two): Promise<boolean> {
  const [here, there] = [await listContacts(db, stays.id), await listContacts(db, goes.id)];
  const passkeys = (await listPasskeys(db, stays.id)).length + (await listPasskeys(db, goes.id)).length;
  const links = (await listLinks(db, stays.id)).length + (await listLinks(db, goes.id)).length;
  const gone = (await listGone(db, stays.id)).length + (await listGone(db, goes.id)).length;
  const apps = await listLiveConsents(db, stays.id, { limit: MOST_APPS });
  return (
    !contactsToMove(here, there).fits ||
    passkeys > MOST_PASSKEYS ||
    links > MOST_LINKS ||
    gone >= MOST_MERGES ||
    apps.length >= MOST_APPS
  );
}
