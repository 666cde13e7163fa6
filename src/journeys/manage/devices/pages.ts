import { forgetAllBrowsers, forgetBrowser } from '../../../domain/factors/factors.js';
import { endOtherSessionsOf } from '../../../oidc/session.js';
import { openWork } from '../../../platform/storage/work.js';
import { sealHere } from '../../notices/here.js';
import { type AccountCall, type AccountPage, doneHere, leadTo, showAccount } from '../door.js';
import { isEventId } from '../history/listing.js';
import { type Device, findDevice, listDevices, listRemembered, type Remembered } from './listing.js';
import { DONE, type ShownDevice } from './models.js';

const PATH = '/account/devices';
const OTHERS = `${PATH}/end-others` as const;

/**
 * Where somebody is signed in. Looking and freezing ask for nothing; whoever signs a device out proves anew who they are (ASVS
 * 7.5.2), before the page that does it is shown, so that one press is enough.
 */
export const DEVICES_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: PATH, nav: 'devices', run: showDevices },
  {
    method: 'GET',
    path: OTHERS,
    sensitive: true,
    run: call => showAccount(call, 'account/devices-end-others', {}),
  },
  { method: 'POST', path: OTHERS, sensitive: true, run: endOthers },
  { method: 'GET', path: `${PATH}/:id/end`, sensitive: true, run: showEnd },
  { method: 'POST', path: `${PATH}/:id/end`, sensitive: true, run: endOne },
  { method: 'GET', path: `${PATH}/:id/object`, run: showObjection },
  { method: 'POST', path: `${PATH}/remembered/forget-all`, form: PATH, run: forgetAll },
  { method: 'POST', path: `${PATH}/remembered/:id/forget`, form: PATH, run: forgetOne },
];

const PER_PAGE = 20;

async function showDevices(call: AccountCall): Promise<void> {
  const { ctx, me } = call;
  const after = typeof ctx.query['after'] === 'string' ? ctx.query['after'] : undefined;
  const { devices, next } = await listDevices(call, { after, limit: PER_PAGE });
  const proofsFrom = me.person.account.proofs_from;
  const { browsers } =
    after === undefined && me.secondStep
      ? await listRemembered(call, { limit: PER_PAGE, proofsFrom: proofsFrom ? new Date(proofsFrom) : null })
      : { browsers: [] };
  const done = doneHere(call, DONE);
  showAccount(call, 'account/devices', {
    ...(done && { done }),
    devices: devices.map(device => ({
      ...shownDevice(device),
      ...(!device.here && {
        endUrl: `${PATH}/${device.id}/end`,
        objectUrl: `${PATH}/${device.id}/object`,
      }),
    })),
    mayEndOthers: devices.some(({ here }) => !here) || next !== undefined,
    ...(next !== undefined && { moreUrl: `${PATH}?${new URLSearchParams({ after: next })}` }),
    ...(after !== undefined && { firstUrl: PATH }),
    remembered: browsers.map(browser => ({
      ...whereOf(browser),
      at: browser.at,
      until: browser.until,
      forgetUrl: `${PATH}/remembered/${browser.id}/forget`,
    })),
  });
}

function whereOf({ name, country }: Pick<Device | Remembered, 'name' | 'country'>) {
  return { ...(name !== undefined && { name }), ...(country !== undefined && { country }) };
}

function shownDevice(device: Device): ShownDevice {
  const { firstSeenAt, lastSeenAt, here, apps } = device;
  const names = apps.map(({ clientId, name }) => name ?? clientId);
  return { ...whereOf(device), firstSeenAt, lastSeenAt, here, apps: names };
}

/*
 * What is not there (any more), or is somebody else's, is signed out: that is all that was wanted. This one is left by the
 * ordinary way out.
 */
async function meant(call: AccountCall) {
  const found = await findDevice(call, call.params['id'] ?? '');
  if (found && !found.device.here) return found;
  leadTo(call, PATH, found ? undefined : 'gone');
  return undefined;
}

async function showEnd(call: AccountCall): Promise<void> {
  const found = await meant(call);
  if (!found) return;
  const { device } = found;
  showAccount(call, 'account/device-end', { device: shownDevice(device), url: `${PATH}/${device.id}/end` });
}

async function endOne(call: AccountCall): Promise<void> {
  const { parts, me, actor } = call;
  const found = await meant(call);
  if (!found) return;
  const which = { but: me.sessionUid, only: found.uids, reason: 'ended-elsewhere' } as const;
  const ended = await openWork(parts.db, actor, work => endOtherSessionsOf(work, me.accountId, which));
  leadTo(call, PATH, ended ? 'ended' : 'gone');
}

async function endOthers(call: AccountCall): Promise<void> {
  const { parts, me, actor } = call;
  const ended = await openWork(parts.db, actor, work =>
    endOtherSessionsOf(work, me.accountId, { but: me.sessionUid, reason: 'ended-elsewhere' }),
  );
  /* Somebody else was first, and has ended this one: the page asks who is there. */
  leadTo(call, PATH, ended === undefined ? undefined : 'ended_others');
}

/* Looking changes nothing: only the button does, and it asks for nothing more, since freezing must never wait. */
async function showObjection(call: AccountCall): Promise<void> {
  const { ctx, parts, me } = call;
  const found = await meant(call);
  if (!found) return;
  const { accountId, sessionUid } = me;
  showAccount(call, 'account/device-object', {
    device: shownDevice(found.device),
    objection: sealHere(ctx, parts, { accountId, sessionUid, undo: {} }),
    endUrl: `${PATH}/${found.device.id}/end`,
  });
}

async function forgetOne(call: AccountCall): Promise<void> {
  const { parts, me, actor, params } = call;
  const id = params['id'] ?? '';
  if (isEventId(id)) await openWork(parts.db, actor, work => forgetBrowser(work, me.accountId, { id }));
  leadTo(call, PATH, 'forgotten');
}

async function forgetAll(call: AccountCall): Promise<void> {
  const { parts, me, actor } = call;
  await openWork(parts.db, actor, work => forgetAllBrowsers(work, me.accountId));
  leadTo(call, PATH, 'forgot_all');
}
