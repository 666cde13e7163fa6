import {
  type Contact,
  type ContactKind,
  type ContactRequest,
  keptBecause,
  listContacts,
  listOpenChanges,
} from '../../../domain/contacts/contacts.js';
import type { Keyring } from '../../../platform/crypto/keyring.js';
import { Refusal } from '../../../platform/errors.js';
import type { Actor } from '../../../platform/storage/work.js';
import { askedFrom } from '../../../platform/web/origin.js';
import type { Doing } from '../../notices/tell.js';
import type { ApiCall } from '../api.js';
import type { AccountCall } from '../door.js';

/** Somebody who runs their own addresses, on our pages or through an app. */
export interface Asker extends Doing {
  readonly accountId: string;
  readonly actor: Actor;
  /** Where a code that is asked for now has to be typed: the browser and session, or the app and session. */
  readonly place: string;
}

/** The person on our pages. */
export function onPages({ ctx, parts, me, actor }: AccountCall): Asker {
  const place = JSON.stringify(['browser', parts.csrf.openBrowser(ctx), me.sessionUid]);
  return { ctx, parts, accountId: me.accountId, actor, place };
}

/** The person through an app. */
export async function throughApp({ ctx, parts, me, actor, caller }: ApiCall): Promise<Asker> {
  const { clientId, sessionUid } = caller;
  const client = await parts.provider.Client.find(clientId);
  const app = { name: client?.clientName ?? clientId, clientId };
  return {
    ctx,
    parts,
    app,
    accountId: me.accountId,
    actor,
    place: JSON.stringify(['app', clientId, sessionUid]),
  };
}

/** An address of one's own, by an id that says nothing to anybody else and stands in links. */
export interface MyContact extends Contact {
  readonly id: string;
  /** Why it cannot be removed. */
  readonly kept: 'last' | undefined;
  /** What takes its place when it is removed. */
  readonly next: string | undefined;
}

/** By what a link of ours names an address of an account. */
export function contactIdOf(
  keyring: Keyring,
  accountId: string,
  { kind, address }: Pick<Contact, 'kind' | 'address'>,
): string {
  const name = JSON.stringify([accountId, kind, address]);
  return keyring.mac('contact-id', name).toString('base64url').slice(0, 22);
}

/** One's addresses and numbers, the main ones first. */
export async function listMine({ parts, accountId }: Asker): Promise<readonly MyContact[]> {
  const contacts = await listContacts(parts.db, accountId);
  return contacts.map(contact => {
    const { kind, address, isPrimary } = contact;
    const id = contactIdOf(parts.keyring, accountId, contact);
    const other = contacts.find(each => each.kind === kind && each.verifiedAt && each.address !== address);
    return {
      ...contact,
      id,
      kept: keptBecause(contacts, contact),
      next: isPrimary ? other?.address : undefined,
    };
  });
}

/** One of them; undefined when it is not (any more). */
export async function findMine(asker: Asker, id: string | undefined): Promise<MyContact | undefined> {
  return (await listMine(asker)).find(contact => contact.id === id);
}

/** Whether it was one of them until a few days ago. */
export async function wasMine({ parts, accountId }: Asker, id: string | undefined): Promise<boolean> {
  const changes = await listOpenChanges(parts.db, accountId, new Date());
  return changes.some(change =>
    [change, ...change.before].some(each => contactIdOf(parts.keyring, accountId, each) === id),
  );
}

/** There is nothing of that id, as far as whoever asks may know. */
export function noSuch(): Refusal {
  return new Refusal('missing', 'no_such_address', 'This is not among your addresses and numbers.');
}

/** One of them, or a refusal. */
export async function getMine(asker: Asker, id: string | undefined): Promise<MyContact> {
  const found = await findMine(asker, id);
  if (!found) throw noSuch();
  return found;
}

/** Whether what stands in an address can be the id of a proof or a change at all. */
export function isId(id: string): boolean {
  return /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(id);
}

const SEAL = 'contact-change';

/** From where a change was asked for, as the page that undoes it shows it. */
export interface ChangedFrom {
  readonly app?: string;
  readonly device?: string;
  readonly address?: string;
}

/** What the rooms need to know of a change of an address. */
export function requestOf(
  { ctx, parts, app, accountId }: Asker,
  { kind, address }: { readonly kind: ContactKind; readonly address: string },
): ContactRequest {
  const from: ChangedFrom = { ...askedFrom(ctx), ...(app && { app: app.name }) };
  return { accountId, kind, address, askedFrom: parts.keyring.seal(SEAL, JSON.stringify(from)) };
}

/** Opens what `requestOf` sealed. */
export function openChangedFrom({ keyring }: Pick<Asker['parts'], 'keyring'>, sealed: Buffer): ChangedFrom {
  return JSON.parse(keyring.open(SEAL, sealed)) as ChangedFrom;
}
