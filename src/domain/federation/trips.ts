import { v7 as uuidv7 } from 'uuid';
import type { Keyring } from '../../platform/crypto/keyring.js';
import { digest, randomToken } from '../../platform/crypto/tokens.js';
import type { Work } from '../../platform/storage/work.js';
import type { TripPurpose } from './link.js';
import type { IdentityProvider } from './provider.js';
import * as store from './trip-store.js';
import type { Departure, UpstreamAnswer } from './upstream.js';

const SEAL = 'federated-request';

/** For what, in which request or session and in which browser somebody is sent to a provider: it can only be finished there. */
export interface TripBinding {
  readonly purpose: TripPurpose;
  /** The pending request, or the session. */
  readonly binding: string;
  readonly accountId?: string | undefined;
  /** What the browser is known by (`csrf.browser`). */
  readonly browser: string;
}

/** A new state: what comes back with somebody, and by nothing else is a trip found. */
export const newState = (): string => randomToken();

/** Keeps a trip that begins; its notes are sealed. */
export async function keepTrip(
  work: Work,
  keyring: Keyring,
  begun: TripBinding & {
    readonly provider: IdentityProvider;
    readonly state: string;
    readonly returnTo: string;
    readonly notes: Departure['notes'];
    readonly freshWithin: number | undefined;
  },
): Promise<void> {
  const { provider, state, returnTo, notes, purpose, binding, accountId, browser, freshWithin } = begun;
  const freshFrom = freshWithin === undefined ? undefined : work.at.getTime() - freshWithin * 1_000;
  await store.insertTrip(work.tx, {
    id: uuidv7(),
    stateDigest: digest(state),
    providerId: provider.id,
    providerVersion: provider.version,
    purpose,
    binding,
    accountId,
    browserDigest: digest(browser),
    returnTo,
    notes: keyring.seal(SEAL, JSON.stringify({ state, notes, freshFrom })),
  });
}

/** Keeps what came back to the callback of a provider, once; undefined when no trip to it waits for that. */
export async function keepAnswer(
  work: Work,
  keyring: Keyring,
  came: {
    readonly providerId: string;
    readonly state: string;
    readonly browser: string | undefined;
    readonly answer: UpstreamAnswer;
  },
): Promise<{ readonly id: string; readonly returnTo: string } | undefined> {
  return store.answerTrip(work.tx, {
    stateDigest: digest(came.state),
    providerId: came.providerId,
    browserDigest: came.browser === undefined ? undefined : digest(came.browser),
    answer: keyring.seal(SEAL, JSON.stringify(came.answer)),
  });
}

/** A trip that is over: what came, and what it is checked against. */
export interface Returned {
  readonly providerId: string;
  readonly providerVersion: number;
  readonly state: string;
  readonly notes: Departure['notes'];
  /** They had to sign in there no earlier, in milliseconds. */
  readonly freshFrom?: number | undefined;
  readonly answer: UpstreamAnswer;
}

/** Uses up a trip that was answered, in the very browser and for the very purpose; undefined when there is none. */
export async function takeTrip(
  work: Work,
  keyring: Keyring,
  { id, purpose, binding, browser }: Omit<TripBinding, 'accountId'> & { readonly id: string },
): Promise<Returned | undefined> {
  const trip = await store.useTrip(work.tx, { id, purpose, binding, browserDigest: digest(browser) });
  if (!trip) return undefined;
  type Kept = Pick<Returned, 'state' | 'notes' | 'freshFrom'>;
  const kept = JSON.parse(keyring.open(SEAL, trip.notes)) as Kept;
  const answer = JSON.parse(keyring.open(SEAL, trip.answer)) as UpstreamAnswer;
  const { providerId, providerVersion } = trip;
  return { providerId, providerVersion, ...kept, answer };
}
