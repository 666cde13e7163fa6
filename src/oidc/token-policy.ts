import { mayAct } from './acting.js';
import { authenticatedAt } from './claims.js';
import { acting, requestScope } from './request-scope.js';

interface Asking {
  readonly clientId: string;
}

interface Told {
  readonly clientId?: string | undefined;
  readonly aud?: string | string[] | undefined;
  readonly accountId?: string | undefined;
  readonly authTime?: unknown;
  readonly sessionUid?: unknown;
}

/** RFC 7662: the token's own app and the API it is for may ask, and only about somebody who may act now. */
export async function mayIntrospect(_ctx: unknown, client: Asking, token: Told): Promise<boolean> {
  if (token.clientId !== client.clientId && token.aud !== client.clientId) return false;
  if (token.accountId === undefined) return true;
  return mayAct({
    account: acting(await requestScope().account(token.accountId)),
    authenticatedAt: await authenticatedAt(token),
  });
}

/** RFC 7009 §2.1: an app revokes its own tokens; it is not told whether others exist. */
export async function mayRevoke(_ctx: unknown, client: Asking, token: Told): Promise<boolean> {
  return token.clientId === client.clientId;
}

/** Whether a client proves itself, and never comes in the name of a person. */
export function actsForItself(client: {
  readonly clientAuthMethod?: string | undefined;
  readonly grantTypes?: readonly string[] | undefined;
}): boolean {
  const { clientAuthMethod = 'none', grantTypes = [] } = client;
  return (
    clientAuthMethod !== 'none' &&
    grantTypes.length > 0 &&
    grantTypes.every(grant => grant === 'client_credentials')
  );
}
