import * as openid from 'openid-client';
import type { UpstreamTokens } from '../upstream.js';

/** What is kept of a token response (RFC 6749 §5.1), where the settings of a provider say that it is. */
export function tokensOf(
  { keep_tokens: keep }: { readonly keep_tokens: boolean },
  answer: openid.TokenEndpointResponse & openid.TokenEndpointResponseHelpers,
): { readonly tokens?: UpstreamTokens } {
  if (!keep) return {};
  const { access_token, refresh_token, scope } = answer;
  const seconds = answer.expiresIn();
  return {
    tokens: {
      access_token,
      ...(refresh_token !== undefined && { refresh_token }),
      ...(scope !== undefined && { scope }),
      ...(seconds !== undefined && { expires_at: Math.floor(Date.now() / 1_000) + seconds }),
    },
  };
}

/** Revokes them (RFC 7009 §2.1), the one that brings others first; false where the provider has no endpoint for it. */
export async function revokeAt(
  configuration: openid.Configuration,
  { access_token, refresh_token }: UpstreamTokens,
): Promise<boolean> {
  if (configuration.serverMetadata().revocation_endpoint === undefined) return false;
  if (refresh_token !== undefined)
    await openid.tokenRevocation(configuration, refresh_token, { token_type_hint: 'refresh_token' });
  await openid.tokenRevocation(configuration, access_token, { token_type_hint: 'access_token' });
  return true;
}
