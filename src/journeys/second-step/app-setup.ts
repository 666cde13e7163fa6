import { z } from 'zod';
import { appUri, drawQr, newAppSecret, type QrPicture, spelledSecret } from '../../domain/factors/factors.js';
import type { Parts } from '../journey.js';

const PURPOSE = 'app-setup';
const HALF_HOUR = 1_800_000;
const setupSchema = z.strictObject({ binding: z.string(), secret: z.string(), at: z.number() });

/** What a page shows that sets up an authenticator app. */
export interface AppSetup {
  readonly qr: QrPicture;
  /** The same to be typed. */
  readonly secret: string;
  /** What the form sends back: the secret, sealed. */
  readonly setup: string;
}

/**
 * The setting up of an app, for one person on one way (`binding`). Nothing is kept before a first code was right: the secret
 * travels sealed, and is good for half an hour.
 */
export function appSetup(
  { keyring, rp }: Pick<Parts, 'keyring' | 'rp'>,
  {
    binding,
    email,
    secret = newAppSecret(),
  }: { binding: string; email: string; secret?: string | undefined },
): AppSetup {
  const setup = keyring.seal(PURPOSE, JSON.stringify({ binding, secret, at: Date.now() }));
  return {
    qr: drawQr(appUri(secret, { issuer: rp.name, account: email })),
    secret: spelledSecret(secret),
    setup: setup.toString('base64url'),
  };
}

/** The secret that a form brought back, if it was made for this very person on this very way, and not long ago. */
export function openSetup(
  { keyring }: Pick<Parts, 'keyring'>,
  binding: string,
  sealed: unknown,
): string | undefined {
  if (typeof sealed !== 'string' || sealed.length > 2_000) return undefined;
  try {
    const text = keyring.open(PURPOSE, Buffer.from(sealed, 'base64url'));
    const setup = setupSchema.parse(JSON.parse(text));
    return setup.binding === binding && Date.now() - setup.at < HALF_HOUR ? setup.secret : undefined;
  } catch {
    return undefined;
  }
}

/** The six digits that somebody typed, however they spaced them. */
export function digitsOf(typed: string): string | undefined {
  const digits = typed.normalize('NFKC').replace(/[\s-]/g, '');
  return /^\d{6}$/.test(digits) ? digits : undefined;
}
