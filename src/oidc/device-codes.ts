import type Koa from 'koa';
import type Provider from 'oidc-provider';
import type { Keyring } from '../platform/crypto/keyring.js';
import { digest, randomToken } from '../platform/crypto/tokens.js';
import type { StatementPool } from '../platform/storage/db.js';
import { statement } from '../platform/storage/db.js';
import type { Payload } from './artefacts.js';
import { LIFETIMES } from './lifetimes.js';
import { requestScope } from './request-scope.js';

/** The code that a person types: eight letters of twenty, 34 bits (RFC 8628 §6.1). */
const SHAPE = /^[BCDFGHJKLMNPQRSTVWXZ]{8}$/;

/** What somebody typed as the engine knows it, in two groups of four for people; nothing when it can be no code. */
export function userCodeOf(typed: string): string | undefined {
  const code = typed.toUpperCase().replace(/[^A-Z0-9]/g, '');
  return SHAPE.test(code) ? `${code.slice(0, 4)}-${code.slice(4)}` : undefined;
}

/** How a typed code is looked for: it is too short to be kept as a plain digest. */
export function userCodeDigest(keyring: Keyring, code: string): Buffer {
  return keyring.mac('user-code', code.replaceAll('-', ''));
}

/** What a device tells of itself when it asks. */
export interface DeviceInfo {
  readonly address?: string;
  readonly agent?: string;
}

/** A device that waits for somebody to say that it is theirs. */
export interface WaitingDevice {
  /** Names its row within our walls; no app takes it for the device code. */
  readonly reference: string;
  readonly clientId: string;
  readonly params: Payload;
  readonly info: DeviceInfo;
  readonly askedAt: Date;
}

/** What people do about devices that wait. */
export interface DeviceCodes {
  /** The device that shows this code, as long as nobody said that it is theirs or not. */
  find(userCode: string): Promise<WaitingDevice | undefined>;
  /** "This is mine": from here on it is a pending request of this browser alone. Gives the address where it goes on. */
  claim(ctx: Koa.Context, device: WaitingDevice, sessionUid: string | undefined): Promise<string>;
  /** "This is not mine": the device is told `access_denied`. */
  deny(device: WaitingDevice): void;
}

interface DeviceRow {
  readonly digest: Buffer;
  readonly client_id: string;
  readonly params: Payload;
  readonly device_info: DeviceInfo | null;
  readonly issued_at: string;
}

const WAITING_READ = `SELECT digest, client_id, params, device_info, issued_at FROM device_codes
  WHERE user_code = $1 AND in_flight IS NOT TRUE AND account_id IS NULL AND error IS NULL AND consumed_at IS NULL
  AND expires_at > extract(epoch FROM now())`;

/** Opens the devices that wait at one provider. */
export function openDeviceCodes(provider: Provider, pool: StatementPool, keyring: Keyring): DeviceCodes {
  const https = provider.issuer.startsWith('https:');
  return {
    find: async userCode => {
      const values = [userCodeDigest(keyring, userCode)];
      const { rows } = await pool.query<DeviceRow>(statement(WAITING_READ, values));
      return rows[0] && waiting(rows[0]);
    },
    claim: async (ctx, device, sessionUid) => {
      const uid = randomToken(16);
      await saveRequest(provider, uid, device, sessionUid);
      requestScope().writes.settleDevice(device.reference, 'claimed');
      const path = `/device/${uid}`;
      const cookie = { httpOnly: true, sameSite: 'lax', signed: true, secure: https, path } as const;
      ctx.cookies.set(provider.cookieName('resume'), uid, {
        ...cookie,
        maxAge: LIFETIMES.interaction * 1000,
      });
      return path;
    },
    deny: device => requestScope().writes.settleDevice(device.reference, 'denied'),
  };
}

function waiting(row: DeviceRow): WaitingDevice {
  return {
    reference: row.digest.toString('base64url'),
    clientId: row.client_id,
    params: row.params,
    info: row.device_info ?? {},
    askedAt: new Date(Number(row.issued_at) * 1000),
  };
}

/* As the engine would after its own form: it looks at the request anew when it resumes, and asks what there is to ask. */
async function saveRequest(
  provider: Provider,
  uid: string,
  { params, reference }: WaitingDevice,
  sessionUid: string | undefined,
): Promise<void> {
  const session = sessionUid === undefined ? undefined : await requestScope().sessionByUid(sessionUid);
  const { accountId, jti: cookie, acr, amr } = session ?? {};
  const content = {
    returnTo: `${provider.issuer}/device/${uid}`,
    prompt: { name: 'login', reasons: [], details: {} },
    params,
    session: accountId === undefined ? undefined : { accountId, uid: sessionUid, cookie, acr, amr },
    deviceCode: reference,
    cid: randomToken(16),
  };
  const Interaction = provider.Interaction as unknown as InteractionModel;
  await new Interaction(uid, content).save(LIFETIMES.interaction);
}

type InteractionModel = new (uid: string, content: object) => { save(ttl: number): Promise<unknown> };

interface EngineContext {
  readonly oidc?: { readonly route?: string; readonly params?: Readonly<Record<string, unknown>> };
}

/** How many seconds a device waits between two looks, at first (RFC 8628 §3.2). */
export const POLL_INTERVAL = 5;

const POLLED = `WITH known AS (
    SELECT digest, polled_at > now() - make_interval(secs => poll_interval) AS fast FROM device_codes WHERE digest = $1)
  UPDATE device_codes d SET polled_at = now(), poll_interval = d.poll_interval + CASE WHEN k.fast THEN 5 ELSE 0 END
  FROM known k WHERE d.digest = k.digest RETURNING k.fast`;

/** Notes that a device looked in vain, and slows down one that looks too often (RFC 8628 §3.5). */
export async function paceDevice(ctx: Koa.Context, pool: StatementPool): Promise<void> {
  const { route, params } = (ctx as unknown as EngineContext).oidc ?? {};
  const body = ctx.body as { error?: string } | undefined;
  if (route !== 'token' || body?.error !== 'authorization_pending') return;
  const values = [digest(String(params?.['device_code']))];
  const { rows } = await pool.query<{ fast: boolean | null }>(statement(POLLED, values));
  if (rows[0]?.fast !== true) return;
  ctx.body = { error: 'slow_down', error_description: 'wait five seconds more between two requests' };
}

/** Tells devices how long to wait between two looks. */
export function tellInterval(provider: Provider): void {
  provider.on('device_authorization.success' as 'grant.success', (...told: unknown[]) => {
    Object.assign(told[1] as object, { interval: POLL_INTERVAL });
  });
}
