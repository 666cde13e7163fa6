import * as jose from 'jose';
import * as openid from 'openid-client';
import { Refusal } from '../../../platform/errors.js';
import { UpstreamTrouble } from '../upstream.js';
import { appleSecret } from './apple.js';

/** How we show a token endpoint who we are (OpenID Connect Core §9). */
export interface ClientAuthenticationSettings {
  readonly token_endpoint_auth_method:
    | 'client_secret_basic'
    | 'client_secret_post'
    | 'private_key_jwt'
    | 'apple'
    | 'none';
  readonly client_id: string;
  /** Whose key signs the secret that Apple takes. */
  readonly apple?: { readonly team_id: string; readonly key_id: string } | undefined;
  readonly token_endpoint_auth_signing_alg?: 'RS256' | 'PS256' | 'ES256' | 'EdDSA' | undefined;
}

/** The way that the settings say, with the secret or the key that was kept for it. */
export async function clientAuthentication(
  settings: ClientAuthenticationSettings,
  secrets: Readonly<Record<string, string>>,
): Promise<openid.ClientAuth> {
  const { token_endpoint_auth_method: method } = settings;
  if (method === 'none') return openid.None();
  if (method === 'apple') return openid.ClientSecretPost(await signedSecret(settings, secrets));
  if (method === 'private_key_jwt') return openid.PrivateKeyJwt(await privateKey(settings, secrets));
  const secret = secrets['client_secret'];
  if (secret === undefined) throw new UpstreamTrouble('unreachable', 'no_client_secret');
  return method === 'client_secret_post' ? openid.ClientSecretPost(secret) : openid.ClientSecretBasic(secret);
}

const MISSING: Readonly<Record<string, string>> = {
  no_client_secret: 'secrets.client_secret: is needed for this token_endpoint_auth_method',
  no_private_key: 'secrets.private_key: is needed for this token_endpoint_auth_method',
};

/** Refuses secrets by which we could not show who we are. */
export async function mustAuthenticate(
  settings: ClientAuthenticationSettings,
  secrets: Readonly<Record<string, string>>,
): Promise<void> {
  try {
    await clientAuthentication(settings, secrets);
  } catch (cause) {
    if (cause instanceof Refusal) throw cause;
    const said = cause instanceof UpstreamTrouble ? MISSING[cause.reason] : undefined;
    throw new Refusal('invalid', 'invalid_secret', said ?? 'secrets.private_key: cannot be read', { cause });
  }
}

async function signedSecret(
  { client_id: clientId, apple }: ClientAuthenticationSettings,
  { private_key: privateKey }: Readonly<Record<string, string>>,
): Promise<string> {
  if (privateKey === undefined || !apple) throw new UpstreamTrouble('unreachable', 'no_private_key');
  return appleSecret({ clientId, teamId: apple.team_id, keyId: apple.key_id, privateKey }, new Date());
}

/** A key as a JWK or in PEM (PKCS #8); which algorithm it is for stands in it, or in the settings. */
async function privateKey(
  { token_endpoint_auth_signing_alg: wanted }: ClientAuthenticationSettings,
  { private_key: text }: Readonly<Record<string, string>>,
): Promise<openid.PrivateKey> {
  if (text === undefined) throw new UpstreamTrouble('unreachable', 'no_private_key');
  if (!text.trimStart().startsWith('{')) {
    return { key: (await jose.importPKCS8(text, wanted ?? 'RS256')) as openid.CryptoKey };
  }
  const jwk = JSON.parse(text) as jose.JWK;
  const key = (await jose.importJWK(jwk, wanted ?? jwk.alg ?? 'RS256')) as openid.CryptoKey;
  return { key, ...(jwk.kid !== undefined && { kid: jwk.kid }) };
}
