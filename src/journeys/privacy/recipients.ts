import { findClients } from '../../domain/clients/clients.js';
import { listLiveConsents } from '../../domain/consents/consents.js';
import { ACCOUNT_APP } from '../../oidc/account-app.js';
import { listApps } from '../../oidc/app-access.js';
import { type SubjectOf, subjectClientOf } from '../../oidc/subjects.js';
import type { Db } from '../../platform/storage/db.js';
import { listKnowing } from '../manage/disclosures/listing.js';

/** An app that has something of somebody, or may have it. */
export interface RecipientApp {
  readonly clientId: string;
  /** Undefined for an app that is gone. */
  readonly name: string | undefined;
  /** The names of what it was told. */
  readonly claims: readonly string[];
  readonly toldLastAt: Date | undefined;
}

/**
 * Every app that was told something about somebody, that they let have something, or that holds a grant of theirs; by its number.
 * The pages of the account are no app.
 */
export async function listRecipientApps(db: Db, accountId: string): Promise<readonly RecipientApp[]> {
  /* One after the other: within a transaction there is one connection. */
  const knowing = await listKnowing({ db }, accountId);
  const allowed = await listLiveConsents(db, accountId);
  const holding = await listApps(db, accountId);
  const apps = new Map<string, RecipientApp>();
  for (const { clientId, name } of [...holding, ...allowed])
    apps.set(clientId, { clientId, name, claims: [], toldLastAt: undefined });
  for (const { clientId, name, claims, last } of knowing)
    apps.set(clientId, { clientId, name, claims: [...claims].sort(), toldLastAt: last });
  apps.delete(ACCOUNT_APP);
  return [...apps.values()].sort((a, b) => (a.clientId < b.clientId ? -1 : 1));
}

/** By what each of these apps knows somebody, also while it is switched off; for one that is gone there is nothing to be known. */
export async function subjectsAt(
  db: Db,
  subjectOf: SubjectOf,
  accountId: string,
  clientIds: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const clients = await findClients(db, clientIds);
  return new Map([...clients].map(([id, client]) => [id, subjectOf(accountId, subjectClientOf(client))]));
}
