import { deflateRawSync } from 'node:zlib';
import { beforeAll, expect, test } from '@jest/globals';
import { parseDomFromString, signXml } from '@node-saml/node-saml/lib/xml.js';
import { type Exchange, ownAddresses } from '../../../src/domain/federation/saml/exchange.js';
import { redirectedXml } from '../../../src/domain/federation/saml/message.js';
import { type Asked, identityOf, readResponse } from '../../../src/domain/federation/saml/response.js';
import { samlSettings } from '../../../src/domain/federation/saml/settings.js';
import { type CertifiedKey, makeCertifiedKey } from '../../../src/platform/crypto/certificates.js';
import { makeResponse } from '../../support/saml-peer.js';

const own = ownAddresses(new URL('https://id.example'), 'acme');
const issuer = 'https://idp.acme.example/entity';
const now = new Date();
const asked: Asked = { requestId: '_request', requestedAt: now, contexts: [], now };

let theirKey: CertifiedKey;
let ourKey: CertifiedKey;
let strangersKey: CertifiedKey;
let exchange: Exchange;

beforeAll(async () => {
  const make = () => makeCertifiedKey({ name: 'test', from: now, years: 1 });
  [theirKey, ourKey, strangersKey] = [await make(), await make(), await make()];
  exchange = {
    own,
    settings: samlSettings.parse({ metadata_xml: '<x/>' }),
    keys: {
      signing: ourKey,
      signingCertificates: [ourKey.certificate],
      encryptionCertificate: ourKey.certificate,
      decryption: [strangersKey.privateKey, ourKey.privateKey],
    },
    theirs: {
      entityId: issuer,
      signIn: {},
      signOut: {},
      signedOut: {},
      certificates: [strangersKey.certificate, theirKey.certificate],
    },
  };
  exchange = { ...exchange, theirs: { ...exchange.theirs, certificates: [theirKey.certificate] } };
});

const GOOD = {
  issuer,
  audience: own.entityId,
  recipient: own.assertionConsumer,
  destination: own.assertionConsumer,
  inResponseTo: '_request',
  lifetimeInSeconds: 300,
};
const ALICE = { id: 'alice', attributes: { email: 'alice@acme.example', groups: ['staff', 'nurses'] } };

const good = (more: object = {}, employee: object = ALICE, key = theirKey) =>
  makeResponse(key, employee as typeof ALICE, { ...GOOD, ...more });

const read = (xml: string, more: Partial<Asked> = {}, by: Exchange = exchange) =>
  readResponse(by, Buffer.from(xml).toString('base64'), { ...asked, ...more });

const refusal = (why: string | RegExp) => ({
  name: 'UpstreamTrouble',
  kind: 'untrue',
  reason: typeof why === 'string' ? why : expect.stringMatching(why),
});

const sealed = (more: object = {}) =>
  good({
    encryptionCert: ourKey.certificate,
    encryptionPublicKey: ourKey.certificate,
    encryptionAlgorithm: 'http://www.w3.org/2009/xmlenc11#aes256-gcm',
    ...more,
  });

test.each([
  ['with a signed assertion', () => good()],
  ['with both signed', () => good({ signResponse: true })],
  ['with an encrypted assertion', () => sealed()],
  ['with an encrypted assertion in a signed envelope', () => sealed({ signResponse: true })],
])('an answer %s says who somebody is', async (_name, make) => {
  const assertion = await read(await make());
  expect(identityOf(assertion, exchange.settings, false)).toMatchObject({
    subject: 'alice',
    email: { address: 'alice@acme.example', verified: false },
    claims: { groups: ['staff', 'nurses'] },
  });
});

test.each([
  ['is signed by nobody', { signAssertion: false }, 'unsigned'],
  ['has a signed envelope alone', { signAssertion: false, signResponse: true }, 'unsigned'],
  ['is signed with SHA-1', { signatureAlgorithm: 'rsa-sha1' }, 'weak_algorithm'],
  ['has a SHA-1 digest', { digestAlgorithm: 'sha1' }, 'weak_algorithm'],
  ['is for somebody else', { audience: 'https://other.example' }, 'audience'],
  ['names another recipient', { recipient: 'https://other.example/acs' }, 'recipient'],
  ['was sent elsewhere', { destination: 'https://other.example/acs' }, 'destination'],
  ['answers another request', { inResponseTo: '_other' }, 'in_response_to'],
  ['answers no request', { inResponseTo: undefined }, 'in_response_to'],
  ['comes from somebody else', { issuer: 'https://other.example' }, 'issuer'],
])('an answer that %s is not believed', async (_name, more, why) => {
  await expect(read(await good(more))).rejects.toMatchObject(refusal(why));
});

test('an answer that is signed with a key of somebody else is not believed', async () => {
  await expect(read(await good({}, ALICE, strangersKey))).rejects.toMatchObject(refusal('signature'));
});

test('an envelope that was changed after it was signed is not believed, although its assertion is as it was', async () => {
  const changed = (await good({ signResponse: true })).replace(
    '<samlp:Status>',
    '<samlp:Status><samlp:StatusMessage/>',
  );
  await expect(read(changed)).rejects.toMatchObject(refusal('signature'));
});

test('two certificates of theirs count while they change their key', async () => {
  const certificates = [strangersKey.certificate, theirKey.certificate];
  const changing = { ...exchange, theirs: { ...exchange.theirs, certificates } };
  expect((await read(await good(), {}, changing)).nameId.value).toBe('alice');
  expect((await read(await good({}, ALICE, strangersKey), {}, changing)).nameId.value).toBe('alice');
});

/* What a broken product would sign: changed first, and then signed with the right key. */
async function edited(from: string | RegExp, to: string): Promise<string> {
  const before = await good({ signAssertion: false });
  const xml = before.replace(from, to);
  expect(xml).not.toBe(before);
  const assertion = "/*/*[local-name(.)='Assertion']";
  return signXml(
    xml,
    assertion,
    { reference: `${assertion}/*[local-name(.)='Issuer']`, action: 'after' },
    {
      privateKey: theirKey.privateKey,
      signatureAlgorithm: 'sha256',
      digestAlgorithm: 'sha256',
    },
  );
}

test.each([
  [
    'without a time limit of who brings it',
    /(<saml:SubjectConfirmationData) NotOnOrAfter="[^"]*"/,
    '$1',
    /time|signature/,
  ],
  ['that counts later', /(<saml:SubjectConfirmationData)/, '$1 NotBefore="2100-01-01T00:00:00Z"', 'time'],
  ['with a time that is none', /(<saml:Conditions NotBefore=")[^"]*/, '$1yesterday', 'malformed'],
  ['without conditions', /<saml:Conditions.*<\/saml:Conditions>/, '', 'condition'],
  ['with a condition nobody knows', /<saml:AudienceRestriction>/, '<saml:Condition/>$&', 'condition'],
  ['without an audience', /<saml:AudienceRestriction>.*<\/saml:AudienceRestriction>/, '', 'audience'],
  [
    'that is for others as well, one by one',
    /<\/saml:Conditions>/,
    '<saml:AudienceRestriction><saml:Audience>x</saml:Audience></saml:AudienceRestriction>$&',
    'audience',
  ],
  ['that needs another proof', 'cm:bearer', 'cm:holder-of-key', 'subject'],
  ['without a subject', /<saml:Subject>.*<\/saml:Subject>/, '', 'subject'],
  ['about two people', /<saml:NameID[^>]*>[^<]*<\/saml:NameID>/, '$&$&', 'name_id'],
  [
    'about somebody of another qualifier',
    '<saml:NameID',
    '<saml:NameID NameQualifier="https://other.example"',
    'name_id',
  ],
  ['of somebody who was not recognised', /<saml:AuthnStatement.*<\/saml:AuthnStatement>/, '', 'malformed'],
  [
    'of a session that is over',
    '<saml:AuthnStatement',
    '<saml:AuthnStatement SessionNotOnOrAfter="2020-01-01T00:00:00Z"',
    'time',
  ],
  ['of another version', /(<saml:Assertion[^>]*) Version="2.0"/, '$1 Version="1.1"', 'malformed'],
])('a signed assertion %s is not believed', async (_name, from, to, why) => {
  await expect(read(await edited(from, to))).rejects.toMatchObject(refusal(why));
});

test('an answer that says no is no lie, and lets nobody in', async () => {
  const status = 'urn:oasis:names:tc:SAML:2.0:status:Responder';
  await expect(read(await good({ samlStatusCode: status }))).rejects.toMatchObject({
    kind: 'refused',
    reason: 'status',
  });
});

test('an assertion that answers another request is not believed in an envelope that answers ours', async () => {
  const envelope = (await good({ inResponseTo: '_other' })).replace(
    'InResponseTo="_other"',
    'InResponseTo="_request"',
  );
  await expect(read(envelope)).rejects.toMatchObject(refusal('in_response_to'));
  const unasked = (await good({ inResponseTo: undefined })).replace(
    ' Version="2.0"',
    ' InResponseTo="_request" Version="2.0"',
  );
  await expect(read(unasked)).rejects.toMatchObject(refusal('in_response_to'));
});

test('an answer counts from a minute before to a minute after its time', async () => {
  const xml = await good({ lifetimeInSeconds: 60 });
  /* By the times that stand in it: on a busy machine it was made well after this file was read. */
  const made = Date.parse(/IssueInstant="([^"]+)"/.exec(xml)?.[1] ?? '');
  const after = (seconds: number) => new Date(made + seconds * 1000);
  expect((await read(xml, { now: after(100) })).nameId.value).toBe('alice');
  await expect(read(xml, { now: after(125) })).rejects.toMatchObject(refusal('time'));
  await expect(read(xml, { now: after(-70) })).rejects.toMatchObject(refusal('time'));
  await expect(read(xml, { requestedAt: after(90), now: after(90) })).rejects.toMatchObject(refusal('time'));
});

test('a name that is cut by a comment, CDATA or an instruction is not believed', async () => {
  const xml = await good({}, { id: 'admin@acme.example.evil.example' });
  for (const cut of ['<!---->', '<!-- -->', '<?x?>', '<![CDATA[]]>']) {
    const shorter = xml.replace('admin@acme.example.evil', `admin@acme.example${cut}.evil`);
    expect(shorter).not.toBe(xml);
    await expect(read(shorter)).rejects.toMatchObject(refusal('forbidden_markup'));
  }
});

test('a document type is not believed, and what it points at is never read', async () => {
  const xml = await good();
  for (const type of [
    '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>',
    '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
  ]) {
    await expect(read(type + xml.replace('alice', '&e;'))).rejects.toMatchObject(refusal('forbidden_markup'));
    await expect(read(`<?xml version="1.0"?>${type}${xml}`)).rejects.toMatchObject(
      refusal('forbidden_markup'),
    );
  }
});

test('what is too large is not read: ten megabytes, a bomb of zeros, a tower of elements', async () => {
  await expect(read(' '.repeat(10_000_000))).rejects.toMatchObject(refusal('too_large'));
  const bomb = deflateRawSync(Buffer.alloc(50_000_000, ' ')).toString('base64');
  expect(() => redirectedXml(bomb)).toThrow(expect.objectContaining(refusal('too_large')));
  const tower = `${'<a>'.repeat(20_000)}${'</a>'.repeat(20_000)}`;
  await expect(read(tower)).rejects.toMatchObject(refusal('too_large'));
});

test('a parameter that comes twice, or is no base64, is not believed', async () => {
  const encoded = Buffer.from(await good()).toString('base64');
  await expect(readResponse(exchange, [encoded, encoded], asked)).rejects.toMatchObject(
    refusal('sent_twice'),
  );
  for (const sent of [undefined, '', '%%%', `${encoded}!`, { toString: () => encoded }])
    await expect(readResponse(exchange, sent, asked)).rejects.toMatchObject(refusal('malformed'));
});

test('a name that is no persistent one is only believed where an operator says so', async () => {
  const formats = {
    email: 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress',
    transient: 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient',
  };
  const said = async (format: string, settings: object) => {
    const assertion = await read(await good({}, { ...ALICE, id: 'alice@acme.example', format }));
    return identityOf(assertion, samlSettings.parse({ metadata_xml: '<x/>', ...settings }), false).subject;
  };
  await expect(said(formats.email, {})).rejects.toMatchObject(refusal('name_id'));
  await expect(said(formats.transient, {})).rejects.toMatchObject(refusal('name_id'));
  expect(await said(formats.email, { name_id: 'email' })).toBe('alice@acme.example');
  expect(await said(formats.transient, { subject_attribute: 'email' })).toBe('alice@acme.example');
  await expect(said(formats.transient, { subject_attribute: 'groups' })).rejects.toMatchObject(
    refusal('subject'),
  );
  await expect(said(formats.transient, { subject_attribute: '__proto__' })).rejects.toMatchObject(
    refusal('subject'),
  );
});

test('who was asked for another way of being recognised is not let in by less', async () => {
  const contexts = ['urn:example:two-factors'];
  await expect(read(await good(), { contexts })).rejects.toMatchObject(refusal('context'));
  const strong = await read(await good({ authnContextClassRef: contexts[0] }), { contexts });
  expect(strong.context).toBe(contexts[0]);
});

test('who is to be asked anew there must have been', async () => {
  const before = await edited(/(AuthnInstant=")[^"]*/, '$12020-01-01T00:00:00.000Z');
  expect((await read(before)).authenticatedAt.getFullYear()).toBe(2020);
  await expect(read(before, { freshWithin: 0 })).rejects.toMatchObject(refusal('time'));
  expect((await read(await good(), { freshWithin: 0 })).nameId.value).toBe('alice');
});

test('an assertion that must be encrypted is not believed in clear', async () => {
  const settings = samlSettings.parse({ metadata_xml: '<x/>', must_encrypt: true });
  await expect(read(await good(), {}, { ...exchange, settings })).rejects.toMatchObject(
    refusal('encryption'),
  );
  expect((await read(await sealed(), {}, { ...exchange, settings })).nameId.value).toBe('alice');
});

test.each([
  ['unsigned', { signAssertion: false }, 'unsigned'],
  ['signed with SHA-1', { signatureAlgorithm: 'rsa-sha1' }, 'weak_algorithm'],
  ['for somebody else', { audience: 'https://other.example' }, 'audience'],
])('an encrypted assertion that is %s is not believed either', async (_name, more, why) => {
  await expect(read(await sealed(more))).rejects.toMatchObject(refusal(why));
  await expect(read(await sealed({ ...more, signResponse: true }))).rejects.toMatchObject(refusal(why));
});

test('an assertion that is encrypted for nobody here, or in a way that leaks, is not opened', async () => {
  const foreign = { ...exchange, keys: { ...exchange.keys, decryption: [strangersKey.privateKey] } };
  await expect(read(await sealed(), {}, foreign)).rejects.toMatchObject(refusal('encryption'));
  const weak = (await sealed()).replace('xmlenc#rsa-oaep-mgf1p', 'xmlenc#rsa-1_5');
  await expect(read(weak)).rejects.toMatchObject(refusal('weak_algorithm'));
});

/* Somain, Jager et al., "On Breaking SAML: Be Whoever You Want to Be" (2012), in the numbering of SAML Raider. */
const WRAPPED: readonly (readonly [
  name: string,
  of: 'Response' | 'Assertion',
  wrap: (parts: Wrapping) => void,
])[] = [
  [
    '1: the true answer within the signature of a false one',
    'Response',
    ({ whole, copy, signature }) => {
      copy.removeChild(signatureOf(copy));
      signature.appendChild(copy);
      evil(whole);
    },
  ],
  [
    '2: the true answer beside a detached signature',
    'Response',
    ({ whole, copy, signature }) => {
      copy.removeChild(signatureOf(copy));
      signature.parentNode?.insertBefore(copy, signature);
      evil(whole);
    },
  ],
  [
    '3: a false assertion before the true one',
    'Assertion',
    ({ whole, assertion, copy }) => {
      copy.removeChild(signatureOf(copy));
      evil(copy);
      whole.insertBefore(copy, assertion);
    },
  ],
  [
    '4: the true assertion within a false one',
    'Assertion',
    ({ whole, assertion, copy }) => {
      copy.removeChild(signatureOf(copy));
      evil(copy);
      whole.replaceChild(copy, assertion);
      copy.appendChild(assertion);
    },
  ],
  [
    '5: a false assertion with the true signature, the true one at the end',
    'Assertion',
    ({ whole, assertion, copy }) => {
      copy.removeChild(signatureOf(copy));
      evil(assertion);
      whole.appendChild(copy);
    },
  ],
  [
    '6: the true assertion within the signature of a false one',
    'Assertion',
    ({ assertion, copy, signature }) => {
      copy.removeChild(signatureOf(copy));
      evil(assertion);
      signature.appendChild(copy);
    },
  ],
  [
    '7: a false assertion within extensions',
    'Assertion',
    ({ whole, assertion, copy }) => {
      const extensions = whole.ownerDocument.createElementNS(
        'urn:oasis:names:tc:SAML:2.0:protocol',
        'samlp:Extensions',
      );
      copy.removeChild(signatureOf(copy));
      evil(copy);
      extensions.appendChild(copy);
      whole.insertBefore(extensions, assertion);
    },
  ],
  [
    '8: the true assertion as an object of the signature',
    'Assertion',
    ({ whole, assertion, copy, signature }) => {
      const object = whole.ownerDocument.createElementNS('http://www.w3.org/2000/09/xmldsig#', 'Object');
      copy.removeChild(signatureOf(copy));
      evil(assertion);
      object.appendChild(copy);
      signature.appendChild(object);
    },
  ],
];

interface Wrapping {
  readonly whole: Element;
  readonly assertion: Element;
  /** Of what the signature is of. */
  readonly copy: Element;
  readonly signature: Element;
}

const childOf = (parent: Element, name: string): Element => {
  const found = Array.from(parent.childNodes).find(node => (node as Element).localName === name);
  if (!found) throw new Error(`there is no ${name}`);
  return found as Element;
};
const signatureOf = (element: Element) => childOf(element, 'Signature');

/* Another id, and another name, wherever it says one. */
function evil(element: Element): void {
  element.setAttribute('ID', '_evil');
  const assertion = element.localName === 'Assertion' ? element : childOf(element, 'Assertion');
  childOf(childOf(assertion, 'Subject'), 'NameID').textContent = 'admin';
}

test.each(WRAPPED)('C46: signature wrapping, XSW%s: not believed', async (_name, of, wrap) => {
  const xml = await good({ signResponse: of === 'Response' });
  const { documentElement: whole } = await parseDomFromString(xml);
  const assertion = childOf(whole, 'Assertion');
  const signed = of === 'Response' ? whole : assertion;
  const copy = signed.cloneNode(true) as Element;
  wrap({ whole, assertion, copy, signature: signatureOf(signed) });
  const wrapped = whole.toString();
  expect(wrapped).toContain('admin');
  await expect(read(wrapped)).rejects.toMatchObject({ name: 'UpstreamTrouble', kind: 'untrue' });
});
