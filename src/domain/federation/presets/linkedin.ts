import { NAMES, type Preset, standardEmail, standardSubject } from './preset.js';

/** Sign In with LinkedIn using OpenID Connect. */
export const linkedin: Preset = {
  name: 'LinkedIn',
  logo: 'provider-linkedin.svg',
  kind: 'openid',
  settings: {
    issuer: 'https://www.linkedin.com/oauth',
    scopes: ['openid', 'email', 'profile'],
    token_endpoint_auth_method: 'client_secret_post',
    /* LinkedIn turns a code down that comes with a verifier (its PKCE is for native apps that it has enabled for it), and its
     * ID token carries no nonce. The state, bound to the browser, and the secret are what is left. */
    bound_by: [],
    asks_anew: false,
  },
  attributes: NAMES,
  subjectOf: standardSubject,
  emailOf: standardEmail,
  documented: [
    'https://learn.microsoft.com/linkedin/consumer/integrations/self-serve/sign-in-with-linkedin-v2',
    'https://learn.microsoft.com/linkedin/shared/authentication/authorization-code-flow',
  ],
};
