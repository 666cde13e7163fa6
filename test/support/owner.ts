import { fetch } from 'undici';
import { ACCOUNT_SCOPES } from '../../src/domain/resources/resources.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { accountToken } from './account-api.js';
import type { Owner } from './door-table.js';
import type { TestKeyhold } from './keyhold.js';
import type { Person } from './person.js';
import type { RelyingParty } from './relying-party.js';

/** Every scope of the account API. */
export const EVERY_SCOPE = ACCOUNT_SCOPES.join(' ');

/** Somebody who is signed in and makes things, by an app that they let or in their browser. */
export interface OwnerParts {
  readonly keyhold: TestKeyhold;
  readonly app: RelyingParty;
  readonly person: Person;
  readonly accountId: string;
  /** The token of the forms in their browser. */
  readonly csrf: string;
}

/** What a browser says with a form of ours. */
export async function headersOf(person: Person, origin: string, path: string) {
  return {
    accept: 'text/html',
    cookie: await person.jar.getCookieString(new URL(path, origin).href),
    'content-type': 'application/x-www-form-urlencoded',
    'sec-fetch-site': 'same-origin',
  };
}

/** The owner, as the table of doors asks them to make something. */
export function openOwner({ keyhold, app, person, accountId, csrf }: OwnerParts): Owner {
  const { db, origin } = keyhold;
  return {
    db,
    accountId,
    keyring: openKeyring(keyhold.config.secret),
    api: async (method, path, body) => {
      const token = await accountToken(keyhold, person, app, EVERY_SCOPE);
      const answer = await fetch(new URL(path, origin), {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(body && { body: JSON.stringify(body) }),
      });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${text}`);
      return JSON.parse(text) as Readonly<Record<string, unknown>>;
    },
    post: async (path, fields) => {
      const answer = await fetch(new URL(path, origin), {
        method: 'POST',
        redirect: 'manual',
        headers: await headersOf(person, origin, path),
        body: new URLSearchParams({ ...fields, csrf, for: accountId }).toString(),
      });
      const text = await answer.text();
      if (answer.status !== 303)
        throw new Error(`POST ${path} answered ${answer.status}: ${text.slice(0, 2_000)}`);
      return answer.headers.get('location') ?? '';
    },
  };
}

/** Takes the addresses away that a trial has left, so that there is room for the next. */
export async function tidyContacts({ db }: TestKeyhold, accountId: string, email: string): Promise<void> {
  await db.transaction(async tx => {
    const own = () => tx('email_addresses').where({ account_id: accountId });
    await own().whereNot({ address: email }).update({ is_primary: false });
    await own().where({ address: email }).update({ is_primary: true });
    await own().whereNot({ address: email }).delete();
    await tx('identifiers').where({ account_id: accountId }).whereNot({ value: email }).delete();
    await tx('contact_changes').where({ account_id: accountId }).delete();
  });
}
