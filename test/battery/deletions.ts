import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { newAccountId, openAccount } from '../../src/domain/accounts/accounts.js';
import { askFor } from '../../src/journeys/privacy/deletion/ask.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openWork } from '../../src/platform/storage/work.js';
import { DAY, sagaOf, whereIn } from '../support/deletion.js';
import { register } from '../support/keyhold.js';
import { NO_GOOD, openReceiver, stating } from '../support/receiver.js';
import type { Place } from './place.js';
import { openRandom } from './random.js';

/** What came of deleting many people while processes are killed. */
export interface DeletionsResult {
  readonly people: number;
  readonly recipients: number;
  readonly kills: number;
  readonly seconds: number;
  readonly problems: readonly string[];
}

/** How much is deleted, and how often a process is killed meanwhile. */
export interface DeletingMany {
  readonly secret: string;
  readonly seed: number;
  readonly people: number;
  readonly recipients: number;
  readonly kills: number;
}

const DELETER = fileURLToPath(new URL('../support/deleter.js', import.meta.url));
const TELLER = fileURLToPath(new URL('../support/teller.js', import.meta.url));
const issuer = new URL('http://localhost:4000');
const MINUTE = 60_000;

const WAYS = [
  [stating('unknown'), 'confirmed'],
  [stating('archived', { retention_reason: 'Invoices' }), 'kept'],
  [NO_GOOD['hanging up'], 'unreachable'],
] as const;

/**
 * Deletes many people whom many apps know, a third of which are dead, by two processes at a time, each killed with SIGKILL at a
 * random instant, again and again; then looks at what is left of them and at every statement.
 */
export async function runDeletions(
  place: Place,
  { secret, seed, people, recipients, kills }: DeletingMany,
  progress: (sentence: string) => void,
): Promise<DeletionsResult> {
  const began = Date.now();
  const list = join(tmpdir(), `keyhold-erased-${process.pid}.jsonl`);
  const behaviours = Object.fromEntries(WAYS.map(([behave], nr) => [`/way-${nr}`, behave]));
  const receiver = await openReceiver(behaviours);
  const random = openRandom(seed);
  const killing = { left: 0 };
  let used = 0;
  try {
    const apps = new Map<string, string>();
    for (let nr = 0; nr < recipients; nr++) {
      const way = nr % WAYS.length;
      const told = { command_endpoint: receiver.url(`/way-${way}`), commands_supported: ['delete'] };
      const metadata = { redirect_uris: ['http://127.0.0.1:9/back'], ...told };
      const { client_id } = await register(place.db, { issuer, allowPrivateNetwork: true }, metadata);
      apps.set(client_id, WAYS[way]?.[1] ?? '');
    }
    const accounts = await askAll(place, secret, people, [...apps.keys()]);
    const states = async () => {
      const rows = await place.db('deletions').select('state').count('* as count').groupBy('state');
      return Object.fromEntries(rows.map(({ state, count }) => [String(state), Number(count)]));
    };
    const through = async (state: string, later: number, most: number) => {
      killing.left += most;
      used += most;
      while (((await states())[state] ?? 0) < people) {
        const args = [DELETER, place.url, secret, issuer.href, String(later), list];
        await Promise.all([1, 2].map(() => run(args, killing, random.between(0, 900))));
        progress(`${JSON.stringify(await states())}, ${used - killing.left} kills`);
      }
    };
    const half = Math.floor(kills / 2);
    await through('told', 8 * DAY, half);
    await through('removed', 8 * DAY + 2 * MINUTE, kills - half);
    for (const passed of [0, 61_000, 3_600_000, 8 * DAY])
      await run([TELLER, place.url, secret, issuer.href, String(passed), '2000'], { left: 0 }, 0);
    await through('finished', 60 * DAY, 2);
    const problems = await compare(place, accounts, apps, list);
    return {
      people,
      recipients,
      kills: used - killing.left,
      seconds: Math.round((Date.now() - began) / 1_000),
      problems,
    };
  } finally {
    await receiver.close();
    await rm(list, { force: true });
  }
}

async function askAll(
  place: Place,
  secret: string,
  people: number,
  clientIds: readonly string[],
): Promise<readonly string[]> {
  const keyring = openKeyring(secret);
  const { telling } = sagaOf({ db: place.db, config: { issuer, secret } }, 0);
  const accounts: string[] = [];
  for (let nr = 0; nr < people; nr++) {
    const id = newAccountId();
    await openWork(place.db, { kind: 'system' }, async work => {
      await openAccount(work, keyring, { id, email: `leaving-${nr}@example.test`, language: 'en' });
      const proved = { verified_at: work.at, is_primary: true, added_at: work.at };
      await work
        .tx('email_addresses')
        .insert({ account_id: id, address: `leaving-${nr}@example.test`, ...proved });
      const row = { account_id: id, issued_at: 1, expires_at: 4e9 };
      await work
        .tx('grants')
        .insert(clientIds.map(client_id => ({ id: `${id} ${client_id}`, client_id, ...row })));
      await askFor(work, telling, { accountId: id, cause: 'person', days: 7, at: work.at });
    });
    accounts.push(id);
  }
  return accounts;
}

async function run(args: readonly string[], killing: { left: number }, after: number): Promise<void> {
  const child: ChildProcess = spawn(process.execPath, [...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  const over = once(child, 'exit');
  if (killing.left > 0) {
    killing.left--;
    await Promise.race([pause(700 + after), over]);
    child.kill('SIGKILL');
  }
  const [code] = await over;
  if (code !== null && code !== 0) throw new Error(`a process ended with ${code}`);
}

async function compare(
  place: Place,
  accounts: readonly string[],
  apps: ReadonlyMap<string, string>,
  list: string,
): Promise<readonly string[]> {
  const problems: string[] = [];
  const rows = await place.db('deletion_recipients').select('deletion_id', 'client_id', 'state', 'subject');
  if (rows.length !== accounts.length * apps.size) problems.push(`${rows.length} recipients are on record`);
  for (const { deletion_id, client_id, state, subject } of rows) {
    if (state !== apps.get(client_id)) problems.push(`${client_id} of ${deletion_id} is ${state}`);
    if (subject !== null) problems.push(`${client_id} of ${deletion_id} is still known by its subject`);
  }
  const [told] = await place.db('commands').where({ command: 'delete' }).count();
  if (Number(told?.['count']) !== rows.length) problems.push(`${told?.['count']} commands are on record`);
  for (const type of ['deletion.begun', 'deletion.told', 'account.removed', 'deletion.finished']) {
    const [seen] = await place.db('events').where({ type }).count();
    if (Number(seen?.['count']) !== accounts.length) problems.push(`${seen?.['count']} times ${type}`);
  }
  problems.push(...(await whereIn(place.db, accounts.slice(0, 20), ['events'])));
  const marks = (await readFile(list, 'utf8'))
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line).account);
  if (new Set(marks).size !== accounts.length) problems.push(`${new Set(marks).size} are in the list`);
  return problems;
}
