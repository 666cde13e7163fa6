import { type Preset, standardEmail, standardSubject } from './preset.js';

/** Sign in with GitLab: gitlab.com, or an installation of one's own by another `issuer`. */
export const gitlab: Preset = {
  name: 'GitLab',
  logo: 'provider-gitlab.svg',
  kind: 'openid',
  settings: {
    issuer: 'https://gitlab.com',
    scopes: ['openid', 'email', 'profile'],
  },
  attributes: { name: { from: 'name', wins: 'until_edited' } },
  subjectOf: standardSubject,
  emailOf: standardEmail,
  documented: ['https://docs.gitlab.com/integration/openid_connect_provider/'],
};
