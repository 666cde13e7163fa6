import { findAccount, lockAccount, mustHaveSecondFactor } from '../../../domain/accounts/accounts.js';
import {
  type Dropped,
  dropPasskey,
  dropPassword,
  listWaysIn,
  type Passkey,
  passkeyName,
  passkeyUserId,
} from '../../../domain/credentials/credentials.js';
import { type AuthenticatorApp, type Factors, findFactors } from '../../../domain/factors/factors.js';
import { countUsableLinks } from '../../../domain/federation/federation.js';
import { mayAct } from '../../../oidc/acting.js';
import { Refusal } from '../../../platform/errors.js';
import { type PastEvent, readEvents } from '../../../platform/storage/events.js';
import { openWork, type Work } from '../../../platform/storage/work.js';
import { tellEveryone } from '../../notices/tell.js';
import { isLastFactor } from '../../second-step/demand.js';
import { type AccountCall, type AccountPage, doneHere, showAccount } from '../door.js';
import { DONE, type ShownApp, type ShownPasskey } from './models.js';

/** Where the ways in are shown. */
export const WAYS = '/account/sign-in';

/** The list of all ways in, and what may be done after one was changed. */
export const WAYS_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: WAYS, nav: 'sign_in', run: showWays },
];

const PLACES = [
  'password.set',
  'password.changed',
  'passkey.added',
  'passkey.used',
  'authenticator_app.added',
  'authenticator_app.used',
];
const MOST_EVENTS = 200;
const HARMLESS: readonly string[] = ['passkey_renamed', 'app_renamed'];

const NO_FACTORS: Factors = { apps: [], codes: undefined, suspended: [] };

/** How an account is signed in to, and from where each of its ways was added and last used, as far as that is on record. */
export async function waysOf(
  { parts, me }: Pick<AccountCall, 'parts'> & { me: { accountId: string } },
  { factors: asks = true } = {},
) {
  const { accountId } = me;
  const [ways, events, factors] = await Promise.all([
    listWaysIn(parts.db, accountId),
    readEvents(parts.db, parts.keyring, { accountId, only: PLACES, limit: MOST_EVENTS }),
    asks ? findFactors(parts.db, accountId) : NO_FACTORS,
  ]);
  return { ...ways, ...factors, events };
}

/** Whether a role of theirs asks that they have a second factor. */
export function mustHaveOne({ parts, me }: Pick<AccountCall, 'parts' | 'me'>): boolean {
  return mustHaveSecondFactor(me.person.account.roles, parts.secondStepRoles);
}

async function showWays(call: AccountCall): Promise<void> {
  const { parts, me } = call;
  const { password, passkeys, apps, codes, events, suspended } = await waysOf(call);
  const done = doneHere(call, DONE);
  const changedFrom = placeOf(
    events.find(({ type }) => type === 'password.set' || type === 'password.changed'),
  );
  showAccount(call, 'account/sign-in/ways', {
    ...(done && { done }),
    mayEndOthers: done !== undefined && !HARMLESS.includes(done),
    ...(password && {
      password: {
        changedAt: password.changedAt,
        ...(changedFrom && { changedFrom }),
        ...(password.lastUsedAt && { usedAt: password.lastUsedAt }),
      },
    }),
    passkeys: passkeys.map(passkey => shownPasskey(passkey, events)),
    apps: apps.map(app => shownApp(app, events)),
    suspended: suspended.map(({ name, addedAt }) => ({ name, addedAt })),
    ...(codes && { codes }),
    signal: {
      rpId: parts.rp.id,
      userId: passkeyUserId(me.accountId),
      known: passkeys.map(({ credentialId }) => credentialId).join(' '),
      name: me.shown.email,
    },
  });
}

function placeOf(event: PastEvent | undefined): string | undefined {
  return event?.origin?.browser || undefined;
}

/** A passkey as its owner sees it. */
export function shownPasskey(passkey: Passkey, events: readonly PastEvent[]): ShownPasskey {
  const { id, name, aaguid, addedAt, lastUsedAt, backedUp } = passkey;
  const provider = passkeyName(aaguid);
  const last = (type: string) =>
    placeOf(events.find(event => event.type === type && event.detail['passkeyId'] === id));
  const [addedFrom, usedFrom] = [last('passkey.added'), last('passkey.used')];
  return {
    url: `${WAYS}/passkeys/${id}`,
    name,
    ...(provider !== 'Passkey' && provider !== name && { provider }),
    addedAt,
    ...(addedFrom && { addedFrom }),
    ...(lastUsedAt && { usedAt: lastUsedAt }),
    ...(usedFrom && { usedFrom }),
    synced: backedUp,
    suspended: passkey.suspendedFor !== null,
  };
}

/** An authenticator app as its owner sees it. */
export function shownApp(
  { id, name, addedAt, lastUsedAt }: AuthenticatorApp,
  events: readonly PastEvent[],
): ShownApp {
  const last = (type: string) =>
    placeOf(events.find(event => event.type === type && event.detail['app'] === id));
  const [addedFrom, usedFrom] = [last('authenticator_app.added'), last('authenticator_app.used')];
  return {
    url: `${WAYS}/apps/${id}`,
    name,
    addedAt,
    ...(addedFrom && { addedFrom }),
    ...(lastUsedAt && { usedAt: lastUsedAt }),
    ...(usedFrom && { usedFrom }),
  };
}

/** Changes something about the ways in, and tells the owner everywhere, in one transaction. */
export function changing<T>(
  { ctx, parts, me, actor }: Pick<AccountCall, 'ctx' | 'parts' | 'actor'> & { me: { accountId: string } },
  change: (
    work: Work,
    tell: (news: Omit<Parameters<typeof tellEveryone>[2], 'accountId'>) => Promise<void>,
  ) => Promise<T>,
): Promise<T> {
  const { accountId } = me;
  return openWork(parts.db, actor, async work => {
    const account = await findAccount(work.tx, accountId);
    if (!mayAct({ account }))
      throw new Refusal('forbidden', 'account_unavailable', 'This account cannot be used at the moment.');
    return change(work, news => tellEveryone(work, { ctx, parts }, { ...news, accountId }));
  });
}

/** Takes a way in away, and tells its owner everywhere that it is gone; what stays is told to nobody. */
export function dropping<D extends string = Dropped>(
  call: Parameters<typeof changing>[0],
  kind: 'password_removed' | 'passkey_removed' | 'app_removed',
  drop: (work: Work, accountId: string) => Promise<D>,
): Promise<D> {
  return changing(call, async (work, tell) => {
    const outcome = await drop(work, call.me.accountId);
    if (outcome === 'dropped') await tell({ kind });
    return outcome;
  });
}

/** Takes a passkey away, unless it is the last second factor of somebody who must have one. */
export function droppingPasskey(call: Parameters<typeof changing>[0], passkeyId: string) {
  return dropping<Dropped | 'last_factor'>(call, 'passkey_removed', async (work, accountId) => {
    if (await isLastFactor(work, call.parts, accountId, { passkeyId })) return 'last_factor';
    return dropPasskey(work, accountId, passkeyId, await otherWays(work, accountId));
  });
}

/** Whether an account elsewhere lets its owner in, beside passwords and passkeys. */
export async function hasOtherWays({ parts, me }: Pick<AccountCall, 'parts' | 'me'>): Promise<boolean> {
  return (await countUsableLinks(parts.db, me.accountId)) > 0;
}

/* Whoever takes away the other one at this moment waits here, and is then the last. */
async function otherWays(work: Work, accountId: string): Promise<number> {
  await lockAccount(work, accountId);
  return countUsableLinks(work.tx, accountId);
}

/** Takes the password away, unless it is the last way in. */
export function droppingPassword(call: Parameters<typeof changing>[0]) {
  return dropping(call, 'password_removed', async (work, accountId) =>
    dropPassword(work, accountId, await otherWays(work, accountId)),
  );
}
