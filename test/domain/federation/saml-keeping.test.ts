import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { fetch } from 'undici';
import {
  applyProvider,
  type Federation,
  openFederation,
  readProvider,
  refreshSamlMetadata,
  sweepFederatedSessions,
} from '../../../src/domain/federation/federation.js';
import { exchangeWith } from '../../../src/domain/federation/protocols/saml.js';
import {
  listOwnKeys,
  makeOwnKeys,
  ownKeys,
  rotateOwnKeys,
} from '../../../src/domain/federation/saml/keys.js';
import { see } from '../../../src/domain/federation/saml/store.js';
import { makeCertifiedKey } from '../../../src/platform/crypto/certificates.js';
import { openKeyring } from '../../../src/platform/crypto/keyring.js';
import { randomToken } from '../../../src/platform/crypto/tokens.js';
import { type Outbound, openOutbound } from '../../../src/platform/outbound.js';
import { openWork } from '../../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';
import { openSamlPeer, type SamlPeer } from '../../support/saml-peer.js';

const issuer = new URL('https://id.example');
const keyring = openKeyring(randomToken());
const DAY = 86_400_000;
let database: TestDatabase;
let outbound: Outbound;
let federation: Federation;
let company: SamlPeer;

beforeAll(async () => {
  database = await openTestDatabase();
  outbound = openOutbound({ allowPrivateNetwork: true });
  const { db, url: listenUrl } = database;
  federation = openFederation({ db, listenUrl, keyring, outbound, issuer, allowPrivateNetwork: true });
  company = await openSamlPeer();
});

afterAll(async () => {
  await company?.close();
  await federation?.close();
  await outbound?.close();
  await database?.close();
});

beforeEach(async () => {
  company.manners.metadata = undefined;
  await database.db('identity_providers').delete();
  await declare();
});

const declare = (settings: object = {}) => {
  const read = readProvider({
    id: 'acme',
    kind: 'saml',
    name: 'Acme',
    settings: { metadata_url: company.metadataUrl, ...settings },
  });
  return openWork(database.db, { kind: 'operator' }, work => applyProvider(work, keyring, read));
};

const exchange = async (now = new Date()) => exchangeWith(await federation.reachAnyway('acme'), now);
const keeping = () => ({ db: database.db, keyring, providerId: 'acme', name: 'id.example' });
const later = (days: number) => new Date(Date.now() + days * DAY);

async function runLater(): Promise<void> {
  await database.db('federated_saml_metadata').update({ refresh_at: new Date(0) });
  const attempt = { id: '1', attempt: 1, last: false, signal: new AbortController().signal };
  await refreshSamlMetadata({ db: database.db, reachAnyway: federation.reachAnyway }).run({}, attempt);
}

const facts = () =>
  database.db('events').where('type', 'like', 'identity_provider.metadata%').orderBy('id').pluck('type');

test('what a company says about itself is read once, and again from time to time: a new key counts from then on', async () => {
  const first = await exchange();
  expect(first.theirs).toMatchObject({
    entityId: company.entityId,
    signIn: { redirect: `${company.origin}/sso`, post: `${company.origin}/sso` },
    certificates: [company.manners.key.certificate],
  });
  company.manners.key = await makeCertifiedKey({ name: 'next', from: new Date(), years: 1 });
  expect((await exchange()).theirs).toEqual(first.theirs);
  const before = (await facts()).length;
  await runLater();
  expect((await exchange()).theirs.certificates).toEqual([company.manners.key.certificate]);
  await runLater();
  expect((await facts()).slice(before)).toEqual(['identity_provider.metadata_changed']);
});

test('what cannot be read, or is about somebody else, leaves what was read before; that is on record once', async () => {
  const { theirs } = await exchange();
  const before = (await facts()).length;
  const truth = await (await fetch(company.metadataUrl)).text();
  for (const lie of [
    '<broken',
    '',
    truth.replace(company.entityId, 'https://other.example'),
    `<!DOCTYPE x>${truth}`,
  ]) {
    company.manners.metadata = lie;
    await runLater();
    expect((await exchange()).theirs).toEqual(theirs);
  }
  expect((await facts()).slice(before)).toEqual(['identity_provider.metadata_failed']);
  company.manners.metadata = undefined;
  await runLater();
  company.manners.metadata = '<broken';
  await runLater();
  expect((await facts()).slice(before)).toHaveLength(2);
});

test('what held for a time only counts no longer than that', async () => {
  const truth = await (await fetch(company.metadataUrl)).text();
  const until = later(1).toISOString();
  company.manners.metadata = truth.replace('<EntityDescriptor ', `<EntityDescriptor validUntil="${until}" `);
  expect((await exchange()).theirs.validUntil?.toISOString()).toBe(until);
  await expect(exchange(later(2))).rejects.toMatchObject({ kind: 'untrue', reason: 'metadata' });
});

test('a provider stays the company that it was, wherever its metadata comes from, until an operator names another', async () => {
  await exchange();
  await declare({ entity_id: 'https://other.example' });
  await expect(exchange()).rejects.toMatchObject({ kind: 'untrue', reason: 'metadata' });
  const truth = await (await fetch(company.metadataUrl)).text();
  const other = truth.replace(company.entityId, 'https://other.example');
  await declare({ metadata_url: undefined, metadata_xml: other });
  await expect(exchange()).rejects.toMatchObject({ kind: 'untrue', reason: 'metadata' });
  await declare({ metadata_url: undefined, metadata_xml: other, entity_id: 'https://other.example' });
  expect((await exchange()).theirs.entityId).toBe('https://other.example');
  await declare({ metadata_url: undefined, metadata_xml: truth, entity_id: company.entityId });
  expect((await exchange()).theirs.entityId).toBe(company.entityId);
});

test('a company that cannot be reached is no lie, and its settings are held to their form', async () => {
  await declare({ metadata_url: 'http://localhost:1/metadata' });
  await expect(exchange()).rejects.toMatchObject({ kind: 'unreachable' });
  expect(() => declare({ metadata_xml: '<both/>' })).toThrow(/either metadata_url or metadata_xml/);
  expect(() => declare({ name_id: 'transient' })).toThrow(/name_id/);
  expect(() => declare({ wantAssertionsSigned: false })).toThrow(/wantAssertionsSigned/);
});

test('of two who need the first keys at once both get the same', async () => {
  const [one, other] = await Promise.all([ownKeys(keeping(), new Date()), ownKeys(keeping(), new Date())]);
  expect(one).toEqual(other);
  expect(await listOwnKeys(database.db, 'acme', new Date())).toHaveLength(2);
  expect(one.signing.certificate).not.toBe(one.encryptionCertificate);
});

test('the next keys are told for a week before they sign, and what the last ones opened is opened for another', async () => {
  const first = await ownKeys(keeping(), new Date());
  const made = await makeOwnKeys(keeping(), new Date());
  const rotate = () => openWork(database.db, { kind: 'operator' }, work => rotateOwnKeys(work, 'acme', made));
  await rotate();
  const announced = await ownKeys(keeping(), later(6));
  expect(announced.signing).toEqual(first.signing);
  expect(announced.signingCertificates).toHaveLength(2);
  expect(announced.encryptionCertificate).not.toBe(first.encryptionCertificate);
  expect(announced.decryption).toEqual([expect.any(String), first.decryption[0]]);
  await expect(rotate()).rejects.toMatchObject({ code: 'rotating' });

  const signing = await ownKeys(keeping(), later(8));
  expect(signing.signing).not.toEqual(first.signing);
  expect(signing.signingCertificates).toHaveLength(2);
  const alone = await ownKeys(keeping(), later(15));
  expect(alone.signingCertificates).toEqual([signing.signing.certificate]);
  expect(alone.decryption).toEqual([announced.decryption[0]]);
});

test('a key opens under the secret and for the provider that it was sealed for alone', async () => {
  await ownKeys(keeping(), new Date());
  await expect(ownKeys({ ...keeping(), keyring: openKeyring(randomToken()) }, new Date())).rejects.toThrow();
  const { db } = database;
  await db.raw(`INSERT INTO identity_providers (id, kind, state, name, place, settings, mapping, created_at, updated_at)
    SELECT 'other', kind, state, name, place, settings, mapping, created_at, updated_at FROM identity_providers`);
  await db.raw(`INSERT INTO federated_saml_keys SELECT 'other', use, generation, sealed, certificate, created_at, signs_from
    FROM federated_saml_keys`);
  await expect(ownKeys({ ...keeping(), providerId: 'other' }, new Date())).rejects.toThrow(
    'belongs elsewhere',
  );
});

test('of twenty who bring the same assertion at once one is believed', async () => {
  for (let round = 0; round < 5; round += 1) {
    const name = Buffer.from(`assertion ${round}`);
    const tries = Array.from({ length: 20 }, () => see(database.db, 'acme', name, later(1)));
    expect((await Promise.all(tries)).filter(first => first)).toHaveLength(1);
  }
  await database.db('federated_saml_seen').delete();
});

test('what has had its time is swept, and nothing else', async () => {
  const { db } = database;
  const seen = (name: string, at: Date) => ({
    provider_id: 'acme',
    id_digest: Buffer.from(name),
    expires_at: at,
  });
  await db('federated_saml_seen').insert([seen('over', later(-1)), seen('not yet', later(1))]);
  const attempt = { id: '1', attempt: 1, last: false, signal: new AbortController().signal };
  await sweepFederatedSessions(db).run({}, attempt);
  const left = await db('federated_saml_seen').pluck('id_digest');
  expect(left.map(String)).toEqual(['not yet']);
});
