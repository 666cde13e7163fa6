import { importPKCS8, SignJWT } from 'jose';
import { z } from 'zod';
import { Refusal } from '../../../platform/errors.js';
import type { Payload } from '../presets/preset.js';

/** What Apple gave an operator to sign with: a key of their team for one app. */
export interface AppleKey {
  readonly clientId: string;
  readonly teamId: string;
  readonly keyId: string;
  /** The .p8 file: PKCS #8 in PEM. */
  readonly privateKey: string;
}

const AUDIENCE = 'https://appleid.apple.com';
/* Apple lets one live for six months; it is made anew for each use, so it need not. */
const LIFETIME = 300;

/** The client secret that Apple takes: a JWT signed with the operator's key, good for five minutes. */
export async function appleSecret(key: AppleKey, at: Date): Promise<string> {
  const seconds = Math.floor(at.getTime() / 1_000);
  return new SignJWT()
    .setProtectedHeader({ alg: 'ES256', kid: key.keyId })
    .setIssuer(key.teamId)
    .setSubject(key.clientId)
    .setAudience(AUDIENCE)
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + LIFETIME)
    .sign(await readAppleKey(key.privateKey));
}

/** Reads the .p8 file of Apple, or says what is wrong with it and nothing of what it holds. */
export async function readAppleKey(pem: string): Promise<CryptoKey> {
  try {
    return await importPKCS8(pem.trim(), 'ES256');
  } catch {
    throw new Refusal(
      'invalid',
      'apple_key',
      'The private key is not the .p8 file (ES256) that Apple gave out.',
    );
  }
}

const part = z.string().trim().max(200).catch('');
const formSchema = z.object({ name: z.object({ firstName: part, lastName: part }) });

/**
 * The name in the form that Apple posts, once, when somebody allows the app for the first time. It is not signed: whoever
 * holds the browser could have typed it, so it is taken as a name that somebody told, and the address beside it never.
 */
export function nameFromForm(user: unknown): Payload {
  if (typeof user !== 'string' || user.length > 2_000) return {};
  const { firstName, lastName } = nameIn(user) ?? { firstName: '', lastName: '' };
  const name = [firstName, lastName].filter(Boolean).join(' ');
  return {
    ...(firstName !== '' && { given_name: firstName }),
    ...(lastName !== '' && { family_name: lastName }),
    ...(name !== '' && { name }),
  };
}

function nameIn(user: string): { readonly firstName: string; readonly lastName: string } | undefined {
  try {
    return formSchema.safeParse(JSON.parse(user)).data?.name;
  } catch {
    return undefined;
  }
}
