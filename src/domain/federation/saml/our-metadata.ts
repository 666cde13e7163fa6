import { buildXmlBuilderObject } from '@node-saml/node-saml/lib/xml.js';
import type { OwnAddresses, OwnKeys } from './exchange.js';
import { NAME_ID_FORMATS, type SamlSettings } from './settings.js';
import { NS } from './xml.js';

const BINDING = 'urn:oasis:names:tc:SAML:2.0:bindings:';
const ENCRYPTION = [
  'http://www.w3.org/2009/xmlenc11#aes256-gcm',
  'http://www.w3.org/2009/xmlenc11#aes128-gcm',
  'http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p',
];

function key(use: 'signing' | 'encryption', certificate: string) {
  const base64 = certificate.replace(/-----[A-Z ]+-----|\s/g, '');
  return {
    '@use': use,
    'ds:KeyInfo': { 'ds:X509Data': { 'ds:X509Certificate': { '#text': base64 } } },
    ...(use === 'encryption' && { EncryptionMethod: ENCRYPTION.map(each => ({ '@Algorithm': each })) }),
  };
}

/** What a company is told about us (SAML Metadata §2.4.4): the key that signs next stands in it before it signs. */
export function ourMetadata(
  own: OwnAddresses,
  keys: OwnKeys,
  settings: Pick<SamlSettings, 'name_id' | 'subject_attribute'>,
): string {
  const signing = keys.signingCertificates.map(certificate => key('signing', certificate));
  const format = settings.subject_attribute === undefined ? NAME_ID_FORMATS[settings.name_id] : undefined;
  const document = {
    EntityDescriptor: {
      '@xmlns': NS.metadata,
      '@xmlns:ds': NS.signature,
      '@entityID': own.entityId,
      SPSSODescriptor: {
        '@protocolSupportEnumeration': NS.protocol,
        '@AuthnRequestsSigned': 'true',
        '@WantAssertionsSigned': 'true',
        KeyDescriptor: [...signing, key('encryption', keys.encryptionCertificate)],
        SingleLogoutService: ['HTTP-Redirect', 'HTTP-POST'].map(binding => ({
          '@Binding': BINDING + binding,
          '@Location': own.logout,
        })),
        ...(format !== undefined && { NameIDFormat: format }),
        AssertionConsumerService: {
          '@index': '0',
          '@isDefault': 'true',
          '@Binding': `${BINDING}HTTP-POST`,
          '@Location': own.assertionConsumer,
        },
      },
    },
  };
  return buildXmlBuilderObject(document, true);
}
