import * as jose from 'jose';
import * as openid from 'openid-client';
import { UpstreamTrouble } from '../upstream.js';

/** How we show a token endpoint who we are (OpenID Connect Core §9). */
export interface ClientAuthenticationSettings {
  readonly token_endpoint_auth_method:
    | 'client_secret_basic'
    | 'client_secret_post'
    | 'private_key_jwt'
    | 'none';
  readonly token_endpoint_auth_signing_alg?: 'RS256' | 'PS256' | 'ES256' | 'EdDSA' | undefined;
}

/** The way that the settings say, with the secret or the key that was kept for it. */
export async function clientAuthentication(
  settings: ClientAuthenticationSettings,
  secrets: Readonly<Record<string, string>>,
): Promise<openid.ClientAuth> {
  const { token_endpoint_auth_method: method } = settings;
  if (method === 'none') return openid.None();
  if (method === 'private_key_jwt') return openid.PrivateKeyJwt(await privateKey(settings, secrets));
  const secret = secrets['client_secret'];
  if (secret === undefined) throw new UpstreamTrouble('unreachable', 'no_client_secret');
  return method === 'client_secret_post' ? openid.ClientSecretPost(secret) : openid.ClientSecretBasic(secret);
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
