import { createHmac } from 'node:crypto';
import type { Keyring } from '../../platform/crypto/keyring.js';
import type { Client } from '../clients/clients.js';
import { type Command, IDENTIFIER_CHANGED, mayAnswerLater, type Route, type Told } from './command.js';

/** A token that is to be signed as ID tokens for this app are. */
export interface Unsigned {
  readonly typ: 'command+jwt' | 'secevent+jwt';
  readonly alg: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Signs with the key that signs ID tokens now; the protocol's floor knows how. */
export type SignToken = (token: Unsigned) => Promise<string>;

/** All that a request is made of. */
export interface Dispatch {
  readonly issuer: URL;
  readonly client: Client;
  readonly command: Pick<Command, 'id' | 'round' | 'askedAt'>;
  readonly told: Told;
  readonly route: Exclude<Route, { readonly channel: 'none' }>;
  /** By which the app answers later, where it may. */
  readonly callbackToken: string;
  /** The secrets that a webhook of the app's is signed with, the newest first. */
  readonly webhookSecrets: readonly Buffer[];
  readonly at: Date;
}

/** A request that is ready to leave. */
export interface Letter {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Where an app says later what became of a command. */
export const CALLBACK_PATH = '/commands/callback';

/* Draft 02 §11: two minutes at most. */
const TOKEN_LIVES = 120;

/** The name of a command at the other side: the same at every try, until an operator begins it anew. */
export function jtiOf({ id, round }: Pick<Command, 'id' | 'round'>): string {
  return round === 1 ? id : `${id}.${round}`;
}

/** Writes the request by which an app is told. */
export function letterOf(dispatch: Dispatch, sign: SignToken): Promise<Letter> {
  return { command: commandLetter, risc: eventLetter, webhook: webhookLetter }[dispatch.route.channel](
    dispatch,
    sign,
  );
}

function laterOf({ issuer, route, callbackToken }: Dispatch): object {
  if (!mayAnswerLater(route)) return {};
  return { callback_endpoint: new URL(CALLBACK_PATH, issuer).href, callback_token: callbackToken };
}

/* OpenID Provider Commands draft 02 §§3, 5: it is for the endpoint, and never taken for an ID token. */
async function commandLetter(dispatch: Dispatch, sign: SignToken): Promise<Letter> {
  const { issuer, client, command, told, route, at } = dispatch;
  const iat = Math.floor(at.getTime() / 1000);
  const claims = {
    ...told.claims,
    iss: issuer.origin,
    aud: route.url,
    client_id: client.id,
    iat,
    exp: iat + TOKEN_LIVES,
    jti: jtiOf(command),
    command: route.wire,
    tenant: 'personal',
    sub: told.subject,
    ...(told.because !== undefined && { reason: told.because }),
    ...laterOf(dispatch),
  };
  const token = await sign({ typ: 'command+jwt', alg: client.metadata.id_token_signed_response_alg, claims });
  return {
    headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ command_token: token }).toString(),
  };
}

/* RFC 8417 §2, RISC 1.0 §2; by RFC 8935 §2 the token is the body. */
async function eventLetter(dispatch: Dispatch, sign: SignToken): Promise<Letter> {
  const { issuer, client, command, told, route, at } = dispatch;
  const claims = {
    iss: issuer.origin,
    aud: client.id,
    iat: Math.floor(at.getTime() / 1000),
    jti: jtiOf(command),
    toe: Math.floor(command.askedAt.getTime() / 1000),
    ...eventOf(issuer, told, route.wire),
  };
  const body = await sign({ typ: 'secevent+jwt', alg: client.metadata.id_token_signed_response_alg, claims });
  return { headers: { accept: 'application/json', 'content-type': 'application/secevent+jwt' }, body };
}

function eventOf(issuer: URL, { subject, claims = {}, before = {}, because }: Told, event: string): object {
  if (event !== IDENTIFIER_CHANGED) {
    const why = because === undefined ? {} : { reason: because };
    return { sub_id: { format: 'iss_sub', iss: issuer.origin, sub: subject }, events: { [event]: why } };
  }
  /* RISC 1.0 §2.5: the subject is the identifier as it was. */
  const [name, format] =
    before['email'] === undefined ? ['phone_number', 'phone_number'] : ['email', 'email'];
  const changed = claims[name] === undefined ? {} : { 'new-value': claims[name] };
  return { sub_id: { format, [name]: before[name] }, events: { [event]: changed } };
}

/* Standard Webhooks 1.0: HMAC-SHA-256 over id, time and body; while a secret is replaced, by both. */
async function webhookLetter(dispatch: Dispatch): Promise<Letter> {
  const { issuer, client, command, told, route, webhookSecrets, at } = dispatch;
  const body = JSON.stringify({
    type: route.wire,
    timestamp: command.askedAt.toISOString(),
    data: {
      iss: issuer.origin,
      client_id: client.id,
      sub: told.subject,
      ...(told.claims && { claims: told.claims }),
      ...(told.because !== undefined && { reason: told.because }),
      ...laterOf(dispatch),
    },
  });
  const id = jtiOf(command);
  const timestamp = String(Math.floor(at.getTime() / 1000));
  const signatures = webhookSecrets.map(
    secret => `v1,${createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')}`,
  );
  return {
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': signatures.join(' '),
    },
    body,
  };
}

/** The secret of one generation that an app's webhooks are signed with. */
export function webhookSecret(keyring: Keyring, clientId: string, generation: number): Buffer {
  return keyring.mac('webhook', `${clientId}\n${generation}`);
}

/** A secret as the libraries of Standard Webhooks take it. */
export const printedSecret = (secret: Buffer): string => `whsec_${secret.toString('base64')}`;
