import { createSign } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { beforeAll, expect, test } from '@jest/globals';
import { type Exchange, ownAddresses } from '../../../src/domain/federation/saml/exchange.js';
import {
  logoutRequest,
  logoutResponse,
  readLogoutMessage,
} from '../../../src/domain/federation/saml/logout.js';
import { samlSettings } from '../../../src/domain/federation/saml/settings.js';
import { type CertifiedKey, makeCertifiedKey } from '../../../src/platform/crypto/certificates.js';

const now = new Date();
const own = ownAddresses(new URL('https://id.example'), 'acme');
const there = {
  entityId: 'https://idp.example',
  assertionConsumer: 'https://idp.example',
  logout: 'https://idp.example/slo',
};
let ours: Exchange;
let theirs: Exchange;
let stranger: CertifiedKey;

/* Each side reads what the other wrote, so one code is checked against itself here; samlp speaks with it in the walk. */
const sideOf = (
  self: typeof own,
  key: CertifiedKey,
  other: typeof own,
  otherKey: CertifiedKey,
  by: 'redirect' | 'post',
): Exchange => ({
  own: self,
  settings: samlSettings.parse({ metadata_xml: '<x/>' }),
  keys: {
    signing: key,
    signingCertificates: [key.certificate],
    encryptionCertificate: key.certificate,
    decryption: [key.privateKey],
  },
  theirs: {
    entityId: other.entityId,
    signIn: {},
    signOut: { [by]: other.logout },
    signedOut: {},
    certificates: [otherKey.certificate],
  },
});

beforeAll(async () => {
  const make = () => makeCertifiedKey({ name: 'test', from: now, years: 1 });
  const [ourKey, theirKey] = [await make(), await make()];
  stranger = await make();
  ours = sideOf(own, ourKey, there, theirKey, 'redirect');
  theirs = sideOf(there, theirKey, own, ourKey, 'redirect');
});

const SESSION = {
  nameId: { value: 'alice', format: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent' },
  sessionIndex: '_s1',
};
const asks = async (by: Exchange = theirs) =>
  (await logoutRequest(by, SESSION, { id: '_asked', relayState: 'rely on me' })).to;
const byRedirect = (to: URL) => ({ by: 'redirect', query: to.search.slice(1) }) as const;
const read = (sent: Parameters<typeof readLogoutMessage>[1], at = now) => readLogoutMessage(ours, sent, at);

test('a signed request to sign out says who, of which session, and what to give back', async () => {
  expect(await read(byRedirect(await asks()))).toEqual({
    kind: 'asked',
    id: '_asked',
    name: 'alice',
    sessionIndexes: ['_s1'],
    relayState: 'rely on me',
  });
});

test('the same by a form, and the answer to it', async () => {
  const posting = { ...theirs, theirs: { ...theirs.theirs, signOut: { post: own.logout } } };
  const asked = await logoutRequest(posting, SESSION, { id: '_asked' });
  expect(asked.to.href).toBe(own.logout);
  expect(await read({ by: 'post', fields: asked.form ?? {} })).toMatchObject({
    kind: 'asked',
    name: 'alice',
  });
  for (const succeeded of [true, false]) {
    const answer = await logoutResponse(posting, { id: '_ours', name: 'alice' }, { id: '_a', succeeded });
    expect(await read({ by: 'post', fields: answer.form ?? {} })).toEqual({
      kind: 'answered',
      inResponseTo: '_ours',
      succeeded,
    });
  }
});

test('an answer goes where the provider wants answers', async () => {
  const elsewhere = {
    ...theirs,
    theirs: { ...theirs.theirs, signedOut: { redirect: 'https://id.example/answers' } },
  };
  const { to } = await logoutResponse(elsewhere, { id: '_o', name: 'alice' }, { id: '_a', succeeded: true });
  expect(to.href).toMatch(/^https:\/\/id\.example\/answers\?SAMLResponse=/);
});

function signed(xml: string, key: CertifiedKey, { alg = 'rsa-sha256', hash = 'sha256' } = {}): string {
  const space = alg === 'rsa-sha1' ? '2000/09/xmldsig' : '2001/04/xmldsig-more';
  const query = new URLSearchParams({
    SAMLRequest: deflateRawSync(xml).toString('base64'),
    SigAlg: `http://www.w3.org/${space}#${alg}`,
  }).toString();
  const signature = createSign(hash).update(query).sign(key.privateKey, 'base64');
  return `${query}&${new URLSearchParams({ Signature: signature })}`;
}

const request = (more: { destination?: string; issuer?: string; name?: string; extra?: string } = {}) =>
  `<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"
    ID="_r" Version="2.0" IssueInstant="${now.toISOString()}" Destination="${more.destination ?? own.logout}"${more.extra ?? ''}>
    <saml:Issuer>${more.issuer ?? there.entityId}</saml:Issuer><saml:NameID>${more.name ?? 'alice'}</saml:NameID></samlp:LogoutRequest>`;

test('C46: a request to sign out that is not signed as it must be is not believed', async () => {
  const key = theirs.keys.signing;
  expect(await read({ by: 'redirect', query: signed(request(), key) })).toMatchObject({
    kind: 'asked',
    sessionIndexes: [],
  });
  const good = (await asks()).search.slice(1);
  const refused: readonly (readonly [query: string, reason: string])[] = [
    [signed(request(), stranger), 'signature'],
    [good.replace(/&Signature=.*/, ''), 'unsigned'],
    [good.replace(/&SigAlg=[^&]*/, ''), 'unsigned'],
    [good.replace('RelayState=', 'RelayState=x'), 'signature'],
    [signed(request(), key, { alg: 'rsa-sha1', hash: 'sha1' }), 'weak_algorithm'],
    [`${good}&SAMLRequest=AAAA`, 'sent_twice'],
    [`SAMLResponse=AAAA&${good}`, 'malformed'],
    [signed(request({ destination: 'https://other.example' }), key), 'destination'],
    [signed(request({ issuer: 'https://other.example' }), key), 'issuer'],
    [signed(request({ name: 'al<!---->ice' }), key), 'forbidden_markup'],
    [signed(request({ extra: ' NotOnOrAfter="2020-01-01T00:00:00Z"' }), key), 'time'],
    [signed(' '.repeat(1_000_000), key), 'too_large'],
  ];
  for (const [query, reason] of refused)
    await expect(read({ by: 'redirect', query })).rejects.toMatchObject({ kind: 'untrue', reason });
});

test('a request to sign out from another time is not believed', async () => {
  const sent = byRedirect(await asks());
  const at = (minutes: number) => new Date(now.getTime() + minutes * 60_000);
  expect(await read(sent, at(5))).toMatchObject({ kind: 'asked' });
  await expect(read(sent, at(7))).rejects.toMatchObject({ reason: 'time' });
  await expect(read(sent, at(-7))).rejects.toMatchObject({ reason: 'time' });
});

test('a posted request to sign out that nobody signed is not believed', async () => {
  const fields = { SAMLRequest: Buffer.from(request()).toString('base64') };
  await expect(read({ by: 'post', fields })).rejects.toMatchObject({ reason: 'unsigned' });
  await expect(read({ by: 'post', fields: { ...fields, SAMLResponse: 'AAAA' } })).rejects.toMatchObject({
    reason: 'malformed',
  });
  await expect(
    read({ by: 'post', fields: { SAMLRequest: [fields.SAMLRequest, 'AAAA'] } }),
  ).rejects.toMatchObject({ reason: 'sent_twice' });
});
