/** Where apps that speak SAML find us. */
export interface SamlPlaces {
  /** Our name in SAML, which is the address of our metadata. */
  readonly entityId: string;
  readonly signOn: string;
  readonly logout: string;
  /** Where the engine answers. */
  readonly answer: string;
}

export const METADATA_PATH = '/saml/metadata';
export const SIGN_ON_PATH = '/saml/sso';
export const ANSWER_PATH = '/saml/answer';
export const LOGOUT_PATH = '/saml/logout';

/** The addresses of an issuer. */
export function samlPlaces(issuer: URL): SamlPlaces {
  const at = (path: string) => new URL(path, issuer).href;
  return {
    entityId: at(METADATA_PATH),
    signOn: at(SIGN_ON_PATH),
    logout: at(LOGOUT_PATH),
    answer: at(ANSWER_PATH),
  };
}
