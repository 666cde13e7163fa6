import type Koa from 'koa';
import { beginObjections, endObjectionsTo, findAccount } from '../../domain/accounts/accounts.js';
import { listNoticeEmails } from '../../domain/contacts/contacts.js';
import { listAttributes } from '../../domain/profiles/profiles.js';
import type { Keyring } from '../../platform/crypto/keyring.js';
import type { Work } from '../../platform/storage/work.js';
import { askedFrom } from '../../platform/web/origin.js';
import { mail } from '../codes.js';
import type { Parts } from '../journey.js';
import type { Asked } from '../page-models.js';
import { isAboutEarlier, isObjectable, type NewsKind, type NewsValues } from './kinds.js';

/** The request that something was done in. */
export interface Doing {
  readonly ctx: Koa.Context;
  readonly parts: Parts;
  /** The app it was done for. */
  readonly app?: { readonly name: string; readonly clientId: string } | undefined;
}

/** What was done just now. */
export interface News {
  readonly accountId: string;
  readonly kind: NewsKind;
  readonly values?: NewsValues;
  /** From where it was, if that is not where this request comes from. */
  readonly from?: Pick<Asked, 'device' | 'address' | 'country'>;
  /** What the undoing of this kind needs to know (`undo.ts`); sealed. */
  readonly undo?: Readonly<Record<string, string>>;
  /** Addresses that were the account's until now: their owner is told as well. */
  readonly alsoTo?: readonly string[];
  /** Addresses that are somebody's who has no say any more: told, and without a link. */
  readonly informed?: readonly string[];
  /** By which link just that is undone, and who is given it: everybody, where nobody is named. */
  readonly undoing?: { readonly to?: string; readonly url: string };
  /** By which link a recovery that waits is stopped; everybody is given it. */
  readonly stopUrl?: string;
  /** Until when something waits. */
  readonly until?: Date;
}

/** What a link "this wasn't me" carries, sealed. */
export interface ToldOf {
  readonly app?: string;
  readonly clientId?: string;
  readonly device?: string;
  readonly address?: string;
  readonly country?: string;
  readonly values?: NewsValues;
  readonly undo?: Readonly<Record<string, string>>;
  /** The address that the link was mailed to. */
  readonly to?: string;
}

const SEAL = 'objection';

/** Opens what `tellEveryone` sealed; under a secret that is lost it says nothing, and the link works all the same. */
export function openToldOf(keyring: Keyring, sealed: Buffer): ToldOf {
  try {
    return JSON.parse(keyring.open(SEAL, sealed)) as ToldOf;
  } catch {
    return {};
  }
}

/**
 * Tells an account's owner, at every proven address and in the transaction of the change, what was done just now: when, from
 * where, by which browser, and with a link of each mailbox's own to say "this wasn't me". Call it after the change itself, and
 * name addresses that were taken away by it in `alsoTo`.
 */
export async function tellEveryone(work: Work, doing: Doing, news: News): Promise<void> {
  const { ctx, parts, app } = doing;
  const from = news.from ?? askedFrom(ctx);
  const country = from.address && (await parts.places.countryOf(from.address));
  const asked: Asked = { at: work.at, ...from, ...(country && { country }), ...(app && { app: app.name }) };
  await tell(work, parts, asked, news, app?.clientId);
}

/** What somebody is told with, where no request of theirs is under way. */
export type Telling = Pick<Parts, 'issuer' | 'renderer' | 'keyring'> & {
  readonly rp: { readonly name: string };
};

/** The same for what an operator did, or what happened on its day; about something that was asked before, with where that came from. */
export function tellWithoutRequest(
  work: Work,
  telling: Telling,
  news: News,
  { clientId, ...asked }: Asked & { readonly clientId?: string } = { at: work.at },
): Promise<void> {
  return tell(work, telling, asked, news, clientId);
}

async function tell(
  work: Work,
  telling: Telling,
  asked: Asked,
  news: News,
  clientId?: string,
): Promise<void> {
  const { accountId, kind, values = {}, undo, informed = [], undoing, stopUrl, until } = news;
  const { language, zone, addresses } = await readersOf(work, news);
  const { at, ...told } = { ...asked, values, undo, ...(clientId !== undefined && { clientId }) };
  const links = addresses.map(to => ({
    recipient: recipientOf(telling.keyring, to),
    askedFrom: telling.keyring.seal(SEAL, JSON.stringify({ ...told, to })),
  }));
  const tokens = isObjectable(kind) ? await beginObjections(work, { accountId, about: kind }, links) : [];
  const everyone = [...addresses, ...informed.filter(one => !addresses.includes(one))];
  for (const [index, to] of everyone.entries()) {
    const token = tokens[index];
    const objectUrl = token === undefined ? undefined : `${telling.issuer.origin}/objection/${token}`;
    const undoUrl = index < addresses.length && (undoing?.to ?? to) === to ? undoing?.url : undefined;
    const earlier = isAboutEarlier(kind);
    const stopping = { ...(stopUrl && index < addresses.length && { stopUrl }), ...(until && { until }) };
    const urls = { ...(objectUrl && { objectUrl, earlier }), ...(undoUrl && { undoUrl }), ...stopping };
    const model = { news: { kind, values }, asked, ...urls, ...(zone && { zone }) };
    mail(work, telling, 'notice', { to, language, accountId }, model);
  }
}

const recipientOf = (keyring: Keyring, address: string) => keyring.mac('objection-recipient', address);

/**
 * Addresses that an undoing took away: the links that lie there object to nothing any more, or whoever reads there could go on
 * freezing the account of somebody who got it back.
 */
export function endLinksTo(
  work: Work,
  keyring: Keyring,
  accountId: string,
  lost: readonly { readonly address: string }[],
): Promise<void> {
  const recipients = lost.map(({ address }) => recipientOf(keyring, address));
  return endObjectionsTo(work, accountId, recipients);
}

interface Readers {
  readonly language: string;
  readonly zone: string | undefined;
  readonly addresses: readonly string[];
}

async function readersOf({ tx }: Work, { accountId, alsoTo = [] }: News): Promise<Readers> {
  const account = await findAccount(tx, accountId);
  const { zoneinfo } = await listAttributes(tx, accountId);
  const proven = await listNoticeEmails(tx, accountId);
  return {
    language: account?.language ?? 'en',
    zone: typeof zoneinfo === 'string' ? zoneinfo : undefined,
    addresses: [...new Set([...proven, ...alsoTo])],
  };
}
