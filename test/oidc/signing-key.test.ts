import { pbkdf2 } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { compactVerify, exportJWK, generateKeyPair } from 'jose';
import { SigningKey } from '../../src/oidc/signing-key.js';

async function keyOf(alg: string) {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { key: new SigningKey({ ...(await exportJWK(privateKey)), alg, kid: `the ${alg} key` }), publicKey };
}

const encoded = (value: string | Uint8Array) => Buffer.from(value).toString('base64url');

test.each(['RS256', 'ES256', 'EdDSA'])(
  '%s: what a key of ours signs, another library verifies',
  async alg => {
    const { key, publicKey } = await keyOf(alg);
    const signed = `${encoded(JSON.stringify({ alg, kid: key.kid }))}.${encoded('a payload')}`;
    const jws = `${signed}.${encoded(await key.sign(Buffer.from(signed)))}`;
    expect((await compactVerify(jws, publicKey)).protectedHeader).toEqual({ alg, kid: `the ${alg} key` });
    expect(await exportJWK(key.keyObject())).toEqual(await exportJWK(publicKey));
  },
);

test('ES256: also a signature with short numbers in it is one', async () => {
  const { key, publicKey } = await keyOf('ES256');
  const head = encoded(JSON.stringify({ alg: 'ES256' }));
  /* One in 128 of such numbers begins with eight zeros. */
  for (let nth = 0; nth < 1_500; nth++) {
    const signed = `${head}.${encoded(String(nth))}`;
    await compactVerify(`${signed}.${encoded(await key.sign(Buffer.from(signed)))}`, publicKey);
  }
});

test.each(['ES256', 'EdDSA'])(
  '%s: a signature waits for none of the hashes that are under way',
  async alg => {
    const { key } = await keyOf(alg);
    let done = 0;
    const hashes = Array.from(
      { length: 12 },
      () =>
        new Promise<void>(resolve => {
          pbkdf2('password', 'salt', 200_000, 32, 'sha512', () => {
            done += 1;
            resolve();
          });
        }),
    );
    await key.sign(Buffer.from('x'));
    expect(done).toBe(0);
    await Promise.all(hashes);
  },
);
