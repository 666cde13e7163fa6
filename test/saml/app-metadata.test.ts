import { beforeAll, expect, test } from '@jest/globals';
import { checkMetadata } from '../../src/domain/clients/clients.js';
import { readAppMetadata } from '../../src/saml/app-metadata.js';
import { newPair } from '../support/service-provider.js';

const MD = 'urn:oasis:names:tc:SAML:2.0:metadata';
const P = 'urn:oasis:names:tc:SAML:2.0:protocol';
const bound = (name: string) => `urn:oasis:names:tc:SAML:2.0:bindings:${name}`;

let certificate: string;

beforeAll(async () => {
  certificate = (await newPair()).certificate.replace(/-----[^-]+-----/g, '');
});

const key = (use: string) =>
  `<md:KeyDescriptor${use}><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>${certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`;

const described = (within: string, attributes = '') =>
  `\ufeff<?xml version="1.0"?><!-- of a vendor --><md:EntityDescriptor xmlns:md="${MD}" entityID="https://sp.example/saml" ${attributes}><md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:1.1:protocol ${P}">${within}</md:SPSSODescriptor></md:EntityDescriptor>`;

const place = (name: string, binding: string, url: string, more = '') =>
  `<md:${name} Binding="${bound(binding)}" Location="${url}" ${more}/>`;

const ACS = place('AssertionConsumerService', 'HTTP-POST', 'https://sp.example/acs', 'index="0"');

test('an app’s metadata says where it is and what it signs with; the usual place goes first, others than POST are left out', () => {
  const text = described(
    `${key('')}${place('SingleLogoutService', 'SOAP', 'https://sp.example/soap')}${place('SingleLogoutService', 'HTTP-POST', 'https://sp.example/out', 'ResponseLocation="https://sp.example/done"')}${place('SingleLogoutService', 'HTTP-Artifact', 'https://sp.example/x')}${place('AssertionConsumerService', 'HTTP-Artifact', 'https://sp.example/art', 'index="9"')}${ACS}${place('AssertionConsumerService', 'HTTP-POST', 'https://sp.example/usual', 'index="3" isDefault="true"')}`,
  );
  const bare = certificate.replace(/\s/g, '');
  expect(readAppMetadata(text)).toEqual({
    entity_id: 'https://sp.example/saml',
    acs: [
      { url: 'https://sp.example/usual', index: 3 },
      { url: 'https://sp.example/acs', index: 0 },
    ],
    logout: [
      { binding: 'soap', url: 'https://sp.example/soap' },
      { binding: 'post', url: 'https://sp.example/out', answer_url: 'https://sp.example/done' },
    ],
    signing_certificates: [bare],
    encryption_certificate: bare,
  });
});

test.each([
  ['of an identity provider', described(ACS).replaceAll('SPSSO', 'IDPSSO'), 'saml_metadata'],
  ['that is over', described(ACS, 'validUntil="2020-01-01T00:00:00Z"'), 'saml_metadata'],
  ['of an app that takes no POST', described(''), 'saml_metadata'],
  [
    'of several',
    `<md:EntitiesDescriptor xmlns:md="${MD}">${described(ACS).slice(described(ACS).indexOf('<md:'))}${described(ACS).slice(described(ACS).indexOf('<md:'))}</md:EntitiesDescriptor>`,
    'saml_metadata',
  ],
  ['with a DTD', `<!DOCTYPE x [<!ENTITY e "y">]>${described(ACS).slice(1)}`, 'saml_unreadable'],
  ['that is something else', '<html></html>', 'saml_metadata'],
])('metadata %s is refused with a sentence', (_what, text, code) => {
  expect(() => readAppMetadata(text)).toThrow(expect.objectContaining({ code }));
});

const rules = {
  issuer: new URL('https://id.example'),
  allowPrivateNetwork: false,
  declarable: { purposes: ['account'], claims: [{ name: 'email', scope: 'email', purpose: 'account' }] },
};

const issuesOf = (input: object) => {
  const checked = checkMetadata(input, rules, { operator: true });
  return checked.ok ? [] : checked.issues.map(({ field }) => field);
};

test('such an app is known by a subject of its own, asks by claim, and has nothing at the token endpoint', () => {
  const saml = readAppMetadata(described(ACS));
  const checked = checkMetadata({ saml }, rules, { operator: true });
  expect(checked.ok && checked.metadata).toMatchObject({
    token_endpoint_auth_method: 'none',
    subject_type: 'pairwise',
    scope: 'openid',
    redirect_uris: [],
  });
  for (const member of [
    { subject_type: 'public' },
    { redirect_uris: ['https://sp.example/back'] },
    { scope: 'openid email' },
    { token_endpoint_auth_method: 'client_secret_basic' },
    { grant_types: ['authorization_code', 'refresh_token'] },
    { application_type: 'native' },
    { backchannel_logout_uri: 'https://sp.example/out' },
  ]) {
    expect([member, issuesOf({ saml, ...member })]).toEqual([
      member,
      expect.arrayContaining([expect.any(String)]),
    ]);
  }
  expect(checkMetadata({ saml }, rules, { operator: false }).ok).toBe(false);
});

test('what the operator chose fits with what the app is', () => {
  const saml = readAppMetadata(described(ACS));
  const asking = { purposes: ['account'], required_claims: ['email'] };
  expect(issuesOf({ saml: { ...saml, name_id: 'email' } })).toEqual(['saml.name_id']);
  expect(issuesOf({ ...asking, saml: { ...saml, name_id: 'email' } })).toEqual([]);
  expect(issuesOf({ ...asking, saml: { ...saml, attributes: { name: 'cn' } } })).toEqual(['saml.attributes']);
  expect(issuesOf({ saml: { ...saml, start_state: 'x' } })).toEqual(['saml.start_state']);
  expect(issuesOf({ saml: { ...saml, signing_certificates: ['AAAA'] } })).toEqual([
    'saml.signing_certificates[0]',
  ]);
  for (const url of [
    'javascript:alert(1)',
    'data:,x',
    'http://sp.example/acs',
    'https://10.0.0.1/acs',
    'https://a@sp.example/',
  ]) {
    expect([url, issuesOf({ saml: { ...saml, acs: [{ url }] } })]).toEqual([url, ['saml.acs[0].url']]);
    const logout = [{ binding: 'redirect', url: 'https://sp.example/', answer_url: url }];
    expect([url, issuesOf({ saml: { ...saml, logout } })]).toEqual([url, ['saml.logout[0].answer_url']]);
  }
});
