import { findAccount } from '../../../domain/accounts/accounts.js';
import { namesOfClients } from '../../../domain/clients/clients.js';
import { listRememberedBrowsers } from '../../../domain/factors/factors.js';
import { ACCOUNT_APP } from '../../../oidc/account-app.js';
import { type LiveSession, listLiveSessions } from '../../../oidc/live-sessions.js';
import type { Origin } from '../../../platform/storage/origin.js';
import type { Parts } from '../../journey.js';

/** A browser or phone that is signed in to an account. */
export interface Device {
  readonly id: string;
  /** "Firefox · Linux", as far as the browser said; undefined when nobody knows. */
  readonly name: string | undefined;
  readonly country: string | undefined;
  readonly firstSeenAt: Date;
  readonly lastSeenAt: Date;
  readonly signedInAt: Date;
  /** The one that asks. */
  readonly here: boolean;
  readonly apps: readonly { readonly clientId: string; readonly name: string | undefined }[];
}

/** A stretch of a list of devices, the latest sign-in first. */
export interface DeviceList {
  readonly devices: readonly Device[];
  /** Where the list goes on; undefined at the end. */
  readonly next: string | undefined;
}

type Asking = {
  readonly parts: Pick<Parts, 'db' | 'keyring' | 'places'>;
  readonly me: { readonly accountId: string; readonly sessionUid: string | undefined };
};

/* After the one that asks, which comes first wherever it lies, and before all others. */
const OTHERS = '999999999999.others';
const CURSOR = /^(\d{1,12})\.([\w-]{1,64})$/;

/** The place in a list that an address names; undefined where it names none. */
function placeIn(cursor: string | undefined): Pick<LiveSession, 'uid' | 'signedInAt'> | undefined {
  const [, seconds, uid] = CURSOR.exec(cursor ?? '') ?? [];
  return uid === undefined ? undefined : { uid, signedInAt: new Date(Number(seconds) * 1000) };
}

const cursorOf = ({ uid, signedInAt }: LiveSession) => `${Math.floor(signedInAt.getTime() / 1000)}.${uid}`;

/** The devices that are signed in to the account of whoever asks, one for each, with the one that asks at the top. */
export async function listDevices(
  { parts, me }: Asking,
  { after, limit }: { readonly after?: string | undefined; readonly limit: number },
): Promise<DeviceList> {
  const { db, keyring } = parts;
  const place = placeIn(after);
  const wanted = { limit: limit + 1, after: place, first: me.sessionUid, keyring };
  const read = await listLiveSessions(db, me.accountId, wanted);
  const page = read.slice(0, limit);
  const last = read.length > limit ? page.at(-1) : undefined;
  const devices = await devicesOf({ parts, me }, page);
  return { devices, next: last && (last.uid === me.sessionUid ? OTHERS : cursorOf(last)) };
}

/** All sessions on a device of whoever asks, and the device; undefined where it is not signed in (any more), or is not theirs. */
export async function findDevice(
  { parts, me }: Asking,
  id: string,
): Promise<{ readonly device: Device; readonly uids: readonly string[] } | undefined> {
  const { db, keyring } = parts;
  const sessions = await listLiveSessions(db, me.accountId, { device: id, keyring });
  const here = sessions.some(({ uid }) => uid === me.sessionUid);
  const [device] = await devicesOf({ parts, me }, sessions.slice(0, 1));
  return device && { device: { ...device, here }, uids: sessions.map(({ uid }) => uid) };
}

async function devicesOf({ parts, me }: Asking, sessions: readonly LiveSession[]): Promise<Device[]> {
  const current = sessions.filter(({ replaced }) => !replaced);
  const ids = new Set(current.flatMap(({ clientIds }) => appsOf(clientIds)));
  const names = ids.size === 0 ? new Map<string, string>() : await namesOfClients(parts.db, [...ids]);
  return Promise.all(
    current.map(async session => ({
      id: session.device,
      ...(await whereOf(parts, session.origin)),
      firstSeenAt: session.since,
      lastSeenAt: session.uid === me.sessionUid ? new Date() : session.lastSeenAt,
      signedInAt: session.signedInAt,
      here: session.uid === me.sessionUid,
      apps: appsOf(session.clientIds).map(clientId => ({ clientId, name: names.get(clientId) })),
    })),
  );
}

/* The pages of the account are no app to anybody. */
const appsOf = (clientIds: readonly string[]) => clientIds.filter(id => id !== ACCOUNT_APP);

async function whereOf({ places }: Pick<Parts, 'places'>, origin: Origin | undefined) {
  const country = origin && (await places.countryOf(origin.address));
  return { name: origin?.browser || undefined, country };
}

/** A browser that is not asked for the second step. */
export interface Remembered {
  readonly id: string;
  readonly name: string | undefined;
  readonly country: string | undefined;
  readonly at: Date;
  readonly until: Date;
}

/** The browsers that are not asked for the second step of an account, the latest first, and the id to go on after. */
export async function listRemembered(
  { parts, me }: Asking,
  {
    limit,
    ...more
  }: {
    readonly limit: number;
    readonly before?: string | undefined;
    /** What was remembered before counts no more; looked up where nobody has it at hand. */
    readonly proofsFrom?: Date | null;
  },
): Promise<{ readonly browsers: readonly Remembered[]; readonly next: string | undefined }> {
  const { db, keyring } = parts;
  const { before } = more;
  const proofsFrom =
    more.proofsFrom === undefined ? (await findAccount(db, me.accountId))?.proofsFrom : more.proofsFrom;
  const whose = { id: me.accountId, proofsFrom: proofsFrom ?? undefined };
  const read = await listRememberedBrowsers(db, keyring, whose, { limit: limit + 1, before });
  const page = read.slice(0, limit);
  return {
    browsers: await Promise.all(
      page.map(async ({ id, origin, at, until }) => ({ id, ...(await whereOf(parts, origin)), at, until })),
    ),
    next: read.length > limit ? page.at(-1)?.id : undefined,
  };
}
