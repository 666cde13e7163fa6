import { beforeAll, expect, test } from '@jest/globals';
import { signXmlMetadata } from '@node-saml/node-saml/lib/utility.js';
import { ownAddresses } from '../../../src/domain/federation/saml/exchange.js';
import { ourMetadata } from '../../../src/domain/federation/saml/our-metadata.js';
import { readTheirMetadata } from '../../../src/domain/federation/saml/their-metadata.js';
import { type CertifiedKey, makeCertifiedKey } from '../../../src/platform/crypto/certificates.js';

const now = new Date();
const trust = { allowHttp: false, now };
let key: CertifiedKey;
let nextKey: CertifiedKey;

beforeAll(async () => {
  key = await makeCertifiedKey({ name: 'a', from: now, years: 1 });
  nextKey = await makeCertifiedKey({ name: 'b', from: now, years: 1 });
});

const base64 = ({ certificate }: CertifiedKey) => certificate.replace(/-----[A-Z ]+-----|\s/g, '');
const keyDescriptor = (use: string, certificate: string) =>
  `<md:KeyDescriptor${use}><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>${certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`;

interface Said {
  readonly keys?: string;
  readonly location?: string;
  readonly attributes?: string;
  readonly role?: string;
}

const metadata = ({
  keys,
  location = 'https://idp.example/sso',
  attributes = '',
  role = 'IDPSSODescriptor',
}: Said = {}) =>
  `<?xml version="1.0"?>
<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example/entity" ID="_m"${attributes}>
  <md:${role} protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
    ${keys ?? keyDescriptor(' use="signing"', base64(key))}
    <md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example/slo" ResponseLocation="https://idp.example/slo-done"/>
    <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="${location}"/>
  </md:${role}>
</md:EntityDescriptor>`;

const said = (why: RegExp) => ({
  kind: 'untrue',
  reason: 'metadata',
  cause: expect.objectContaining({ message: expect.stringMatching(why) }),
});

test('metadata says who signs, and where people and messages go', async () => {
  const keys = [
    keyDescriptor(' use="signing"', base64(key)),
    keyDescriptor('', base64(nextKey)),
    keyDescriptor(' use="encryption"', 'AAAA'),
  ];
  const theirs = await readTheirMetadata(metadata({ keys: keys.join('') }), trust);
  expect(theirs).toEqual({
    entityId: 'https://idp.example/entity',
    signIn: { redirect: 'https://idp.example/sso' },
    signOut: { post: 'https://idp.example/slo' },
    signedOut: { post: 'https://idp.example/slo-done' },
    certificates: [key.certificate, nextKey.certificate],
  });
});

test.each([
  ['about somebody else', () => metadata(), { entityId: 'https://other.example' }, /it is about/],
  ['of a service provider', () => metadata({ role: 'SPSSODescriptor' }), {}, /no SAML 2.0 identity provider/],
  ['that leads to a script', () => metadata({ location: 'javascript:alert(1)' }), {}, /no https address/],
  [
    'that leads over plain http',
    () => metadata({ location: 'http://idp.example/sso' }),
    {},
    /no https address/,
  ],
  ['that is over', () => metadata({ attributes: ' validUntil="2020-01-01T00:00:00Z"' }), {}, /it held until/],
  ['without a certificate', () => metadata({ keys: ' ' }), {}, /no certificate/],
])('metadata %s is not believed', async (_name, make, more, why) => {
  await expect(readTheirMetadata(make(), { ...trust, ...more })).rejects.toMatchObject(said(why));
});

test('metadata with a document type, or that is no metadata, is not believed', async () => {
  await expect(readTheirMetadata(`<!DOCTYPE x>${metadata()}`, trust)).rejects.toMatchObject({
    reason: 'forbidden_markup',
  });
  await expect(readTheirMetadata('<html/>', trust)).rejects.toMatchObject({ reason: 'malformed' });
  await expect(readTheirMetadata('no', trust)).rejects.toMatchObject({ reason: 'malformed' });
});

test('C46: where a certificate is given, only metadata that is signed with its key is believed', async () => {
  const signing = { signatureAlgorithm: 'sha256', digestAlgorithm: 'sha256' } as const;
  const sign = ({ privateKey }: CertifiedKey, more: object = signing) =>
    signXmlMetadata(metadata(), { ...more, privateKey });
  const signedBy = key.certificate;
  expect((await readTheirMetadata(sign(key), { ...trust, signedBy })).entityId).toBe(
    'https://idp.example/entity',
  );
  const refused: readonly (readonly [string, string])[] = [
    [metadata(), 'unsigned'],
    [sign(nextKey), 'signature'],
    [sign(key, { signatureAlgorithm: 'sha1', digestAlgorithm: 'sha1' }), 'weak_algorithm'],
    [sign(key).replace('https://idp.example/sso', 'https://evil.example/sso'), 'signature'],
  ];
  for (const [xml, reason] of refused)
    await expect(readTheirMetadata(xml, { ...trust, signedBy })).rejects.toMatchObject({
      kind: 'untrue',
      reason,
    });
});

test('our metadata names every certificate that signs now or next, and the newest to encrypt for', () => {
  const xml = ourMetadata(
    ownAddresses(new URL('https://id.example'), 'acme'),
    {
      signing: key,
      signingCertificates: [nextKey.certificate, key.certificate],
      encryptionCertificate: nextKey.certificate,
      decryption: [],
    },
    { name_id: 'persistent' },
  );
  expect(xml).toContain('entityID="https://id.example/federation/acme/metadata"');
  expect(xml).toContain('Location="https://id.example/federation/acme/callback"');
  expect(xml).toMatch(/AuthnRequestsSigned="true".*WantAssertionsSigned="true"/s);
  expect(xml.split(`>${base64(nextKey)}<`)).toHaveLength(3);
  expect(xml.split(`>${base64(key)}<`)).toHaveLength(2);
});
