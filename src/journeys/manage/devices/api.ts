import { z } from 'zod';
import { forgetAllBrowsers, forgetBrowser } from '../../../domain/factors/factors.js';
import { endOtherSessionsOf, endTheseSessionsOf } from '../../../oidc/session.js';
import { Refusal } from '../../../platform/errors.js';
import { openWork } from '../../../platform/storage/work.js';
import { type ApiOperation, operation } from '../api.js';
import { isEventId } from '../history/listing.js';
import { findDevice, listDevices, listRemembered } from './listing.js';

const PATH = '/api/me/devices';
const MOST = 100;
const time = z.iso.datetime();
const limit = z.coerce.number().int().min(1).max(MOST).default(20);

const deviceSchema = z.strictObject({
  id: z.string(),
  name: z.string().optional(),
  country: z.string().optional(),
  first_seen_at: time,
  last_seen_at: time,
  signed_in_at: time,
  /** The app's own sign-in is on this device. */
  this_device: z.boolean(),
  apps: z.array(z.strictObject({ client_id: z.string(), name: z.string().optional() })),
});

const rememberedSchema = z.strictObject({
  id: z.uuid(),
  name: z.string().optional(),
  country: z.string().optional(),
  remembered_at: time,
  until: time,
});

/* Names and places are left out where nobody knows them. */
const known = <T extends object>(parts: T) =>
  Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };

const missing = () => new Refusal('missing', 'not_found', 'There is nothing at this address.');

/** Where a person is signed in, for apps that they let: seen, and signed out while the person is freshly signed in. */
export const DEVICES_OPERATIONS: readonly ApiOperation[] = [
  operation({
    method: 'GET',
    path: PATH,
    scope: 'account:devices:read',
    summary: 'The browsers and phones that are signed in to the account, the latest sign-in first.',
    query: z.strictObject({
      /** `next` of the page before. */
      after: z.string().max(100).optional(),
      limit,
    }),
    answer: z.strictObject({ devices: z.array(deviceSchema), next: z.string().optional() }),
    run: async ({ parts, me, query }) => {
      const { devices, next } = await listDevices({ parts, me }, query);
      return {
        devices: devices.map(({ id, name, country, firstSeenAt, lastSeenAt, signedInAt, here, apps }) => ({
          id,
          ...known({ name, country }),
          first_seen_at: firstSeenAt.toISOString(),
          last_seen_at: lastSeenAt.toISOString(),
          signed_in_at: signedInAt.toISOString(),
          this_device: here,
          apps: apps.map(app => ({ client_id: app.clientId, ...known({ name: app.name }) })),
        })),
        ...known({ next }),
      };
    },
  }),
  operation({
    method: 'POST',
    path: `${PATH}/end-others`,
    scope: 'account:devices:write',
    sensitive: true,
    summary: 'Signs out every device but the one on which the app was signed in to, with all tokens there.',
    answer: z.strictObject({ ended: z.int().min(0) }),
    run: async ({ parts, me, actor }) => {
      const but = me.sessionUid;
      const ended =
        but === undefined
          ? undefined
          : await openWork(parts.db, actor, work =>
              endOtherSessionsOf(work, me.accountId, { but, reason: 'ended-elsewhere' }),
            );
      if (ended === undefined)
        throw new Refusal('conflict', 'signed_out', 'The person is not signed in there any more.');
      return { ended };
    },
  }),
  operation({
    method: 'GET',
    path: `${PATH}/remembered`,
    scope: 'account:devices:read',
    summary: 'The browsers that are not asked for the second step, the latest first.',
    query: z.strictObject({
      /** `next` of the page before. */
      before: z.uuid().optional(),
      limit,
    }),
    answer: z.strictObject({ browsers: z.array(rememberedSchema), next: z.uuid().optional() }),
    run: async ({ parts, me, query }) => {
      const { browsers, next } = await listRemembered({ parts, me }, query);
      return {
        browsers: browsers.map(({ id, name, country, at, until }) => ({
          id,
          ...known({ name, country }),
          remembered_at: at.toISOString(),
          until: until.toISOString(),
        })),
        ...known({ next }),
      };
    },
  }),
  operation({
    method: 'DELETE',
    path: `${PATH}/remembered`,
    scope: 'account:devices:write',
    summary: 'Asks every browser for the second step again.',
    run: async ({ parts, me, actor }) => {
      await openWork(parts.db, actor, work => forgetAllBrowsers(work, me.accountId));
    },
  }),
  operation({
    method: 'DELETE',
    path: `${PATH}/remembered/:id`,
    scope: 'account:devices:write',
    summary: 'Asks a browser for the second step again.',
    run: async ({ parts, me, actor, params }) => {
      const id = params['id'] ?? '';
      if (!isEventId(id)) throw missing();
      if (!(await openWork(parts.db, actor, work => forgetBrowser(work, me.accountId, { id }))))
        throw missing();
    },
  }),
  operation({
    method: 'DELETE',
    path: `${PATH}/:id`,
    scope: 'account:devices:write',
    sensitive: true,
    summary: 'Signs a device out, with all tokens there; of the device of the app itself, this token too.',
    run: async ({ parts, me, actor, params }) => {
      const found = await findDevice({ parts, me }, params['id'] ?? '');
      if (!found) throw missing();
      await openWork(parts.db, actor, work =>
        endTheseSessionsOf(work, me.accountId, found.uids, 'ended-elsewhere'),
      );
    },
  }),
];
