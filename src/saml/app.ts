import type { Client, SamlRegistration } from '../domain/clients/clients.js';
import { FORMAT } from './names.js';

/** An app that speaks SAML, as it is registered. */
export interface SamlApp {
  readonly clientId: string;
  readonly name: string;
  readonly saml: SamlRegistration;
  /** The claims that it asks for, the essential ones first. */
  readonly required: readonly string[];
  readonly optional: readonly string[];
}

export type NameId = 'persistent' | 'transient' | 'email';

/** The app of a client; none where it speaks something else. */
export function samlAppOf({ id, metadata }: Pick<Client, 'id' | 'metadata'>): SamlApp | undefined {
  const { saml, client_name, required_claims = [], optional_claims = [] } = metadata;
  return (
    saml && {
      clientId: id,
      name: client_name ?? id,
      saml,
      required: required_claims,
      optional: optional_claims,
    }
  );
}

/** Where answers go if nothing else is said. */
export const usualAcs = ({ saml }: SamlApp): string => saml.acs[0]?.url ?? '';

/** Which name somebody goes by, given the format that a request asks for; undefined where the app may not have it. */
export function nameIdFor({ saml }: SamlApp, format: string | undefined): NameId | undefined {
  const { name_id: usual = 'persistent' } = saml;
  if (format === undefined || format === FORMAT.unspecified) return usual;
  const asked = (['persistent', 'transient', 'email'] as const).find(each => FORMAT[each] === format);
  return asked === 'email' && usual !== 'email' ? undefined : asked;
}
