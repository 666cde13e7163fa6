import type { SamlRegistration } from '../domain/clients/clients.js';
import { Refusal } from '../platform/errors.js';
import { BINDING, NS } from './names.js';
import { allOf, childOf, childrenOf, readXml, type XmlElement } from './xml.js';

/* Metadata of large vendors comes with many certificates and languages. */
const MOST = 1_048_576;

const wrong = (message: string) => new Refusal('invalid', 'saml_metadata', message);

/** What an app's own metadata (SAML 2.0 Metadata §2.4.4) says that a registration needs; its operator chooses the rest. */
export function readAppMetadata(text: string, at = new Date()): SamlRegistration {
  const entity = entityIn(readXml(text.replace(/^\ufeff/, ''), { comments: true, most: MOST }));
  const role = childrenOf(entity, NS.metadata, 'SPSSODescriptor').find(({ attributes }) =>
    (attributes['protocolSupportEnumeration'] ?? '').split(/\s+/).includes(NS.protocol),
  );
  if (!role) throw wrong('This metadata describes no app that takes SAML 2.0 sign-ins (SPSSODescriptor).');
  const { validUntil } = { ...role.attributes, ...entity.attributes };
  if (validUntil !== undefined && !(Date.parse(validUntil) > at.getTime()))
    throw wrong('This metadata is not valid any more (validUntil): ask the app for newer metadata.');
  const { entityID = '' } = entity.attributes;
  const signing = certificatesIn(role, 'signing');
  const [encryption] = certificatesIn(role, 'encryption');
  const logout = logoutIn(role);
  return {
    entity_id: entityID,
    acs: acsIn(role),
    ...(logout.length > 0 && { logout }),
    ...(signing.length > 0 && { signing_certificates: signing }),
    ...(encryption !== undefined && { encryption_certificate: encryption }),
  };
}

function entityIn(root: XmlElement): XmlElement {
  const all = [...allOf(root, NS.metadata, 'EntityDescriptor')];
  const [entity, another] = all;
  if (!entity || another) throw wrong('This must be the metadata of one app (EntityDescriptor).');
  return entity;
}

function acsIn(role: XmlElement): SamlRegistration['acs'] {
  const places = childrenOf(role, NS.metadata, 'AssertionConsumerService').filter(
    ({ attributes }) => attributes['Binding'] === BINDING.post,
  );
  if (places.length === 0) throw wrong('This app takes no answers by POST (AssertionConsumerService).');
  const isUsual = ({ attributes }: XmlElement) => /^(true|1)$/.test(attributes['isDefault'] ?? '');
  const usual = places.find(isUsual);
  const sorted = usual ? [usual, ...places.filter(place => place !== usual)] : places;
  return sorted.map(({ attributes: { Location = '', index } }) => ({
    url: Location,
    ...(index !== undefined && /^\d{1,5}$/.test(index) && { index: Number(index) }),
  }));
}

function logoutIn(role: XmlElement): NonNullable<SamlRegistration['logout']> {
  const bindings = Object.entries(BINDING) as ['redirect' | 'post' | 'soap', string][];
  return childrenOf(role, NS.metadata, 'SingleLogoutService').flatMap(({ attributes }) => {
    const { Binding, Location = '', ResponseLocation } = attributes;
    const binding = bindings.find(([, name]) => name === Binding)?.[0];
    if (!binding) return [];
    return [{ binding, url: Location, ...(ResponseLocation && { answer_url: ResponseLocation }) }];
  });
}

/* A key of no stated use is for both (Metadata §2.4.1.1). */
function certificatesIn(role: XmlElement, use: 'signing' | 'encryption'): string[] {
  const found = childrenOf(role, NS.metadata, 'KeyDescriptor')
    .filter(({ attributes }) => (attributes['use'] ?? use) === use)
    .flatMap(key => {
      const info = childOf(key, NS.signature, 'KeyInfo');
      return info ? [...allOf(info, NS.signature, 'X509Certificate')] : [];
    })
    .map(({ text }) => text.replace(/\s+/g, ''));
  return [...new Set(found)];
}
