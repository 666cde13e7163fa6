import { hash } from 'node:crypto';

/** Why a password is not taken; pages translate it into plain words. */
export type PasswordReason = 'too_short' | 'too_long' | 'repeated' | 'sequence' | 'context_word' | 'common';

/** How many characters a password needs: on its own, or where a second factor stands behind it (SP 800-63B-4 §3.1.1.2). */
export const PASSWORD_MINIMUM = { alone: 15, withSecondFactor: 8 } as const;

/** More than this is refused before any work is done with it. */
export const PASSWORD_MAXIMUM = { characters: 128, bytes: 1024 } as const;

/** The one form in which a password is measured, hashed and compared: two spellings of one text are one password. */
export function normalizePassword(password: string): string {
  return password.normalize('NFC');
}

/** Whether a password is longer than any that was ever taken. */
export function isPasswordTooLong(password: string): boolean {
  // UTF-16 units never outnumber UTF-8 bytes, so this line alone settles the megabyte without reading it.
  if (password.length > PASSWORD_MAXIMUM.bytes) return true;
  const normal = normalizePassword(password);
  return (
    Buffer.byteLength(normal, 'utf8') > PASSWORD_MAXIMUM.bytes ||
    countCharacters(normal) > PASSWORD_MAXIMUM.characters
  );
}

/** Says that a password is too short or too long; each code point counts as one character. */
export function lengthReason(password: string, minimum: number): 'too_short' | 'too_long' | undefined {
  if (isPasswordTooLong(password)) return 'too_long';
  return countCharacters(normalizePassword(password)) < minimum ? 'too_short' : undefined;
}

/** Says that a password is one short block over and over, or a walk along the alphabet or the keyboard. */
export function patternReason(password: string, minimum: number): 'repeated' | 'sequence' | undefined {
  const folded = foldPassword(password);
  const forms = [folded, squeeze(folded), coreOf(folded)];
  if (forms.some(form => isRepeated(form, minimum))) return 'repeated';
  return forms.some(isWalk) ? 'sequence' : undefined;
}

/** What remains of a password without the words that belong to the person or the product; undefined when none is in it. */
export function withoutContext(password: string, context: readonly string[]): string | undefined {
  const whole = squeeze(foldPassword(password));
  let rest = whole;
  for (const word of contextWords(context)) rest = rest.replaceAll(word, '');
  return rest === whole ? undefined : rest;
}

/** Whether so little is left that it would be guessed at once. */
export function isThin(rest: string, minimum: number): boolean {
  return countCharacters(rest) < Math.ceil(minimum / 2) || isRepeated(rest, minimum) || isWalk(rest);
}

/** The spellings under which a password is looked up in the blocklists. */
export function blocklistForms(password: string): readonly string[] {
  const folded = foldPassword(password);
  const tailless = dropPadding(folded, folded.replace(/[^\p{L}]+$/u, ''));
  const plain = [folded, squeeze(folded), tailless, coreOf(folded)];
  const forms = new Set(plain);
  for (const form of plain) for (const letter of ['i', 'l']) forms.add(readLeet(form, letter));
  forms.delete('');
  return [...forms];
}

/** Letter case and compatibility forms do not make a listed password another one. */
export function foldPassword(password: string): string {
  return password.normalize('NFKC').toLowerCase();
}

/** What a word of the built-in blocklist is kept as: 53 bits that cost no memory to compute (Bryc, cyrb53). */
export function commonDigest(folded: string): number {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let at = 0; at < folded.length; at += 1) {
    const unit = folded.charCodeAt(at);
    high = Math.imul(high ^ unit, 2_654_435_761);
    low = Math.imul(low ^ unit, 1_597_334_677);
  }
  high = Math.imul(high ^ (high >>> 16), 2_246_822_507) ^ Math.imul(low ^ (low >>> 13), 3_266_489_909);
  low = Math.imul(low ^ (low >>> 16), 2_246_822_507) ^ Math.imul(high ^ (high >>> 13), 3_266_489_909);
  return 0x1_0000_0000 * (low & 0x1f_ffff) + (high >>> 0);
}

/** What a word of a loaded blocklist is kept as. */
export function blockedDigest(folded: string): Buffer {
  return hash('sha256', folded, 'buffer').subarray(0, 16);
}

function countCharacters(text: string): number {
  return [...text].length;
}

function squeeze(text: string): string {
  return text.replace(/[^\p{L}\p{M}\p{N}]+/gu, '');
}

function coreOf(folded: string): string {
  return dropPadding(folded, folded.replace(/^[^\p{L}]+/u, '').replace(/[^\p{L}]+$/u, ''));
}

/** `core` only if what was cut off around it is a few characters or a pattern; else the password lives in its padding. */
function dropPadding(folded: string, core: string): string {
  if (core === '') return folded;
  const start = folded.indexOf(core);
  const padding = [folded.slice(0, start), folded.slice(start + core.length)];
  return padding.every(pad => countCharacters(pad) <= 6 || isRepeated(pad, Infinity) || isWalk(pad))
    ? core
    : folded;
}

/** Whether one block shorter than `minimum` fills the whole text, the last time perhaps cut off. */
function isRepeated(text: string, minimum: number): boolean {
  const characters = [...text];
  const longest = Math.min(Math.floor(characters.length / 2), minimum - 1);
  for (let block = 1; block <= longest; block += 1) {
    if (characters.every((character, at) => at < block || character === characters[at - block])) return true;
  }
  return false;
}

const KEYBOARD_PATHS = [
  'qwertyuiop',
  'asdfghjkl',
  'zxcvbnm',
  'qwertzuiopü',
  'yxcvbnm',
  'azertyuiop',
  'qsdfghjklm',
  'wxcvbn',
  '90',
  ...['1qaz', '2wsx', '3edc', '4rfv', '5tgb', '6yhn', '7ujm', '1qay', '6zhn'],
  '1q2w3e4r5t6y7u8i9o0p',
];

const KEYBOARD_STEPS = new Set(
  KEYBOARD_PATHS.flatMap(path =>
    [...path].slice(1).flatMap((key, at) => [path.charAt(at) + key, key + path.charAt(at)]),
  ),
);

/** Whether at least three of four steps from character to character go nowhere, one on, one back, or to the next key. */
function isWalk(text: string): boolean {
  const characters = [...squeeze(text)];
  if (characters.length < 3) return false;
  const steps = characters.slice(1).filter((character, at) => isStep(characters[at] ?? '', character)).length;
  return steps / (characters.length - 1) >= 0.75;
}

function isStep(from: string, to: string): boolean {
  return (
    Math.abs((from.codePointAt(0) ?? 0) - (to.codePointAt(0) ?? 0)) <= 1 || KEYBOARD_STEPS.has(from + to)
  );
}

const LEET: Readonly<Record<string, string>> = {
  '@': 'a',
  '4': 'a',
  '8': 'b',
  '3': 'e',
  '6': 'g',
  '9': 'g',
  '0': 'o',
  $: 's',
  '5': 's',
  '7': 't',
  '+': 't',
  '2': 'z',
};

function readLeet(text: string, one: string): string {
  return text.replace(/[@483690$57+21!|]/g, sign => LEET[sign] ?? one);
}

/** The words of names and addresses, longest first; the last label of a domain says nothing. */
function contextWords(context: readonly string[]): readonly string[] {
  const words = new Set<string>();
  for (const value of context) {
    const folded = foldPassword(value.slice(0, 512));
    const told = folded.includes('@') ? folded.replace(/\.[^.@]*$/, '') : folded;
    for (const part of [...told.split('@'), ...told.split(/[^\p{L}\p{M}\p{N}]+/u)]) words.add(squeeze(part));
  }
  return [...words].filter(word => countCharacters(word) >= 3).sort((a, b) => b.length - a.length);
}
