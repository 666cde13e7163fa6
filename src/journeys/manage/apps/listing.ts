import {
  type ConsentEvent,
  type LiveConsent,
  listLatestConsentEvents,
  listLiveConsents,
} from '../../../domain/consents/consents.js';
import { lastUsesByApp, type UsedApp } from '../../../oidc/last-use.js';
import type { Parts } from '../../journey.js';
import { listKnowing } from '../disclosures/listing.js';

/** After so many days in which nothing was heard of an app it is proposed to take back what it may. */
export const UNUSED_DAYS = 180;

/** An app that somebody lets have something. */
export interface ConnectedApp extends LiveConsent {
  /** When it was last signed in to, or fetched new tokens. */
  readonly used: Date | undefined;
  /** When it was last told something new. */
  readonly got: Date | undefined;
  readonly unused: boolean;
}

/** The apps that somebody lets in, and those of the organisation itself, which nobody is asked about. */
export interface Connected {
  readonly apps: readonly ConnectedApp[];
  readonly house: readonly UsedApp[];
  /** The app that the next page begins after; undefined at the end. */
  readonly next: string | undefined;
}

/** So many apps are listed at once. */
export const APPS_PER_PAGE = 50;

/** The apps of an account, by name, a page at a time; those of the organisation stand on the first. */
export async function listConnected(
  { db }: Pick<Parts, 'db'>,
  accountId: string,
  { after, limit = APPS_PER_PAGE }: { readonly after?: string | undefined; readonly limit?: number } = {},
): Promise<Connected> {
  const [found, knowing, uses] = await Promise.all([
    listLiveConsents(db, accountId, { after, limit: limit + 1 }),
    listKnowing({ db }, accountId),
    lastUsesByApp(db, accountId),
  ]);
  const used = new Map(uses.map(({ clientId, usedAt }) => [clientId, usedAt]));
  const got = new Map(knowing.map(({ clientId, last }) => [clientId, last]));
  const live = found.slice(0, limit);
  const apps = live.map(app => connected(app, used.get(app.clientId), got.get(app.clientId)));
  const asked = new Set(live.map(({ clientId }) => clientId));
  const ours = uses.filter(({ clientId, firstParty }) => firstParty && !asked.has(clientId));
  return {
    apps,
    house: after === undefined ? ours : [],
    next: found.length > limit ? live.at(-1)?.clientId : undefined,
  };
}

function connected(app: LiveConsent, used: Date | undefined, got: Date | undefined): ConnectedApp {
  const last = Math.max(app.givenAt.getTime(), used?.getTime() ?? 0, got?.getTime() ?? 0);
  return { ...app, used, got, unused: last < Date.now() - UNUSED_DAYS * 86_400_000 };
}

/** What somebody lets one app have, and what they said about it, newest first. */
export interface OneApp {
  /** Undefined when it may have nothing (any more). */
  readonly app: LiveConsent | undefined;
  readonly used: Date | undefined;
  readonly events: readonly ConsentEvent[];
  /** Goes on there; undefined at the end. */
  readonly older: number | undefined;
}

const PER_PAGE = 20;

/** One app of an account; undefined when its person never said anything about it. */
export async function findOneApp(
  { db }: Pick<Parts, 'db'>,
  accountId: string,
  { clientId, before }: { readonly clientId: string; readonly before?: number | undefined },
): Promise<OneApp | undefined> {
  const [[app], uses, read] = await Promise.all([
    listLiveConsents(db, accountId, { clientId }),
    lastUsesByApp(db, accountId, clientId),
    listLatestConsentEvents(db, accountId, { clientId, before, limit: PER_PAGE + 1 }),
  ]);
  if (!app && read.length === 0) return undefined;
  const events = read.slice(0, PER_PAGE);
  const older = read.length > PER_PAGE ? events.at(-1)?.nr : undefined;
  return { app, used: uses[0]?.usedAt, events, older };
}
