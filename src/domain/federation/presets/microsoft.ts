import { NAMES, type Payload, type Preset, type ToldAddress, textOf } from './preset.js';

/** Sign in with Microsoft: accounts of companies and schools (Entra ID) and personal ones, as `tenant` says. */
export const microsoft: Preset = {
  name: 'Microsoft',
  logo: 'provider-microsoft.svg',
  kind: 'openid',
  settings: {
    scopes: ['openid', 'email', 'profile'],
    token_endpoint_auth_method: 'client_secret_post',
  },
  /* With the tenant in it, a subject is the same one whichever tenants are let in. */
  namespace: 'https://login.microsoftonline.com',
  completes: ofTenant,
  attributes: NAMES,
  subjectOf: microsoftSubject,
  emailOf: microsoftEmail,
  documented: [
    'https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference',
    'https://learn.microsoft.com/entra/identity-platform/optional-claims-reference',
    'https://learn.microsoft.com/entra/identity-platform/claims-validation',
  ],
};

/* `common` lets everybody in, `organizations` companies and schools, `consumers` personal accounts, and a GUID one tenant. */
function ofTenant({ tenant = 'common', ...given }: Payload): Payload {
  if (typeof tenant !== 'string' || !/^[\da-z][\da-z.-]{0,99}$/i.test(tenant)) return { ...given, tenant };
  return { issuer: `https://login.microsoftonline.com/${tenant}/v2.0`, ...given };
}

const GUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/* `sub` is another one for each registration of an app, `oid` the same for all of a tenant, and neither says anything without
 * the tenant: each tenant names its own people. */
function microsoftSubject(payload: Payload): string | undefined {
  const tenant = textOf(payload, 'tid');
  const person = textOf(payload, 'oid');
  if (tenant === undefined || person === undefined || !GUID.test(tenant) || !GUID.test(person))
    return undefined;
  return `${tenant}/${person}`.toLowerCase();
}

/* "nOAuth": whoever runs a tenant of their own writes any address into `email`. Microsoft vouches for it by `xms_edov` alone,
 * an optional claim that the app's registration has to ask for; `email_verified` is none of its claims and counts nothing. */
function microsoftEmail(payload: Payload): ToldAddress | undefined {
  const address = textOf(payload, 'email');
  return address === undefined ? undefined : { address, verified: payload['xms_edov'] === true };
}
