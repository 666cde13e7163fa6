/** The names of SAML 2.0 that messages are made of (Core, Bindings, Metadata, Authentication Context). */
export const NS = {
  protocol: 'urn:oasis:names:tc:SAML:2.0:protocol',
  assertion: 'urn:oasis:names:tc:SAML:2.0:assertion',
  metadata: 'urn:oasis:names:tc:SAML:2.0:metadata',
  signature: 'http://www.w3.org/2000/09/xmldsig#',
  soap: 'http://schemas.xmlsoap.org/soap/envelope/',
} as const;

export const BINDING = {
  redirect: 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect',
  post: 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST',
  soap: 'urn:oasis:names:tc:SAML:2.0:bindings:SOAP',
} as const;

export const FORMAT = {
  persistent: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
  transient: 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient',
  email: 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress',
  unspecified: 'urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified',
} as const;

const status = (name: string) => `urn:oasis:names:tc:SAML:2.0:status:${name}`;

export const STATUS = {
  success: status('Success'),
  requester: status('Requester'),
  responder: status('Responder'),
} as const;

/** Why a request was not met, as its app is told (Core §3.2.2.2). */
export type Why =
  | 'AuthnFailed'
  | 'InvalidNameIDPolicy'
  | 'NoAuthnContext'
  | 'NoPassive'
  | 'PartialLogout'
  | 'RequestDenied'
  | 'RequestUnsupported'
  | 'UnknownPrincipal';

/** The whole name of a second-level status. */
export const statusOf = (why: Why) => status(why);

/** Whether it is the request that could not be met, whoever had answered it. */
export const isRequesters = (why: Why) => why === 'InvalidNameIDPolicy' || why === 'RequestUnsupported';

const contextClass = (name: string) => `urn:oasis:names:tc:SAML:2.0:ac:classes:${name}`;

/** What each context class asks for at least, in our own strengths; the first of a strength is how it is told. */
export const CLASSES: readonly (readonly [name: string, strength: 'aal1' | 'aal2' | 'phr'])[] = [
  [contextClass('PasswordProtectedTransport'), 'aal1'],
  [contextClass('Password'), 'aal1'],
  [contextClass('unspecified'), 'aal1'],
  ['https://refeds.org/profile/sfa', 'aal1'],
  ['aal1', 'aal1'],
  ['https://refeds.org/profile/mfa', 'aal2'],
  ['http://schemas.microsoft.com/claims/multipleauthn', 'aal2'],
  [contextClass('MobileTwoFactorUnregistered'), 'aal2'],
  [contextClass('MobileTwoFactorContract'), 'aal2'],
  [contextClass('TimeSyncToken'), 'aal2'],
  ['aal2', 'aal2'],
  ['phr', 'phr'],
];
