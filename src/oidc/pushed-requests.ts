import { UnsecuredJWT } from 'jose';
import type Provider from 'oidc-provider';
import { Refusal } from '../platform/errors.js';
import type { Payload } from './artefacts.js';
import { requestScope } from './request-scope.js';
import { maybeOfKind } from './token-ids.js';

/** The parameters of an authorization request as they came. */
export type Query = Readonly<Record<string, string | string[] | undefined>>;

const KIND = 'PushedAuthorizationRequest';
const URN = 'urn:ietf:params:oauth:request_uri:';

/** The id of a pushed request that a `request_uri` names, if it looks like one of ours. */
export function pushedId(uri: unknown): string | undefined {
  if (typeof uri !== 'string' || !uri.startsWith(URN)) return undefined;
  const id = uri.slice(URN.length);
  return maybeOfKind(KIND, id) ? id : undefined;
}

/* RFC 9126 §2.2, as long as the engine gives those that apps push. */
const KEPT = 60;

/**
 * Pushes a request within the house for an app that cannot ask by itself, as the endpoint for it would, and gives the path
 * where it is asked: nobody on the way can change what stands in it.
 */
export async function pushRequest(
  provider: Provider,
  clientId: string,
  parameters: Readonly<Record<string, string>>,
): Promise<string> {
  const request = new UnsecuredJWT({ ...parameters, client_id: clientId })
    .setIssuedAt()
    .setIssuer(clientId)
    .setAudience(provider.issuer)
    .setExpirationTime(`${KEPT}s`)
    .encode();
  /* Which the engine has as a flag, whatever its types say. */
  const pushed = Object.assign(new provider.PushedAuthorizationRequest({ request }), { trusted: true });
  const id = await pushed.save(KEPT);
  return `/authorize?${new URLSearchParams({ client_id: clientId, request_uri: `${URN}${id}` })}`;
}

/** What a request asks: its own parameters or, by its `request_uri`, the pushed ones (RFC 9126 §4), which reading uses not up. */
export async function askedBy(query: Query): Promise<Query> {
  const id = pushedId(query['request_uri']);
  const pushed = id === undefined ? undefined : await requestScope().find(KIND, id);
  return pushed ? parametersOf(pushed) : query;
}

/* The engine keeps what was pushed as a JWT of its own, without a signature. */
function parametersOf(pushed: Payload): Query {
  const [, encoded = ''] = String(pushed['request']).split('.');
  const claims = JSON.parse(Buffer.from(encoded, 'base64url').toString('utf8')) as Payload;
  const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
  return Object.fromEntries(Object.entries(claims).map(([name, value]) => [name, text(value)]));
}

/** Refuses to go on with a request whose pushed parameters are not kept any more: whether they were used cannot be told. */
export async function mustStillBePushed(interaction: Payload): Promise<void> {
  const id = interaction['parJti'];
  if (typeof id !== 'string' || (await requestScope().find(KIND, id))) return;
  throw new Refusal('missing', 'request_gone', 'This request has ended. Start again from the app.');
}
