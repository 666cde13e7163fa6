import { numberedSubject } from './numbered.js';
import { type Payload, type Preset, type ToldAddress, textOf } from './preset.js';

/** Sign in with GitHub: plain OAuth 2.0, so who it is comes from the API. */
export const github: Preset = {
  name: 'GitHub',
  logo: 'provider-github.svg',
  kind: 'oauth2',
  settings: {
    authorization_endpoint: 'https://github.com/login/oauth/authorize',
    token_endpoint: 'https://github.com/login/oauth/access_token',
    profile_endpoint: 'https://api.github.com/user',
    emails_endpoint: 'https://api.github.com/user/emails?per_page=100',
    headers: { accept: 'application/vnd.github+json', 'x-github-api-version': '2022-11-28' },
    scopes: ['read:user', 'user:email'],
    token_endpoint_auth_method: 'client_secret_post',
  },
  attributes: { name: { from: 'name', wins: 'until_edited' } },
  /* A login name can be changed, and taken by somebody else. */
  subjectOf: numberedSubject,
  emailOf: githubEmail,
  documented: [
    'https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps',
    'https://docs.github.com/en/rest/users/users#get-the-authenticated-user',
    'https://docs.github.com/en/rest/users/emails#list-email-addresses-for-the-authenticated-user',
  ],
};

/* One of `/user/emails`. What the profile calls `email` is what its owner shows in public, and proves nothing. */
function githubEmail(payload: Payload): ToldAddress | undefined {
  const address = textOf(payload, 'email');
  if (address === undefined || payload['primary'] !== true) return undefined;
  return { address, verified: payload['verified'] === true };
}
