import type Provider from 'oidc-provider';
import { randomToken } from '../platform/crypto/tokens.js';

/** What each kind of code or token begins with: a look-up needs no guessing, and a leaked one names itself. */
export const TOKEN_PREFIX: Readonly<Record<string, string>> = {
  AccessToken: 'kh_at_',
  RefreshToken: 'kh_rt_',
  ClientCredentials: 'kh_cc_',
  AuthorizationCode: 'kh_ac_',
  PushedAuthorizationRequest: 'kh_pr_',
  DeviceCode: 'kh_dc_',
};

/** Whether a presented value can be of this kind at all. */
export function maybeOfKind(model: string, value: string): boolean {
  const prefix = TOKEN_PREFIX[model];
  return prefix === undefined || value.startsWith(prefix);
}

interface TokenModel {
  readonly prototype: { generateTokenId(): string };
}

/** Makes the engine give each kind of code and token its prefix and 256 bits. */
export function markTokens(provider: Provider): void {
  for (const [model, prefix] of Object.entries(TOKEN_PREFIX)) {
    const { prototype } = provider[model as 'AccessToken'] as unknown as TokenModel;
    const original = prototype.generateTokenId;
    prototype.generateTokenId = function generateTokenId() {
      original.call(this);
      return `${prefix}${randomToken()}`;
    };
  }
}
