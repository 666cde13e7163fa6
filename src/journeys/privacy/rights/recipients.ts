import { z } from 'zod';
import { findAccount } from '../../../domain/accounts/accounts.js';
import { findClient } from '../../../domain/clients/clients.js';
import { routeOf, sendCommands, type Telling } from '../../../domain/commands/commands.js';
import { listTold } from '../../../domain/disclosures/disclosures.js';
import type { About } from '../../../domain/rights/rights.js';
import { ACCOUNT_APP } from '../../../oidc/account-app.js';
import { type Claims, unrestricted } from '../../../oidc/claims.js';
import { type Correcting, correctedFor } from '../../../oidc/corrected.js';
import { subjectClientOf } from '../../../oidc/subjects.js';
import type { Keyring } from '../../../platform/crypto/keyring.js';
import type { JobDefinition } from '../../../platform/jobs/jobs.js';
import { openWork, type Work } from '../../../platform/storage/work.js';
import { withholdClaims } from '../../consent/tell-of-end.js';

const JOB = 'tell-recipients';

const payloadSchema = z.discriminatedUnion('phase', [
  z.object({
    phase: z.enum(['begun', 'ended']),
    accountId: z.uuid(),
    request: z.uuid(),
    everything: z.boolean(),
    purposes: z.array(z.string()),
    attributes: z.array(z.string()),
  }),
  z.object({
    phase: z.literal('corrected'),
    accountId: z.uuid(),
    request: z.uuid(),
    attributes: z.array(z.string()),
    /** It was asked for: whoever asked is told which apps could not be told, too. */
    asked: z.boolean().default(false),
    /** What the address or number was, by which RISC knows people: sealed, since the queue is in clear. */
    before: z.string().optional(),
  }),
]);
type Payload = z.output<typeof payloadSchema>;

/** What apps have to be told: that data is restricted, or is so no more. */
export interface Restricted {
  readonly accountId: string;
  readonly request: string;
  readonly about: About;
  readonly phase: 'begun' | 'ended';
}

/** Has every app that was told something that is restricted now told so, after the commit (GDPR Art. 19). */
export function tellRecipients(work: Work, { accountId, request, about, phase }: Restricted): void {
  const { everything, purposes, attributes } = about;
  const payload = {
    phase,
    accountId,
    request,
    everything,
    purposes: [...purposes],
    attributes: [...attributes],
  };
  work.enqueue({ name: JOB, payload });
}

/** Something that is another now; `request` says what for, and `before` what an address or number was. */
export interface CorrectedNow {
  readonly accountId: string;
  readonly request: string;
  readonly attributes: readonly string[];
  /** Whoever asked for it is told which apps could not be told, too. */
  readonly asked?: boolean;
  readonly before?: { readonly keyring: Keyring; readonly told: Readonly<Record<string, string>> };
}

/** Has every app that was told one of these attributes told what it is now. */
export function tellOfCorrection(
  work: Work,
  { accountId, request, attributes, asked = false, before }: CorrectedNow,
): void {
  const sealed = before?.keyring.seal(JOB, JSON.stringify(before.told)).toString('base64');
  const payload = { phase: 'corrected', accountId, request, asked, attributes: [...attributes] };
  work.enqueue({ name: JOB, payload: { ...payload, ...(sealed !== undefined && { before: sealed }) } });
}

/** By which reason what was told of a request is found: the receipts of each recipient. */
export const reasonOf = (phase: Payload['phase'], request: string) => ({
  kind: { begun: 'restriction', ended: 'restriction_end', corrected: 'correction' }[phase],
  id: request,
});

/** What recipients are told with. */
export interface RecipientParts extends Omit<Correcting, 'claims'> {
  /** As it is declared at the moment. */
  claims(): Promise<Claims>;
  readonly days: number;
}

/** Tells each app in the disclosure ledger that has what was corrected or restricted, each by its way of being told. */
export function tellRecipientsJob(parts: RecipientParts): JobDefinition {
  return {
    name: JOB,
    run: async payload => {
      const told = payloadSchema.parse(payload);
      const claims = await parts.claims();
      const tellings =
        told.phase === 'corrected'
          ? await correctionsOf({ ...parts, claims }, told)
          : await restrictionsOf(parts, claims, told);
      await openWork(parts.db, { kind: 'system' }, async work => {
        await sendCommands(
          work,
          parts.keyring,
          tellings.map(({ telling }) => telling),
          { days: parts.days },
        );
        for (const { record } of tellings) await record?.(work);
      });
    },
  };
}

interface Prepared {
  readonly telling: Telling;
  /** What belongs to it, in the work that sends it. */
  readonly record?: (work: Work) => Promise<void> | void;
}

/* By app, the names of the claims that it was told. */
async function knownBy(db: RecipientParts['db'], accountId: string) {
  const byClient = Map.groupBy(await listTold(db, accountId), ({ clientId }) => clientId);
  byClient.delete(ACCOUNT_APP);
  return [...byClient].map(([clientId, ways]) => ({
    clientId,
    names: [...new Set(ways.flatMap(({ ids }) => Object.keys(ids)))].sort(),
  }));
}

async function restrictionsOf(
  { db, subjectOf }: RecipientParts,
  claims: Claims,
  told: Extract<Payload, { phase: 'begun' | 'ended' }>,
): Promise<readonly Prepared[]> {
  const { phase, accountId, request, everything, purposes, attributes } = told;
  const account = await findAccount(db, accountId);
  if (!account) return [];
  const all = await knownBy(db, accountId);
  const heldIn = (
    restriction: Parameters<typeof unrestricted>[1]['restriction'],
    names: readonly string[],
  ) => {
    const left = unrestricted(claims, { restriction }, Object.fromEntries(names.map(name => [name, true])));
    return names.filter(name => !(name in left));
  };
  const prepared: Prepared[] = [];
  for (const { clientId, names } of all) {
    const held = heldIn({ all: everything, purposes, attributes }, names);
    if (held.length === 0) continue;
    const client = await findClient(db, clientId);
    if (!client) continue;
    prepared.push({
      telling: {
        clientId,
        accountId,
        subject: subjectOf(accountId, subjectClientOf(client)),
        command: 'maintain',
        /* All that is restricted by now, so that what is told late is right as well. */
        claims: { restricted_claims: heldIn(account.restriction ?? null, names) },
        because: phase === 'begun' ? 'processing_restricted' : 'restriction_lifted',
        reason: reasonOf(phase, request),
      },
      /* A value that waits to be told there since before does not leave any more. */
      ...(phase === 'begun' && { record: work => withholdClaims(work, { accountId, clientId }, held) }),
    });
  }
  return prepared;
}

async function correctionsOf(
  correcting: Correcting,
  { accountId, request, attributes, asked, before: sealed }: Extract<Payload, { phase: 'corrected' }>,
): Promise<readonly Prepared[]> {
  const { db, claims, subjectOf, keyring } = correcting;
  const before = sealed === undefined ? undefined : beforeIn(keyring, sealed);
  const prepared: Prepared[] = [];
  for (const { clientId, names } of await knownBy(db, accountId)) {
    const affected = names.filter(name => attributes.includes(claims.sourceOf(name)));
    if (affected.length === 0) continue;
    const client = await findClient(db, clientId);
    if (!client) continue;
    /* Nothing leaves to one that there is no way to. */
    const isReachable = routeOf(client.metadata, 'maintain', before).channel !== 'none';
    if (!isReachable && !asked) continue;
    const corrected = await correctedFor(correcting, accountId, client, affected);
    if (!corrected) continue;
    const { now, outdated, record } = corrected;
    prepared.push({
      telling: {
        clientId,
        accountId,
        subject: subjectOf(accountId, subjectClientOf(client)),
        command: 'maintain',
        claims: isReachable ? { ...now, ...(outdated.length > 0 && { outdated_claims: outdated }) } : {},
        because: 'corrected',
        /* To one that may not have the new value, the old one says too much as well. */
        ...(before && outdated.length === 0 && { before }),
        reason: reasonOf('corrected', request),
      },
      ...(isReachable && { record }),
    });
  }
  return prepared;
}

function beforeIn(keyring: Keyring, sealed: string): Readonly<Record<string, string>> | undefined {
  try {
    const told: unknown = JSON.parse(keyring.open(JOB, Buffer.from(sealed, 'base64')));
    return z.record(z.string(), z.string()).parse(told);
  } catch {
    return undefined;
  }
}
