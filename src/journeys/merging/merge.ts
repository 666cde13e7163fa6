import { v7 as uuidv7 } from 'uuid';
import {
  type Account,
  chooseSale,
  closeAccount,
  findSaleChoice,
  lockAccount,
  type SaleChoice,
} from '../../domain/accounts/accounts.js';
import { narrowConsent } from '../../domain/consents/consents.js';
import { takeOverContacts } from '../../domain/contacts/contacts.js';
import { takeOverPasskeys } from '../../domain/credentials/credentials.js';
import { takeOverLinks } from '../../domain/federation/federation.js';
import { type Merge, mergedLately, recordMerge } from '../../domain/merges/merges.js';
import { changeProfile, listValues, type ReplacedValue } from '../../domain/profiles/profiles.js';
import { mayAct } from '../../oidc/acting.js';
import { endAppAccess } from '../../oidc/app-access.js';
import { endSessionsOf, findSessionState } from '../../oidc/session.js';
import { Refusal } from '../../platform/errors.js';
import type { Work } from '../../platform/storage/work.js';
import { withholdClaims } from '../consent/tell-of-end.js';
import { type Doing, tellEveryone } from '../notices/tell.js';
import { tellOfCorrection } from '../privacy/rights/recipients.js';
import { hindrancesOf, type Two } from './hindrances.js';
import type { Kept } from './kept.js';
import { offersOf, sharedApps } from './plan.js';

/** One of the two accounts, by whom its person proved just now that it is theirs. */
export interface ProvedSide {
  readonly accountId: string;
  readonly sessionUid: string;
}

/** What its person wants to be done. */
export interface MergeWish {
  readonly stays: ProvedSide;
  readonly goes: ProvedSide;
  /** The attributes whose values come from the account that goes. */
  readonly take: readonly string[];
}

/** How a merge came about, where that is written down. */
const METHOD = 'merge';

/**
 * Makes two accounts of one person one, in one transaction: all that can be undone within seven days is kept, and nothing gives an
 * app more than it had. Refuses what stands against it as it is at this moment, whatever the page had shown.
 */
export async function mergeAccounts(work: Work, doing: Doing, wish: MergeWish): Promise<Merge> {
  const { parts } = doing;
  const two = await lockTwo(work, wish);
  const hindrances = await hindrancesOf(work.tx, parts, two);
  if (hindrances.some(({ word }) => word === 'merged')) throw mergedLately();
  if (hindrances.length > 0) {
    throw new Refusal('conflict', 'merge_hindered', 'These accounts cannot be brought together right now.');
  }
  const [to, from] = [two.stays.id, two.goes.id];
  /* Before anything is narrower: what was looked at is what both allowed. */
  const shared = await sharedApps(work.tx, two);
  const values = await takeValues(work, doing, two, wish.take);
  const kept: Kept = {
    contacts: await takeOverContacts(work, { to, from }),
    passkeys: await takeOverPasskeys(work, { to, from }),
    links: await takeOverLinks(work, parts.keyring, { to, from }),
    values,
    consents: await narrowAll(work, to, shared),
    ...(await keepOptOut(work, two)),
  };
  await closeAccount(work, from);
  await endSessionsOf(work, from, 'account-closed');
  const merge = await recordMerge(work, parts.keyring, { accountId: to, goneId: from, kept });
  await tellEveryone(work, doing, { accountId: to, kind: 'accounts_merged', undo: { merge: merge.id } });
  return merge;
}

/* In one order, so that two who do this never wait for each other in a ring. */
async function lockTwo(work: Work, { stays, goes }: MergeWish): Promise<Two> {
  const locked = new Map<string, Account>();
  for (const { accountId } of [stays, goes].sort((a, b) => (a.accountId < b.accountId ? -1 : 1))) {
    const account = await lockAccount(work, accountId);
    if (account) locked.set(accountId, account);
  }
  const [one, other] = [await standing(work, stays, locked), await standing(work, goes, locked)];
  return { stays: one, goes: other };
}

/* Signed in still, and not signed out everywhere since: neither is decided by what was true before the lock. */
async function standing(
  work: Work,
  side: ProvedSide,
  locked: ReadonlyMap<string, Account>,
): Promise<Account> {
  const account = locked.get(side.accountId);
  const session = await findSessionState(work.tx, side.sessionUid);
  const lives = session?.accountId === side.accountId && session.ended === undefined;
  const authenticatedAt = (session?.signedInAt?.getTime() ?? 0) / 1_000;
  if (!account || !lives || !mayAct({ account, authenticatedAt })) {
    throw new Refusal('forbidden', 'proof_gone', 'Sign in to both accounts again.');
  }
  return account;
}

async function takeValues(work: Work, { parts }: Doing, two: Two, take: readonly string[]) {
  const offers = await offersOf(work.tx, parts, two);
  const chosen = offers.filter(({ entry }) => take.includes(entry.attribute.name));
  if (chosen.length === 0) return [];
  const before = await listValues(work.tx, two.stays.id);
  const values = Object.fromEntries(chosen.map(({ entry, value }) => [entry.attribute.name, value]));
  const asking = { accountId: two.stays.id, values, fresh: true };
  const changed = await changeProfile(work, { schema: parts.profile, keyring: parts.keyring }, asking);
  if (changed.outcome !== 'taken') {
    throw new Refusal('conflict', 'merge_hindered', 'What was chosen cannot be changed right now.');
  }
  const attributes = Object.keys(values);
  tellOfCorrection(work, { accountId: two.stays.id, request: uuidv7(), attributes });
  return attributes.map(
    (attribute): ReplacedValue => ({ attribute, now: values[attribute], before: before.get(attribute) }),
  );
}

/* What was told of more than stays allowed leaves no more, and what an app holds of it ends. */
async function narrowAll(work: Work, accountId: string, shared: Awaited<ReturnType<typeof sharedApps>>) {
  const consents = [];
  for (const { app, to, narrower } of shared) {
    if (!narrower) continue;
    const { clientId, name: _, hasLogo: _l, lasts: _d, ...before } = app;
    const now = await narrowConsent(work, { accountId, clientId, to, method: METHOD });
    if (!now) continue;
    await endAppAccess(work, accountId, clientId);
    withholdClaims(work, { accountId, clientId }, to.refusedClaims);
    consents.push({ clientId, seen: now.id, before });
  }
  return consents;
}

const NO: SaleChoice = 'opted_out';

/* Who said no anywhere has said no. */
async function keepOptOut(work: Work, { stays, goes }: Two): Promise<Pick<Kept, 'sale'>> {
  if (goes.saleChoice !== NO || stays.saleChoice === NO) return {};
  const before = await findSaleChoice(work.tx, stays.id);
  await chooseSale(work, stays.id, NO, 'person');
  return { sale: { now: NO, ...(before && { before }) } };
}
