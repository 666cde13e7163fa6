import { DOMParser } from '@xmldom/xmldom';
import { SignedXml } from 'xml-crypto';
import { encrypt } from 'xml-encryption';
import type { SigningPair } from './keys.js';
import { NS } from './names.js';
import { allOf, readXml, unsigned, type Written, type XmlElement } from './xml.js';

const EXCLUSIVE = 'http://www.w3.org/2001/10/xml-exc-c14n#';
const ENVELOPED = 'http://www.w3.org/2000/09/xmldsig#enveloped-signature';
const SHA256 = 'http://www.w3.org/2001/04/xmlenc#sha256';
const SHA512 = 'http://www.w3.org/2001/04/xmlenc#sha512';

/** What we sign with (RFC 9231 §2.3.2); nothing is ever signed over SHA-1. */
export const RSA_SHA256 = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256';
const RSA_SHA512 = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512';

/** A certificate of metadata in the form that libraries take. */
export const pemOf = (certificate: string): string =>
  `-----BEGIN CERTIFICATE-----\n${certificate.replace(/.{64}(?=.)/g, '$&\n')}\n-----END CERTIFICATE-----\n`;

/** Signs the root of a message, right behind its issuer as the schemas have it (Core §5). */
export function signed(message: Written, { privateKey, certificate }: SigningPair): Written {
  const signature = new SignedXml({
    privateKey,
    publicCert: pemOf(certificate),
    signatureAlgorithm: RSA_SHA256,
    canonicalizationAlgorithm: EXCLUSIVE,
  });
  signature.addReference({ xpath: '/*', digestAlgorithm: SHA256, transforms: [ENVELOPED, EXCLUSIVE] });
  signature.computeSignature(message.xml, {
    prefix: 'ds',
    location: { reference: "/*/*[local-name(.)='Issuer']", action: 'after' },
  });
  return { xml: signature.getSignedXml() };
}

/** Encrypts an assertion for whoever holds the key of a certificate (Core §6). */
export async function encrypted(assertion: Written, certificate: string): Promise<Written> {
  const pem = pemOf(certificate);
  const inner = await new Promise<string>((resolve, reject) => {
    encrypt(
      assertion.xml,
      {
        rsa_pub: pem,
        pem,
        encryptionAlgorithm: 'http://www.w3.org/2009/xmlenc11#aes256-gcm',
        keyEncryptionAlgorithm: 'http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p',
        disallowEncryptionWithInsecureAlgorithm: true,
      },
      (error, result) => (error ? reject(error) : resolve(result)),
    );
  });
  return {
    xml: `<saml:EncryptedAssertion xmlns:saml="${NS.assertion}">${inner}</saml:EncryptedAssertion>`,
  };
}

/**
 * What of a message an app has signed: the very bytes that the signature covers, read anew, and nothing that stands beside
 * them. It must be the whole message, signed once, by a key that is registered; whatever key the message itself brings along
 * is not looked at.
 */
export function signedPartOf(text: string, certificates: readonly string[]): XmlElement {
  const root = readXml(text);
  const { ID: id = '' } = root.attributes;
  const [signature, another] = [...allOf(root, NS.signature, 'Signature')];
  if (!signature || another || !root.children.includes(signature) || id === '') throw unsigned();
  for (const certificate of certificates) {
    const covered = coveredBy(text, pemOf(certificate));
    const part = covered === undefined ? undefined : readXml(covered);
    if (part && part.attributes['ID'] === id && part.ns === root.ns && part.name === root.name) return part;
  }
  throw unsigned();
}

function coveredBy(text: string, publicCert: string): string | undefined {
  try {
    const signature = new SignedXml({ publicCert, getCertFromKeyInfo: () => null });
    signature.SignatureAlgorithms = only(signature.SignatureAlgorithms, [RSA_SHA256, RSA_SHA512]);
    signature.HashAlgorithms = only(signature.HashAlgorithms, [SHA256, SHA512]);
    signature.CanonicalizationAlgorithms = only(signature.CanonicalizationAlgorithms, [EXCLUSIVE, ENVELOPED]);
    const root = new DOMParser().parseFromString(text, 'text/xml').documentElement;
    const found = Array.from(root.childNodes).find(node => (node as Element).localName === 'Signature');
    if (!found) return undefined;
    signature.loadSignature(found);
    if (!signature.checkSignature(text)) return undefined;
    const [covered, another] = signature.getSignedReferences();
    return another === undefined ? covered : undefined;
  } catch {
    return undefined;
  }
}

function only<Kind>(all: Record<string, Kind>, names: readonly string[]): Record<string, Kind> {
  return Object.fromEntries(Object.entries(all).filter(([name]) => names.includes(name)));
}
