import type Router from '@koa/router';
import type Koa from 'koa';
import { type DeviceInfo, userCodeOf, type WaitingDevice } from '../../oidc/device-codes.js';
import { meantByDevice } from '../../oidc/people.js';
import { requestScope } from '../../oidc/request-scope.js';
import { readForm } from '../../platform/web/input.js';
import { deviceName } from '../../platform/web/origin.js';
import { type Parts, seeOther, show } from '../journey.js';
import type { Problem } from '../page-models.js';
import { countGuess, takeGuessBack } from './guesses.js';

/** The pages where a person lets a device in (RFC 8628 §3.3): the code first, then which device and which app it is. */
export function deviceRoutes(router: Router, parts: Parts): void {
  router.get('/device', ctx => showCode(ctx, parts, typedIn(ctx.query['user_code'])));
  router.post('/device', ctx => takeCode(ctx, parts));
  router.post('/device/confirm', ctx => confirm(ctx, parts));
  router.post('/device/deny', ctx => deny(ctx, parts));
}

const LONGEST = 40;
const typedIn = (value: unknown) => (typeof value === 'string' ? value.slice(0, LONGEST) : '');

function showCode(ctx: Koa.Context, parts: Parts, code: string, problems: readonly Problem[] = []): void {
  if (problems.length > 0) ctx.status = 400;
  show(ctx, parts, 'device/code', { here: '/device', code: userCodeOf(code) ?? code, problems });
}

async function takeCode(ctx: Koa.Context, parts: Parts): Promise<void> {
  const { user_code: typed } = await readForm(ctx, parts.csrf);
  const found = await look(ctx, parts, typedIn(typed));
  if (!found) return;
  const client = await parts.provider.Client.find(found.device.clientId);
  if (!client) return wrong(ctx, parts, found.code);
  const { clientId } = client;
  show(ctx, parts, 'device/confirm', {
    here: `/device?user_code=${encodeURIComponent(found.code)}`,
    app: {
      name: client.clientName ?? clientId,
      ...(client.logoUri !== undefined && { logo: `/clients/${encodeURIComponent(clientId)}/logo` }),
    },
    code: found.code,
    asked: { at: found.device.askedAt, ...askedBy(found.device.info) },
  });
}

const wrong = (ctx: Koa.Context, parts: Parts, code: string): void =>
  showCode(ctx, parts, code, [
    { word: code === '' ? 'device_code_missing' : 'device_code_wrong', field: 'user_code' },
  ]);

/** Looks for the device of a code, or shows the form again: what is wrong, over, or taken by somebody else looks the same. */
async function look(
  ctx: Koa.Context,
  parts: Parts,
  typed: string,
): Promise<{ readonly code: string; readonly device: WaitingDevice } | undefined> {
  const code = userCodeOf(typed);
  if (code === undefined) {
    wrong(ctx, parts, typed.trim());
    return undefined;
  }
  await countGuess(ctx, parts);
  const device = await parts.devices.find(code);
  if (!device) {
    wrong(ctx, parts, code);
    return undefined;
  }
  await takeGuessBack(ctx, parts);
  return { code, device };
}

function askedBy({ address, agent = '' }: DeviceInfo) {
  const device = deviceName(agent) || agent.split(' ')[0];
  return { ...(device && { device }), ...(address && { address }) };
}

/** "Yes": from here on it is a pending request like any other, in this browser. */
async function confirm(ctx: Koa.Context, parts: Parts): Promise<void> {
  const { user_code: typed } = await readForm(ctx, parts.csrf);
  const found = await look(ctx, parts, typedIn(typed));
  if (!found) return;
  const { device } = found;
  const meant = await meantByDevice(parts.provider, device.params, parts.subjectOf);
  seeOther(ctx, await parts.devices.claim(ctx, device, meant));
}

/** "No": the device is told, and its code has ended. */
async function deny(ctx: Koa.Context, parts: Parts): Promise<void> {
  const { user_code: typed } = await readForm(ctx, parts.csrf);
  const found = await look(ctx, parts, typedIn(typed));
  if (!found) return;
  const { device } = found;
  parts.devices.deny(device);
  requestScope().record({ type: 'device.denied', clientId: device.clientId }, { kind: 'person' });
  show(ctx, parts, 'device/denied', {});
}
