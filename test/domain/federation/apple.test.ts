import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { decodeProtectedHeader, exportSPKI, jwtVerify } from 'jose';
import { appleSecret, nameFromForm, readAppleKey } from '../../../src/domain/federation/protocols/apple.js';
import { sample } from './samples.js';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const key = { clientId: 'com.example.signin', teamId: 'TEAM123456', keyId: 'KEY1234567', privateKey: pem };

test('the secret that Apple takes is signed with the key of the operator, for Apple, for five minutes', async () => {
  const at = new Date('2026-03-01T12:00:00Z');
  const secret = await appleSecret(key, at);
  expect(decodeProtectedHeader(secret)).toEqual({ alg: 'ES256', kid: 'KEY1234567' });
  const { payload } = await jwtVerify(secret, publicKey, { currentDate: at });
  expect(payload).toEqual({
    iss: 'TEAM123456',
    sub: 'com.example.signin',
    aud: 'https://appleid.apple.com',
    iat: at.getTime() / 1_000,
    exp: at.getTime() / 1_000 + 300,
  });
});

test('the secret is another one each time', async () => {
  const [first, second] = await Promise.all([appleSecret(key, new Date(0)), appleSecret(key, new Date(0))]);
  expect(first).not.toBe(second);
});

test('a file that is no key of Apple is refused, and nothing of it is said', async () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey;
  const wrong = [
    '',
    'secret-words',
    rsa.export({ type: 'pkcs8', format: 'pem' }).toString(),
    await exportSPKI(publicKey),
  ];
  for (const file of wrong) {
    const refused = await readAppleKey(file).catch((problem: Error) => problem);
    expect(refused).toMatchObject({ kind: 'invalid', code: 'apple_key' });
    expect(String(refused)).not.toContain('secret-words');
  }
});

test('the name comes out of the form that is posted the first time, and the unsigned address beside it does not', () => {
  const user = JSON.stringify(sample('apple-form').user);
  expect(nameFromForm(user)).toEqual({
    given_name: 'John',
    family_name: 'Appleseed',
    name: 'John Appleseed',
  });
});

test('a form without a name, or with something else in its place, tells no name', () => {
  const none = [
    undefined,
    '',
    '{',
    'null',
    '[]',
    '{"name":"John"}',
    '{"email":"x@example.com"}',
    '{"name":{}}',
    7,
  ];
  for (const user of none) expect(nameFromForm(user)).toEqual({});
  expect(nameFromForm(JSON.stringify({ name: { firstName: 7, lastName: 'Appleseed' } }))).toEqual({
    family_name: 'Appleseed',
    name: 'Appleseed',
  });
  expect(nameFromForm(JSON.stringify({ name: { firstName: 'x'.repeat(3_000) } }))).toEqual({});
});
