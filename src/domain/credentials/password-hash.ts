import { createHmac, randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import { Refusal } from '../../platform/errors.js';
import { isPasswordTooLong, normalizePassword } from './password.js';
import type { HashSetting } from './worker.js';

/** What a hasher is opened with. */
export interface PasswordHasherOptions {
  /** Kept apart from the database: `keyring.derive('password-pepper', 48)`. */
  readonly pepper: Buffer;
  /** Peppers of before: their hashes still verify, and are stale. */
  readonly retiredPeppers?: readonly Buffer[];
  readonly scheme: 'bcrypt' | 'argon2id';
  /** The cost of bcrypt (default 10). */
  readonly bcryptCost?: number;
  /** Worker threads (default: one for each core but one, at least one). */
  readonly threads?: number;
  /** How many may wait for a thread (default 32 for each thread); one more is refused. */
  readonly maxQueue?: number;
}

/** Hashes and verifies passwords in threads of its own, behind a bounded queue. */
export interface PasswordHasher {
  /** The hash to store, `$keyhold1$<pepper>$<hash of the scheme>`. */
  hash(password: string): Promise<string>;
  /** Whether it is this password, and whether its hash should be made anew under today's setting. */
  verify(password: string, stored: string): Promise<{ readonly ok: boolean; readonly stale: boolean }>;
  /** As much work as `verify`, for nobody: an unknown address must not answer sooner. */
  verifyDecoy(password: string): Promise<{ readonly ok: false; readonly stale: false }>;
  /** How many passwords are being hashed or wait for it. */
  depth(): number;
  /** How many were turned away because too many waited. */
  refusals(): number;
  close(): Promise<void>;
}

const TAG = /^\$keyhold1\$([0-9a-f]{8})(\$.+)$/;

/** Which scheme a stored hash is of. */
export function schemeOf(stored: string): 'bcrypt' | 'argon2id' {
  return TAG.exec(stored)?.[2]?.startsWith('$argon2id$') ? 'argon2id' : 'bcrypt';
}

/** Opens the pool of hashing threads; they start with the first password. */
export function openPasswordHasher(options: PasswordHasherOptions): PasswordHasher {
  const { pool, run } = openThreads(options);
  const setting = settingOf(options);
  const current = pepperId(options.pepper);
  const peppers = new Map((options.retiredPeppers ?? []).map(pepper => [pepperId(pepper), pepper]));
  peppers.set(current, options.pepper);
  const decoy = { inner: decoyOf(setting), pepper: options.pepper };

  const check = async (password: string, against: { inner: string; pepper: Buffer }): Promise<boolean> => {
    refuseTooLong(password);
    return run<boolean>('checkHash', { preHash: preHash(password, against.pepper), inner: against.inner });
  };
  return {
    hash: async password => {
      refuseTooLong(password);
      const task = { preHash: preHash(password, options.pepper), setting };
      return `$keyhold1$${current}${await run<string>('makeHash', task)}`;
    },
    verify: async (password, stored) => {
      const [, id = '', inner = ''] = TAG.exec(stored) ?? [];
      const pepper = peppers.get(id);
      // A hash that cannot be verified (its pepper is lost) costs the same as one that can.
      const ok = pepper ? await check(password, { inner, pepper }) : (await check(password, decoy)) && false;
      return { ok, stale: ok && (id !== current || isStale(inner, setting)) };
    },
    verifyDecoy: async password => {
      await check(password, decoy);
      return { ok: false, stale: false };
    },
    depth: () => pool.depth(),
    refusals: () => pool.refusals(),
    close: () => pool.close(),
  };
}

function openThreads(options: PasswordHasherOptions) {
  const threads = options.threads ?? Math.max(1, availableParallelism() - 1);
  const limit = threads + (options.maxQueue ?? 32 * threads);
  const filename = new URL('./worker.js', import.meta.url).href;
  // A lower priority (where the system grants it) lets tokens be signed in between, even on a single core.
  const pool = new Piscina({
    filename,
    minThreads: 0,
    maxThreads: threads,
    idleTimeout: 60_000,
    niceIncrement: 5,
  });
  let depth = 0;
  let refusals = 0;
  const run = async <T>(name: 'makeHash' | 'checkHash', task: object): Promise<T> => {
    if (depth >= limit) {
      refusals += 1;
      const message = 'Too many people are signing in right now. Please try again in a few seconds.';
      throw new Refusal('busy', 'password_queue_full', message, { retryAfter: 5 });
    }
    depth += 1;
    try {
      return await pool.run(task, { name });
    } finally {
      depth -= 1;
    }
  };
  return { run, pool: { depth: () => depth, refusals: () => refusals, close: () => pool.destroy() } };
}

function refuseTooLong(password: string): void {
  if (isPasswordTooLong(password)) {
    throw new Refusal('invalid', 'password_too_long', 'That is longer than any password can be here.');
  }
}

/** 64 characters of base64 whatever the password: below bcrypt's 72 bytes and free of NUL. */
function preHash(password: string, pepper: Buffer): string {
  return createHmac('sha384', pepper).update(normalizePassword(password), 'utf8').digest('base64');
}

/** Names a pepper without giving it away. */
function pepperId(pepper: Buffer): string {
  return createHmac('sha256', pepper).update('keyhold pepper id').digest('hex').slice(0, 8);
}

function settingOf(options: PasswordHasherOptions): HashSetting {
  if (options.scheme === 'bcrypt') return { scheme: 'bcrypt', cost: options.bcryptCost ?? 10 };
  return { scheme: 'argon2id', memoryCost: 19_456, timeCost: 2, parallelism: 1 };
}

/** How a hash of this setting begins. */
function prefixOf(setting: HashSetting): string {
  if (setting.scheme === 'bcrypt') return `$2b$${String(setting.cost).padStart(2, '0')}$`;
  return `$argon2id$v=19$m=${setting.memoryCost},t=${setting.timeCost},p=${setting.parallelism}$`;
}

function isStale(inner: string, setting: HashSetting): boolean {
  return !inner.startsWith(prefixOf(setting));
}

/** A well-formed hash of no password at all. */
function decoyOf(setting: HashSetting): string {
  const random = (bytes: number) => randomBytes(bytes).toString('base64').replaceAll('=', '');
  if (setting.scheme === 'argon2id') return `${prefixOf(setting)}${random(16)}$${random(32)}`;
  return prefixOf(setting) + random(64).replaceAll('+', '.').slice(0, 53);
}
