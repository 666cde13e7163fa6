import { numberedSubject } from './numbered.js';
import { type Payload, type Preset, type ToldAddress, textOf } from './preset.js';

/** Facebook Login: plain OAuth 2.0, so who it is comes from the Graph API. */
export const facebook: Preset = {
  name: 'Facebook',
  logo: 'provider-facebook.svg',
  kind: 'oauth2',
  settings: {
    /* Without a version in the address it is the one that is chosen for the app at Facebook. */
    authorization_endpoint: 'https://www.facebook.com/dialog/oauth',
    token_endpoint: 'https://graph.facebook.com/oauth/access_token',
    profile_endpoint: 'https://graph.facebook.com/me?fields=id,name,first_name,last_name,email',
    proof: 'appsecret_proof',
    scopes: ['public_profile', 'email'],
    token_endpoint_auth_method: 'client_secret_post',
  },
  attributes: {
    name: { from: 'name', wins: 'until_edited' },
    given_name: { from: 'first_name', wins: 'until_edited' },
    family_name: { from: 'last_name', wins: 'until_edited' },
  },
  subjectOf: numberedSubject,
  emailOf: facebookEmail,
  documented: [
    'https://developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow',
    'https://developers.facebook.com/docs/graph-api/reference/user',
    'https://developers.facebook.com/docs/graph-api/guides/secure-requests',
  ],
};

/* Facebook says no word on whether the address is the person's: here it is proved by a mailed code. */
function facebookEmail(payload: Payload): ToldAddress | undefined {
  const address = textOf(payload, 'email');
  return address === undefined ? undefined : { address, verified: false };
}
