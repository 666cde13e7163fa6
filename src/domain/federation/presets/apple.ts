import { NAMES, type Payload, type Preset, standardSubject, type ToldAddress, textOf } from './preset.js';

/** Sign in with Apple. Its endpoints stand here, since its metadata once named another issuer than its tokens. */
export const apple: Preset = {
  name: 'Apple',
  logo: 'provider-apple.svg',
  kind: 'openid',
  settings: {
    issuer: 'https://appleid.apple.com',
    endpoints: {
      authorization: 'https://appleid.apple.com/auth/authorize',
      token: 'https://appleid.apple.com/auth/token',
      keys: 'https://appleid.apple.com/auth/keys',
      revocation: 'https://appleid.apple.com/auth/revoke',
    },
    scopes: ['openid', 'email', 'name'],
    token_endpoint_auth_method: 'apple',
    /* Apple documents no PKCE; the nonce inside the ID token binds the code to this very browser as well. */
    bound_by: ['nonce'],
    /* Apple gives the name and the address no other way. */
    response_mode: 'form_post',
    asks_anew: false,
  },
  attributes: NAMES,
  subjectOf: standardSubject,
  emailOf: appleEmail,
  documented: [
    'https://developer.apple.com/documentation/signinwithapple/authenticating-users-with-sign-in-with-apple',
    'https://developer.apple.com/documentation/signinwithapplerestapi/request-an-authorization-to-the-sign-in-with-apple-server.',
    'https://developer.apple.com/documentation/accountorganizationaldatasharing/creating-a-client-secret',
  ],
};

/* Apple documents the claim as "a string or boolean" and sends both, so here alone the text "true" counts as well, and
 * nothing else does: not "TRUE", not 1. It is read from the signed ID token, never from the form beside it. */
function appleEmail(payload: Payload): ToldAddress | undefined {
  const address = textOf(payload, 'email');
  const told = payload['email_verified'];
  return address === undefined ? undefined : { address, verified: told === true || told === 'true' };
}
