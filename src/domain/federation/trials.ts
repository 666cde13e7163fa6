import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import type { Keyring } from '../../platform/crypto/keyring.js';
import { digest, randomToken } from '../../platform/crypto/tokens.js';
import type { Db } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';
import { TRIP_MINUTES } from './link.js';
import { outcomeSchema, type TrialOutcome } from './trial-outcome.js';
import * as store from './trial-store.js';

const SEAL = 'federation-trial';

/** Makes an address good for one trial of a provider: the ticket that it ends in, and the trial to ask about. */
export async function offerTrial(
  work: Work,
  providerId: string,
): Promise<{ readonly id: string; readonly ticket: string; readonly until: Date }> {
  const id = uuidv7();
  const ticket = randomToken();
  await store.insertTrial(work.tx, { id, ticketDigest: digest(ticket), providerId });
  return { id, ticket, until: new Date(work.at.getTime() + TRIP_MINUTES * 60_000) };
}

/** The provider that a ticket tries out; undefined once it was used or its time is over. */
export function providerOnTrial(db: Db, ticket: string): Promise<string | undefined> {
  return store.findTicket(db, digest(ticket));
}

/** Uses up a ticket, and says which trial of which provider begins. */
export function beginTrial(
  work: Work,
  ticket: string,
): Promise<{ readonly id: string; readonly providerId: string } | undefined> {
  return store.useTicket(work.tx, digest(ticket));
}

/** Keeps what came of a trial for the operator who waits for it, sealed; it ties nobody to anything. */
export async function endTrial(
  work: Work,
  keyring: Keyring,
  id: string,
  outcome: TrialOutcome,
): Promise<void> {
  const sealed = keyring.seal(SEAL, JSON.stringify([id, outcome]));
  const provider = await store.updateOutcome(work.tx, id, sealed);
  if (provider === undefined) return;
  work.record({ type: 'identity_provider.tried', detail: { provider, came: outcome.came } });
}

/** Takes what came of a trial, once; undefined while nothing has come. */
export async function takeOutcome(
  work: Work,
  keyring: Keyring,
  id: string,
): Promise<TrialOutcome | undefined> {
  const sealed = await store.takeOutcome(work.tx, id);
  if (!sealed) return undefined;
  const [, outcome] = z.tuple([z.literal(id), outcomeSchema]).parse(JSON.parse(keyring.open(SEAL, sealed)));
  return outcome;
}
