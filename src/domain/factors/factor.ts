import { hash, randomInt } from 'node:crypto';
import { generateSecret, generateURI, verifySync } from 'otplib';
import { create } from 'qrcode';

/** An app that shows codes, as its owner sees it. */
export interface AuthenticatorApp {
  readonly id: string;
  readonly name: string;
  readonly addedAt: Date;
  readonly lastUsedAt: Date | undefined;
}

/** All that an account can do a second step with, besides a passkey. */
export interface Factors {
  readonly apps: readonly AuthenticatorApp[];
  /** Those that a recovery has suspended: they prove nothing. */
  readonly suspended: readonly AuthenticatorApp[];
  /** How many recovery codes are left, and when the latest was made. */
  readonly codes: { readonly left: number; readonly madeAt: Date } | undefined;
}

/** So many authenticator apps fit into one account. */
export const MOST_APPS = 5;

/** So many recovery codes there are. */
export const CODES = 10;

const PERIOD = 30;

/** A new secret for an authenticator app: 160 bits (RFC 4226 §4, R6). */
export function newAppSecret(): string {
  return generateSecret({ length: 20 });
}

/** What an authenticator app reads from a QR code. */
export function appUri(
  secret: string,
  { issuer, account }: { readonly issuer: string; readonly account: string },
): string {
  return generateURI({ issuer, label: account, secret });
}

/** A QR code as the path of a picture whose units are its modules, with the quiet zone that readers need. */
export interface QrPicture {
  readonly size: number;
  readonly path: string;
}

const QUIET = 4;

/** Draws a QR code. */
export function drawQr(text: string): QrPicture {
  const { size, data } = create(text, { errorCorrectionLevel: 'M' }).modules;
  const dark = [...data].flatMap((module, at) => (module ? [at] : []));
  const path = dark.map(at => `M${(at % size) + QUIET} ${Math.floor(at / size) + QUIET}h1v1h-1z`).join('');
  return { size: size + 2 * QUIET, path };
}

/** The period whose code this is, by our clock: the current one, or the one before and after it for clocks that differ. */
export function periodOf(secret: string, code: string, at: Date): number | undefined {
  if (!/^\d{6}$/.test(code)) return undefined;
  const epoch = Math.floor(at.getTime() / 1000);
  const checked = verifySync({ secret, token: code, epoch, epochTolerance: PERIOD });
  return checked.valid && 'timeStep' in checked ? checked.timeStep : undefined;
}

/** A secret as somebody types it who cannot scan: in groups of four. */
export function spelledSecret(secret: string): string {
  return secret.replace(/.{4}(?=.)/g, '$& ');
}

/** A digest by which a secret of an account is known again. */
export function secretDigest(secret: string): Buffer {
  return hash('sha256', secret, 'buffer');
}

/* Without 0, 1, I and O, which look alike: five bits a character. */
const ALPHABET = '23456789ABCDEFGHJKLMNPQRSTUVWXYZ';
const SELECTOR = 2;
const SECRET = 14;

/** A recovery code: two characters by which its hash is found, and 70 random bits. */
export function newRecoveryCode(taken: ReadonlySet<string>): string {
  let selector = draw(SELECTOR);
  while (taken.has(selector)) selector = draw(SELECTOR);
  return selector + draw(SECRET);
}

/** A whole set of recovery codes. */
export function newRecoveryCodes(): readonly string[] {
  const codes: string[] = [];
  while (codes.length < CODES) codes.push(newRecoveryCode(new Set(codes.map(selectorOf))));
  return codes;
}

function draw(length: number): string {
  return Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
}

/** By what the hash of a recovery code is found. */
export function selectorOf(code: string): string {
  return code.slice(0, SELECTOR);
}

/** A recovery code as it is shown: in groups of four. */
export function spelledCode(code: string): string {
  return code.replace(/.{4}(?=.)/g, '$&-');
}

/** The recovery code that somebody typed, however they spaced it; undefined when it cannot be one. */
export function typedCode(typed: string): string | undefined {
  const code = typed
    .normalize('NFKC')
    .toUpperCase()
    .replace(/[\s\-‐‑–—_.]/g, '');
  const known = code.length === SELECTOR + SECRET && [...code].every(sign => ALPHABET.includes(sign));
  return known ? code : undefined;
}
