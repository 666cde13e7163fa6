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
import { type Behaviour, NO_GOOD, openReceiver, stating } from '../support/receiver.js';
import type { Place } from './place.js';
import { openRandom } from './random.js';
import type { Rig } from './rig.js';
import { type SignIns, startSignIns } from './sign-ins.js';

/** What came of deleting many people while processes are killed. */
export interface DeletionsResult {
  readonly people: number;
  readonly recipients: number;
  readonly kills: number;
  readonly seconds: number;
  /** How long signing in took, in milliseconds, before and while the servers themselves delete. */
  readonly signIns: Readonly<Record<'before' | 'meanwhile', ReturnType<SignIns['took']>>>;
  /** 95th percentile meanwhile, of that before. */
  readonly ratio: number;
  readonly problems: readonly string[];
}

/** How much is deleted, and how often a process is killed meanwhile. */
export interface DeletingMany {
  readonly seed: number;
  readonly people: number;
  readonly recipients: number;
  readonly kills: number;
  /** How long sign-ins are measured before, and while the servers delete. */
  readonly measured: { readonly before: number; readonly meanwhile: number };
}

const DELETER = fileURLToPath(new URL('../support/deleter.js', import.meta.url));
const TELLER = fileURLToPath(new URL('../support/teller.js', import.meta.url));
const issuer = new URL('http://localhost:4000');
const MINUTE = 60_000;

/* A third is no good, and each of them in another way. */
const GOOD: readonly (readonly [Behaviour, string])[] = [
  [stating('unknown'), 'confirmed'],
  [stating('archived', { retention_reason: 'Invoices' }), 'kept'],
];
const BAD: readonly Behaviour[] = [
  NO_GOOD['hanging up'],
  NO_GOOD.slow,
  NO_GOOD['confirming for somebody else'],
  NO_GOOD.broken,
];
const NONE = 'none';
const MOST_RATIO = 1.2;
const PER_SECOND = 3;

/**
 * Deletes many people whom many apps know, a third of which are dead, slow or lying. At first the servers themselves do it, while
 * others sign in; then two processes at a time, each killed with SIGKILL at a random instant, again and again, until it is done.
 * Then looks at what is left of them and at every statement.
 */
export async function runDeletions(
  rig: Rig,
  { seed, people, recipients, kills, measured }: DeletingMany,
  progress: (sentence: string) => void,
): Promise<DeletionsResult> {
  const { place, secret } = rig;
  const began = Date.now();
  const list = join(tmpdir(), `keyhold-erased-${process.pid}.jsonl`);
  const ways = Array.from({ length: recipients }, (_, nr) => wayOf(nr));
  const receiver = await openReceiver(Object.fromEntries(ways.map(([behave], nr) => [`/app-${nr}`, behave])));
  const random = openRandom(seed);
  const killing = { left: 0 };
  let used = 0;
  try {
    const apps = new Map<string, string>();
    for (const [nr, [, ends]] of ways.entries()) {
      const told = { command_endpoint: receiver.url(`/app-${nr}`), commands_supported: ['delete'] };
      const metadata = { redirect_uris: ['http://127.0.0.1:9/back'], ...told };
      const { client_id } = await register(place.db, { issuer, allowPrivateNetwork: true }, metadata);
      apps.set(client_id, ends);
    }
    const accounts = await plant(place, secret, people, [...apps.keys()]);
    progress(`${people} people whom ${recipients} apps know`);
    const { signIns, problems } = await deleteAmongSignIns(rig, accounts, measured, progress);
    const through = async (state: string, past: readonly string[], later: number, most: number) => {
      killing.left += most;
      used += most;
      let counts = await countStates(place);
      while ([state, ...past].reduce((sum, each) => sum + (counts[each] ?? 0), 0) < people) {
        const args = [DELETER, place.url, secret, issuer.href, String(later), list];
        await Promise.all([1, 2].map(() => run(args, killing, random.between(0, 900))));
        counts = await countStates(place);
        progress(`${JSON.stringify(counts)}, ${used - killing.left} kills`);
      }
    };
    const half = Math.floor(kills / 2);
    await through('told', ['removed', 'finished'], 0, half);
    await through('removed', ['finished'], 2 * MINUTE, kills - half);
    for (const passed of [2 * MINUTE, 3_600_000, 8 * DAY]) await tellAll(rig, passed, progress);
    await through('finished', [], 60 * DAY, 2);
    problems.push(...(await compare(place, accounts, apps, list)));
    const ratio = Number((signIns.meanwhile.p95 / signIns.before.p95).toFixed(2));
    if (!(ratio <= MOST_RATIO)) problems.push(`p95 of sign-ins was ${ratio} times as long meanwhile`);
    return {
      people,
      recipients,
      kills: used - killing.left,
      seconds: Math.round((Date.now() - began) / 1_000),
      signIns,
      ratio,
      problems,
    };
  } finally {
    await receiver.close();
    await rm(list, { force: true });
  }
}

function wayOf(nr: number): readonly [behave: Behaviour, ends: string] {
  const bad = nr % 3 === 0 ? BAD[(nr / 3) % BAD.length] : undefined;
  return bad ? [bad, NONE] : (GOOD[nr % GOOD.length] ?? [stating('unknown'), 'confirmed']);
}

async function countStates({ db }: Place): Promise<Readonly<Record<string, number>>> {
  const rows = await db('deletions').select('state').count('* as count').groupBy('state');
  return Object.fromEntries(rows.map(({ state, count }) => [String(state), Number(count)]));
}

/* As the product does it: by its own jobs, beside all else that it does. Their days of waiting are over when they ask. */
async function deleteAmongSignIns(
  rig: Rig,
  accounts: readonly string[],
  { before, meanwhile }: DeletingMany['measured'],
  progress: (sentence: string) => void,
): Promise<Pick<DeletionsResult, 'signIns'> & { readonly problems: string[] }> {
  const { place, secret } = rig;
  const signIns = await startSignIns(rig, PER_SECOND);
  await pause(5_000);
  signIns.during('before');
  await pause(before);
  signIns.during('asking');
  const { telling } = sagaOf({ db: place.db, config: { issuer, secret } }, 0);
  const at = new Date(Date.now() - 8 * DAY);
  for (const accountId of accounts)
    await openWork(place.db, { kind: 'system' }, work =>
      askFor(work, telling, { accountId, cause: 'person', days: 7, at }),
    );
  await place.ask(
    `SELECT graphile_worker.add_job('look-after-deletions', job_key => 'look-after-deletions')`,
  );
  signIns.during('meanwhile');
  await pause(meanwhile);
  await signIns.stop();
  const took = { before: signIns.took('before'), meanwhile: signIns.took('meanwhile') };
  progress(`${JSON.stringify(took)}, ${JSON.stringify(await countStates(place))}`);
  for (const server of rig.servers) await server.end('SIGTERM');
  /* What they held is free after ninety seconds: made past by SQL. */
  await place.ask('UPDATE graphile_worker._private_jobs SET locked_at = NULL, locked_by = NULL');
  return { signIns: took, problems: [...signIns.problems] };
}

/* Until nobody is to be told any more at that time. */
async function tellAll({ place, secret }: Rig, passed: number, progress: (sentence: string) => void) {
  const due = async () => {
    const at = new Date(Date.now() + passed);
    const [row] = await place.db('commands').where({ state: 'waiting' }).where('due_at', '<=', at).count();
    return Number(row?.['count']);
  };
  for (let [left, before] = [await due(), Number.POSITIVE_INFINITY]; left > 0 && left < before; ) {
    const args = [TELLER, place.url, secret, issuer.href, String(passed), '1000'];
    await Promise.all([1, 2].map(() => run(args, { left: 0 }, 0)));
    [before, left] = [left, await due()];
    progress(`${left} are still to be told`);
  }
}

async function plant(
  place: Place,
  secret: string,
  people: number,
  clientIds: readonly string[],
): Promise<readonly string[]> {
  const keyring = openKeyring(secret);
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
    const ends = ['unreachable', 'refused'].includes(state) ? NONE : state;
    if (ends !== apps.get(client_id)) problems.push(`${client_id} of ${deletion_id} is ${state}`);
    if (subject !== null) problems.push(`${client_id} of ${deletion_id} is still known by its subject`);
  }
  const [told] = await place.db('commands').where({ command: 'delete' }).count();
  if (Number(told?.['count']) !== rows.length) problems.push(`${told?.['count']} commands are on record`);
  for (const type of ['deletion.begun', 'deletion.told', 'account.removed', 'deletion.finished']) {
    const [seen] = await place.db('events').where({ type }).count();
    if (Number(seen?.['count']) !== accounts.length) problems.push(`${seen?.['count']} times ${type}`);
  }
  for (const account of accounts.slice(0, 20))
    problems.push(...(await whereIn(place.db, [account], ['events'])));
  const marks = (await readFile(list, 'utf8'))
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line).account);
  if (new Set(marks).size !== accounts.length) problems.push(`${new Set(marks).size} are in the list`);
  return problems;
}
