import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { newAccountId, openAccount } from '../../src/domain/accounts/accounts.js';
import { addVerifiedEmail } from '../../src/domain/contacts/contacts.js';
import {
  applySchema,
  readSchema,
  setAttributes,
  standardSchema,
} from '../../src/domain/profiles/profiles.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import type { Db } from '../../src/platform/storage/db.js';
import { openWork } from '../../src/platform/storage/work.js';
import { DAY } from '../support/deletion.js';
import { openRandom, type Random } from './random.js';

/** What came of removing values whose time is over. */
export interface RetentionResult {
  readonly values: number;
  readonly kills: number;
  readonly problems: readonly string[];
}

/** Where, of how many people, and how often a process is killed at each of the two steps. */
export interface Retaining {
  readonly db: Db;
  readonly url: string;
  readonly secret: string;
  readonly seed: number;
  readonly people: number;
  /** At a place that is chosen, in the middle of a transaction; and so often at any instant. */
  readonly kills: { readonly inside: number; readonly anywhere: number };
}

const RETAINER = fileURLToPath(new URL('../support/retainer.js', import.meta.url));
const ATTRIBUTES = ['one', 'two'];
const KEPT_DAYS = 60;

/**
 * Gives people values that are kept for sixty days; tells them of their end and removes them, by two processes at a time that are
 * killed with SIGKILL; looks after each kill, and at the end, at what is there, what is on record, and what was written.
 */
export async function runRetention(retaining: Retaining): Promise<RetentionResult> {
  const { db, people, kills, seed } = retaining;
  const random = openRandom(seed);
  const accounts = await plant(retaining);
  const problems = new Set<string>();
  const look = async (isOver: boolean) => {
    for (const problem of await compare(db, accounts, isOver)) problems.add(problem);
  };
  let killed = 0;
  const step = async (later: number, table: string, where: object) => {
    const left = (): Promise<string[]> =>
      db('profile_attributes')
        .whereIn('attribute', ATTRIBUTES)
        .where(where)
        .orderBy('account_id')
        .pluck('account_id');
    for (let kill = 0; kill < kills.inside + kills.anywhere; kill++) {
      const ids = await left();
      if (ids.length === 0) break;
      const inside = kill < kills.inside;
      const instant = inside ? await insideOf(db, table, random.pick(ids)) : anywhere(random);
      const isLast = kill + 1 === kills.inside + kills.anywhere;
      killed += await killOne(retaining, later, instant, isLast);
      await look(false);
    }
    while ((await left()).length > 0) await start(retaining, later).over;
  };
  await step(0, 'profile_attributes', { ends_told_at: null });
  await step(20 * DAY, 'accounts', {});
  await look(true);
  return { values: people * ATTRIBUTES.length, kills: killed, problems: [...problems] };
}

async function plant({ db, secret, people }: Retaining): Promise<readonly string[]> {
  const file = JSON.parse(standardSchema().text);
  const words = { name: { en: 'B' }, why: { en: 'B' } };
  file.purposes.push({ id: 'brief', basis: 'consent', ...words, retention: `${KEPT_DAYS} days` });
  const common = { type: 'text', purpose: 'brief', see: ['person', 'operator'], change: ['person'] };
  for (const name of ATTRIBUTES) file.attributes.push({ name, ...common, label: { en: name } });
  const read = readSchema(JSON.stringify(file));
  if ('problems' in read) throw new Error(JSON.stringify(read.problems));
  const { schema } = read;
  const keyring = openKeyring(secret);
  const given = new Date(Date.now() - (KEPT_DAYS - 10) * DAY);
  const ids = Array.from({ length: people }, newAccountId);
  await openWork(db, { kind: 'system' }, work =>
    applySchema(work, schema, { source: 'operator', version: 1 }),
  );
  for (const id of ids)
    await openWork(db, { kind: 'system' }, async work => {
      const email = `${id}@example.test`;
      await openAccount(work, keyring, { id, email, language: 'en' });
      await addVerifiedEmail(work, id, email);
      const values = Object.fromEntries(ATTRIBUTES.map(name => [name, `${name} of ${id}`]));
      await setAttributes({ ...work, at: given }, schema, id, values, 'person');
    });
  return ids;
}

interface Started {
  readonly child: ChildProcess;
  /** It has loaded, and begins. */
  readonly begun: Promise<unknown>;
  readonly over: Promise<void>;
}

function start({ url, secret }: Retaining, later: number): Started {
  const args = [RETAINER, url, secret, 'http://localhost:4000', String(later)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close').then(([code]) => {
    if (code !== null && code !== 0) throw new Error(`a process ended with ${code}`);
  });
  return { child, begun: Promise.race([once(child.stdout, 'data'), ended]), over: ended };
}

/** When to kill: `come` settles then; `after` frees what was held for it. */
interface Instant {
  readonly come: () => Promise<void>;
  readonly after: () => Promise<void>;
}

/* Holds a row, so that a process waits for it with half of its transaction done. */
async function insideOf(db: Db, table: string, accountId: string): Promise<Instant> {
  const tx = await db.transaction();
  const own = table === 'accounts' ? { id: accountId } : { account_id: accountId };
  await tx(table).where(own).forUpdate().select(tx.raw('1'));
  let held = true;
  const isMet = async () => {
    /* What another role waits for is told by its locks alone. */
    const { rows } = await db.raw('SELECT 1 FROM pg_locks WHERE NOT granted');
    return rows.length > 0;
  };
  return {
    come: async () => {
      while (held && !(await isMet())) await pause(10);
    },
    after: async () => {
      held = false;
      await tx.rollback();
    },
  };
}

const anywhere = (random: Random): Instant => {
  const after = random.between(0, 300);
  return { come: () => pause(after), after: async () => undefined };
};

/* Of two that are at it one is killed; the last time the other goes on, before that it is killed as well, a little later. */
async function killOne(
  retaining: Retaining,
  later: number,
  { come, after }: Instant,
  goesOn: boolean,
): Promise<number> {
  const [victim, other] = [start(retaining, later), start(retaining, later)];
  await Promise.all([victim.begun, other.begun]);
  await Promise.race([come(), victim.over]);
  const killed = [victim.child.kill('SIGKILL')];
  await after();
  if (!goesOn) killed.push(other.child.kill('SIGKILL'));
  await Promise.all([victim.over, other.over]);
  return killed.filter(Boolean).length;
}

/* What somebody has not any more stands in their history once, what they have does not; and of both they were told once. */
async function compare(db: Db, accounts: readonly string[], isOver: boolean): Promise<readonly string[]> {
  const problems: string[] = [];
  const held = await db('profile_attributes').whereIn('attribute', ATTRIBUTES);
  const there = new Map(
    held.map(({ account_id, attribute, ends_told_at }) => [`${account_id} ${attribute}`, ends_told_at]),
  );
  const gone = new Map<string, number>();
  for (const { account_id, detail } of await db('events').where({ type: 'profile.expired' })) {
    const key = `${account_id} ${detail.attribute}`;
    gone.set(key, (gone.get(key) ?? 0) + 1);
  }
  const written = new Map<string, number>();
  for (const { account_id } of await db('messages').where({ template: 'notice/profile_ending' }))
    written.set(account_id, (written.get(account_id) ?? 0) + 1);
  for (const id of accounts) {
    const keys = ATTRIBUTES.map(name => `${id} ${name}`);
    for (const key of keys) {
      const times = gone.get(key) ?? 0;
      if (times !== (there.has(key) ? 0 : 1))
        problems.push(`${key} is ${there.has(key) ? '' : 'not '}there, and ${times} times gone`);
    }
    const isTold = keys.some(key => there.get(key) !== null);
    if ((written.get(id) ?? 0) !== (isTold ? 1 : 0))
      problems.push(`${id} was told ${written.get(id) ?? 0} times`);
  }
  if (isOver && there.size > 0) problems.push(`${there.size} values are left`);
  return problems;
}
