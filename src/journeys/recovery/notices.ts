import { beginObjection, findAccount, type ObjectionTo } from '../../domain/accounts/accounts.js';
import { listEmails } from '../../domain/contacts/contacts.js';
import type { Keyring } from '../../platform/crypto/keyring.js';
import type { Work } from '../../platform/storage/work.js';
import { askedFrom } from '../../platform/web/origin.js';
import { mail } from '../codes.js';
import type { MailModels } from '../mail-models.js';
import type { Asked } from '../page-models.js';
import type { Turn } from '../turn.js';

/** From where something was done, as an objection's page will show it. */
export interface DoneFrom {
  readonly app?: string;
  readonly clientId?: string;
  readonly device?: string;
  readonly address?: string;
}

const SEAL = 'objection';

/** Opens what `tellOwner` sealed. */
export function openDoneFrom(keyring: Keyring, sealed: Buffer): DoneFrom {
  return JSON.parse(keyring.open(SEAL, sealed)) as DoneFrom;
}

type Notice = {
  readonly [Name in keyof MailModels]: MailModels[Name] extends { readonly objectUrl: string } ? Name : never;
}[keyof MailModels];

/** What an account's owner is told, and what comes with it. */
export interface Told<Name extends Notice> {
  readonly accountId: string;
  readonly name: Name;
  readonly about: ObjectionTo;
  readonly passkeyId?: string | undefined;
  readonly more: Omit<MailModels[Name], 'issuerName' | 'objectUrl' | 'asked'>;
}

/** Tells the owner at every proven address what was done just now, each time with the link to say "this wasn't me". */
export async function tellOwner<Name extends Notice>(
  work: Work,
  turn: Turn,
  { accountId, name, about, passkeyId, more }: Told<Name>,
): Promise<void> {
  const { ctx, parts, pending } = turn;
  const { name: app, clientId } = pending.app;
  const from = { app, ...askedFrom(ctx) };
  const sealed = parts.keyring.seal(SEAL, JSON.stringify({ ...from, clientId }));
  const token = await beginObjection(work, { accountId, about, passkeyId, askedFrom: sealed });
  const objectUrl = `${parts.issuer.origin}/objection/${token}`;
  const asked: Asked = { at: work.at, ...from };
  const model = { ...more, objectUrl, asked } as unknown as Omit<MailModels[Name], 'issuerName'>;
  await toEveryAddress(work, accountId, (to, language) => mail(work, parts, name, to, language, model));
}

/** Writes to every proven address of an account, in its owner's language. */
export async function toEveryAddress(
  work: Work,
  accountId: string,
  write: (to: string, language: string) => void,
): Promise<void> {
  const account = await findAccount(work.tx, accountId);
  const language = account?.language ?? 'en';
  for (const { address, verifiedAt } of await listEmails(work.tx, accountId)) {
    if (verifiedAt) write(address, language);
  }
}
