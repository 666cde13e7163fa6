import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { CompactSign, compactVerify, createLocalJWKSet, decodeProtectedHeader, generateKeyPair } from 'jose';
import { withdrawConsent } from '../../src/domain/consents/consents.js';
import { advanceKeys, rotateKey } from '../../src/oidc/keys.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openWork } from '../../src/platform/storage/work.js';
import { runReceipts } from '../../src/receipt-commands.js';
import { accountToken } from '../support/account-api.js';
import { personAt } from '../support/journeys.js';
import { startKeyhold, type TestKeyhold } from '../support/keyhold.js';
import { accountOf, recordedDuring } from '../support/ledger.js';
import type { Person } from '../support/person.js';
import { newMember } from '../support/protocol.js';
import { openRelyingParty, type RelyingParty } from '../support/relying-party.js';
import { csrfOf } from '../support/steps.js';

// A receipt says what was agreed, is signed, and anybody can tell whether it is genuine (ISO/IEC TS 27560, RFC 7515).

let keyhold: TestKeyhold;
let house: RelyingParty;
let album: RelyingParty;
let ada: Person;
let bea: Person;
let folder: string;
let receipt: string;
const ADA = 'ada@example.test';
const BEA = 'bea@example.test';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keyhold-receipts-'));
  keyhold = await startKeyhold();
  house = await openRelyingParty(keyhold, { first_party: true });
  album = await openRelyingParty(keyhold, {
    client_name: 'Photo Album',
    scope: 'openid profile email account:consents:read',
  });
  ada = await newMember(keyhold, house, ADA);
  bea = await newMember(keyhold, house, BEA);
  for (const person of [ada, bea]) {
    await person.goto(await album.authorizationUrl({ claims: '{"userinfo":{"nickname":null}}' }));
    await person.press('Allow');
  }
  receipt = (await download(ada, await eventOf(ADA))).html;
});

afterAll(async () => {
  await Promise.all([album?.close(), house?.close()]);
  await keyhold?.close();
  await rm(folder, { recursive: true });
});

async function eventOf(email: string, event = 'given'): Promise<string> {
  const { subject } = await keyhold
    .db('consent_subjects')
    .where({ account_id: await accountOf(keyhold.db, email) })
    .first('subject');
  const row = await keyhold.db('consent_ledger').where({ subject, event }).orderBy('nr', 'desc').first('id');
  return String(row.id);
}

const download = (person: Person, event: string) =>
  openPage(person).then(() =>
    person.post(new URL(`/account/receipts/${event}`, keyhold.origin), {
      csrf: csrfOf(person),
      for: /name="for" value="([^"]+)"/.exec(person.page.html)?.[1] ?? '',
    }),
  );

const openPage = (person: Person) => person.goto(new URL('/account/apps', keyhold.origin));

const said = (text: string) =>
  JSON.parse(Buffer.from(text.split('.')[1] ?? '', 'base64url').toString('utf8'));

async function check(text: string): Promise<{ valid: boolean; reason?: string }> {
  const answer = await fetch(new URL('/receipts/verify', keyhold.origin), {
    method: 'POST',
    headers: { 'content-type': 'application/jose' },
    body: text,
  });
  return (await answer.json()) as { valid: boolean; reason?: string };
}

async function command(...words: string[]) {
  const answer = { out: '', err: '' };
  const code = await runReceipts(words, {
    db: keyhold.db,
    config: keyhold.config,
    print: text => {
      answer.out += text;
    },
    fail: text => {
      answer.err += `${text}\n`;
    },
  });
  return { code, ...answer };
}

async function file(text: string): Promise<string> {
  const path = join(folder, `${crypto.randomUUID()}.jws`);
  await writeFile(path, text);
  return path;
}

test('a receipt says what was allowed and refused, to whom, for what, in which words, and how to take it back', () => {
  const { consent_record: record, ...whole } = said(receipt);
  expect(whole).toMatchObject({
    '@type': 'dpv:ConsentReceipt',
    schema_version: 'https://w3id.org/dpv/schema/dpv-27560#receipt-record',
    issuer: keyhold.issuer,
  });
  const { pii_processing: processing, event, pii_principal_id: principal } = record;
  expect(processing.services).toEqual({ name: 'Photo Album', client_id: album.clientId });
  const allowed = (name: string) =>
    processing.pii_information.find((each: { pii_type: string }) => each.pii_type === name)?.allowed;
  expect([allowed('openid'), allowed('email'), allowed('nickname')]).toEqual([true, true, false]);
  expect(event).toMatchObject([
    { event_type: 'given', event_state: 'dpv:ConsentGiven', entity_id: principal },
  ]);
  expect(principal).not.toContain(ADA);
  expect(JSON.stringify(whole) + JSON.stringify(record)).not.toContain(ADA);
});

test('the keys that are published verify it, with a library that knows nothing of receipts', async () => {
  const answer = await fetch(new URL('/receipts/jwks.json', keyhold.origin));
  const jwks = (await answer.json()) as { keys: { d?: string }[] };
  expect(jwks.keys.every(key => key.d === undefined)).toBe(true);
  const { protectedHeader } = await compactVerify(receipt, createLocalJWKSet(jwks as never));
  expect(protectedHeader).toMatchObject({ alg: 'ES256', cty: 'application/ld+json' });
});

test('after the keys have rotated and the one that signed is gone, it is verified as before', async () => {
  const { kid } = decodeProtectedHeader(receipt);
  const keyring = openKeyring(keyhold.config.secret);
  await openWork(keyhold.db, { kind: 'operator' }, work => rotateKey(work, keyring, 'ES256', 0));
  await openWork(keyhold.db, { kind: 'system' }, advanceKeys);
  await keyhold
    .db('signing_keys')
    .where({ state: 'retiring' })
    .update({ retires_at: new Date(0) });
  await openWork(keyhold.db, { kind: 'system' }, advanceKeys);
  expect((await keyhold.db('signing_keys').where({ kid }).first('state')).state).toBe('retired');
  expect(await check(receipt)).toMatchObject({ valid: true });
  const another = (await download(ada, await eventOf(ADA))).html;
  expect(decodeProtectedHeader(another).kid).not.toBe(kid);
  expect(await check(another)).toMatchObject({ valid: true });
});

test('altered in any one byte of it, it is refused', async () => {
  const [header = '', payload = '', signature = ''] = receipt.split('.');
  const other = (text: string, at: number) =>
    `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`;
  for (const altered of [
    `${header}.${other(payload, 40)}.${signature}`,
    `${header}.${other(payload, payload.length - 9)}.${signature}`,
    `${header}.${payload}.${other(signature, 10)}`,
    `${header}.${payload}.`,
    `${header}.${payload}`,
    `${header}.${payload}.${signature}.${signature}`,
    `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.${signature}`,
    'nothing of the kind',
    '',
  ]) {
    const { valid, reason } = await check(altered);
    expect([altered.slice(-30), valid]).toEqual([altered.slice(-30), false]);
    expect(['altered', 'unreadable']).toContain(reason);
  }
});

test('signed by a stranger, under a name of their own or under that of our key, it is refused', async () => {
  const { privateKey } = await generateKeyPair('ES256');
  const { kid = '' } = decodeProtectedHeader(receipt);
  const forge = (name: string) =>
    new CompactSign(Buffer.from(JSON.stringify(said(receipt))))
      .setProtectedHeader({ alg: 'ES256', kid: name })
      .sign(privateKey);
  expect(await check(await forge('mine'))).toEqual({ valid: false, reason: 'unknown_signer' });
  expect(await check(await forge(kid))).toEqual({ valid: false, reason: 'altered' });
});

test('of another person, an operator who names whom it is for is told so; of that person it is good', async () => {
  const path = await file(receipt);
  expect(await command('verify', path, '--email', ADA)).toMatchObject({ code: 0, err: '' });
  expect(await command('verify', path, '--email', BEA)).toEqual({
    code: 1,
    out: '',
    err: 'It is a good receipt, and of another person.\n',
  });
  expect((await command('verify', await file(`${receipt}x`))).code).toBe(1);
  expect((await command('verify')).code).toBe(2);
  expect(JSON.parse((await command('keys')).out).keys.length).toBeGreaterThan(0);
});

test('C31: nobody gets the receipt of somebody else, and nobody without signing in', async () => {
  const event = await eventOf(ADA);
  const events = await recordedDuring(keyhold.db, async () => {
    expect((await download(bea, event)).status).toBe(404);
    expect((await download(ada, '../../etc/passwd')).status).toBe(404);
    const stranger = personAt(keyhold);
    await stranger.goto(new URL('/receipts/verify', keyhold.origin));
    const path = `/account/receipts/${event}`;
    const forged = { csrf: csrfOf(stranger), for: await accountOf(keyhold.db, ADA) };
    expect((await stranger.post(new URL(path, keyhold.origin), forged)).html).not.toContain(event);
    expect((await ada.goto(new URL(path, keyhold.origin))).status).toBe(404);
  });
  expect(events.filter(({ type }) => type === 'receipt.issued')).toEqual([]);
});

test('of what was taken back there is a receipt as well, and that it was kept is on record', async () => {
  const accountId = await accountOf(keyhold.db, BEA);
  await openWork(keyhold.db, { kind: 'person', id: accountId }, work =>
    withdrawConsent(work, accountId, album.clientId),
  );
  const event = await eventOf(BEA, 'withdrawn');
  let text = '';
  const events = await recordedDuring(keyhold.db, async () => {
    text = (await download(bea, event)).html;
  });
  expect(events).toMatchObject([
    { type: 'receipt.issued', account_id: accountId, detail: { consent_event: event } },
  ]);
  expect(said(text).consent_record.event[0]).toMatchObject({
    event_type: 'withdrawn',
    event_state: 'dpv:ConsentWithdrawn',
  });
});

test('an app that is let gets it too', async () => {
  const token = await accountToken(keyhold, ada, album, 'account:consents:read');
  const event = await eventOf(ADA);
  const answer = await fetch(`${keyhold.issuer}/api/me/receipts/${event}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
  });
  const { receipt: text } = (await answer.json()) as { receipt: string };
  expect([answer.status, (await check(text)).valid]).toEqual([201, true]);
});

test('on the page, without a script, a person is told whether a file is genuine and what it says', async () => {
  const anybody = personAt(keyhold);
  await anybody.goto(new URL('/receipts/verify', keyhold.origin));
  const send = async (text: string | undefined) => {
    const form = new FormData();
    form.set('csrf', csrfOf(anybody));
    form.set('receipt', new Blob(text === undefined ? [] : [text]), 'receipt.jws');
    const answer = await fetch(new URL('/receipts/verify', keyhold.origin), {
      method: 'POST',
      headers: {
        cookie: await anybody.jar.getCookieString(keyhold.origin),
        'sec-fetch-site': 'same-origin',
        accept: 'text/html',
      },
      body: form,
    });
    return { status: answer.status, html: await answer.text() };
  };
  const genuine = await send(receipt);
  expect(genuine.status).toBe(200);
  for (const words of ['This receipt is genuine', 'Photo Album', 'Something was allowed', 'nickname'])
    expect(genuine.html).toContain(words);
  const altered = await send(`${receipt.slice(0, -4)}AAAA`);
  expect(altered.status).toBe(422);
  expect(altered.html).toContain('This receipt cannot be relied on');
  const missing = await send(undefined);
  expect(missing.status).toBe(400);
  expect(missing.html).toContain('Choose the file of a receipt.');
});
