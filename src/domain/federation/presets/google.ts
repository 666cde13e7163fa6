import {
  NAMES,
  type Payload,
  type Preset,
  standardEmail,
  standardSubject,
  type ToldAddress,
  textOf,
} from './preset.js';

/** Sign in with Google: people of Gmail, of Google Workspace, and Google accounts on an address from elsewhere. */
export const google: Preset = {
  name: 'Google',
  logo: 'provider-google.svg',
  kind: 'openid',
  settings: {
    issuer: 'https://accounts.google.com',
    scopes: ['openid', 'email', 'profile'],
    /* It turns `prompt=login` down, and says nothing of when it asked. */
    asks_anew: false,
  },
  completes: hostedDomain,
  attributes: NAMES,
  subjectOf: standardSubject,
  emailOf: googleEmail,
  documented: [
    'https://developers.google.com/identity/openid-connect/openid-connect',
    'https://developers.google.com/identity/gsi/web/guides/verify-google-id-token',
  ],
};

/* The parameter alone only chooses what is offered: whoever changes it in the address bar gets past it. */
function hostedDomain({ hosted_domain: domain, ...given }: Payload): Payload {
  if (typeof domain !== 'string') return domain === undefined ? given : { ...given, hosted_domain: domain };
  return { parameters: { hd: domain }, require: { hd: [domain] }, ...given };
}

/* A Google account can stand on an address of another house, which proved it once, long ago: whose it is today Google
 * does not know. It does where it runs the mailbox: at Gmail, and in a Workspace, which `hd` names. */
function googleEmail(payload: Payload): ToldAddress | undefined {
  const told = standardEmail(payload);
  if (!told) return undefined;
  const runsMailbox = /@gmail\.com$/i.test(told.address) || textOf(payload, 'hd') !== undefined;
  return { ...told, verified: told.verified && runsMailbox };
}
