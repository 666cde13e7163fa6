import type Provider from 'oidc-provider';
import type { Client } from 'oidc-provider';
import { type Claims, findAccountBy } from './claims.js';
import type { TakenCode } from './own-codes.js';
import { requestScope } from './request-scope.js';

/** What an app may be told about somebody in an answer of ours. */
export interface Released {
  /** The id of the app's share in the session of whoever signed in, and by which kind of name it knows them there. */
  readonly sid: string;
  readonly samlName: string | undefined;
  readonly claims: Readonly<Record<string, unknown>>;
}

/**
 * What a code lets an app be told in an answer that is not the engine's: what its request asked for by name, less what was
 * not allowed, what rests on words that changed, and what must be kept and not used. Nothing where the app or its person
 * may not act any more, the session is over, or what they allowed was taken back.
 */
export async function releasedBy(
  provider: Provider,
  claims: Claims,
  clientId: string,
  taken: TakenCode,
): Promise<Released | undefined> {
  const { accountId, sessionUid, grantId } = taken;
  const client = await provider.Client.find(clientId);
  const session = await requestScope().sessionByUid(sessionUid);
  const grant = grantId === undefined ? undefined : await provider.Grant.find(grantId);
  if (!client || session?.['accountId'] !== accountId) return undefined;
  if (grant?.accountId !== accountId || grant.clientId !== clientId) return undefined;
  const { sid, saml_name: samlName } = shareIn(session, clientId);
  const account = await findAccountBy(claims)(asContext(client, session), accountId);
  if (!account || sid === undefined) return undefined;
  const asked = Object.keys((taken.claims['id_token'] ?? {}) as object);
  const granted: readonly string[] = grant.getOIDCClaimsFiltered(new Set(asked)) as never;
  const all = await account.claims('id_token', '', {}, []);
  const told = granted.filter(name => all[name] !== undefined).map(name => [name, all[name]]);
  return { sid, samlName, claims: Object.fromEntries(told) };
}

const asContext = (client: Client, session: object) => ({ oidc: { client, session } });

interface Share {
  readonly sid?: string;
  readonly saml_name?: string;
}

function shareIn(session: Readonly<Record<string, unknown>>, clientId: string): Share {
  return ((session['authorizations'] ?? {}) as Readonly<Record<string, Share>>)[clientId] ?? {};
}
