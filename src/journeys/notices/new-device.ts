import { z } from 'zod';
import { countTold, findAccount } from '../../domain/accounts/accounts.js';
import type { Keyring } from '../../platform/crypto/keyring.js';
import type { JobDefinition } from '../../platform/jobs/jobs.js';
import type { Places } from '../../platform/places.js';
import type { Db } from '../../platform/storage/db.js';
import { readEvents } from '../../platform/storage/events.js';
import { type Job, openWork } from '../../platform/storage/work.js';
import { askedFrom } from '../../platform/web/origin.js';
import type { Turn } from '../turn.js';
import { type Telling, tellWithoutRequest } from './tell.js';

const NAME = 'tell-new-device';
const SEAL = 'new-device';

const payloadSchema = z.strictObject({ accountId: z.uuid(), sealed: z.base64url() });
const fromSchema = z.strictObject({
  at: z.number(),
  device: z.string(),
  address: z.string(),
  app: z.string(),
  clientId: z.string(),
});

/** What is enqueued with a sign-in, to be done where the account had not known the browser: from where it was, sealed. */
export function newDeviceJob({ ctx, parts, pending }: Turn, accountId: string): Job {
  const { name: app, clientId } = pending.app;
  const from: z.input<typeof fromSchema> = { ...askedFrom(ctx), at: Date.now(), app, clientId };
  const sealed = parts.keyring.seal(SEAL, JSON.stringify(from)).toString('base64url');
  return { name: NAME, payload: { accountId, sealed } };
}

const DAY = 86_400_000;
/** Whoever signs in in ever new browsers fills no mailbox: the rest of a day stands in the history. */
const MOST_A_DAY = 10;

const HOUR = 3_600_000;

/* Signing up may lead through a second step: whoever has never signed in before has no other device. */
async function isSigningUp(db: Db, keyring: Keyring, accountId: string): Promise<boolean> {
  const account = await findAccount(db, accountId);
  if (!account || Date.now() - account.openedAt.getTime() > HOUR) return false;
  const events = await readEvents(db, keyring, { accountId, only: ['session.authenticated'], limit: 2 });
  return events.length < 2;
}

/** What the job tells with. */
export interface NewDeviceOptions {
  readonly keyring: Keyring;
  readonly places: Places;
  readonly telling: Telling;
}

/** Tells every proven address of an account that somebody signed in in a browser which is new to it, with "this wasn't me". */
export function tellNewDevice(db: Db, { keyring, places, telling }: NewDeviceOptions): JobDefinition {
  return {
    name: NAME,
    run: async payload => {
      const { accountId, sealed } = payloadSchema.parse(payload);
      const opened = keyring.open(SEAL, Buffer.from(sealed, 'base64url'));
      const { at, address, ...from } = fromSchema.parse(JSON.parse(opened));
      if (await isSigningUp(db, keyring, accountId)) return;
      const news = { accountId, kind: 'new_device' } as const;
      const told = await countTold(db, { accountId, about: news.kind }, new Date(Date.now() - DAY));
      if (told >= MOST_A_DAY) return;
      const country = await places.countryOf(address);
      const asked = { ...from, address, at: new Date(at), ...(country && { country }) };
      await openWork(db, { kind: 'system' }, work => tellWithoutRequest(work, telling, news, asked));
    },
  };
}
