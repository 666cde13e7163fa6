import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { v7 as uuidv7 } from 'uuid';
import { sendCommands, type Telling } from '../../src/domain/commands/commands.js';
import { type Keyring, openKeyring } from '../../src/platform/crypto/keyring.js';
import { openWork } from '../../src/platform/storage/work.js';
import { register } from '../support/keyhold.js';
import {
  answering,
  type Behaviour,
  NO_GOOD,
  openReceiver,
  type Receiver,
  stating,
} from '../support/receiver.js';
import type { Place } from './place.js';
import { openRandom } from './random.js';

/** What came of telling many apps of many people. */
export interface CommandsResult {
  readonly commands: number;
  readonly requests: number;
  /** How many were told again after a process was killed, or was about to be. */
  readonly twice: number;
  readonly kills: number;
  /** Of apps that answer, until the last of them was told of everybody. */
  readonly answeringSeconds: number;
  readonly megabytes: number;
  readonly problems: readonly string[];
}

/** How much is told, and how often a process is killed meanwhile. */
export interface TellingMany {
  /** Of the installation whose database it is. */
  readonly secret: string;
  readonly seed: number;
  readonly people: number;
  readonly recipients: number;
  readonly kills: number;
}

const TELLER = fileURLToPath(new URL('../support/teller.js', import.meta.url));
const issuer = new URL('http://localhost:4000');
const MINUTE = 60_000;
/** A quarter of a day of the apps' time is all they are tried for, so that the run is over today. */
const DAYS = 0.25;
const TELLERS = 2;

interface App {
  readonly path: string;
  readonly behave: Behaviour;
  readonly way: 'command' | 'risc' | 'webhook';
  readonly ends: string;
}

const GOOD: readonly Omit<App, 'path'>[] = [
  { way: 'command', behave: stating('unknown'), ends: 'confirmed' },
  { way: 'command', behave: stating('archived', { retention_reason: 'Invoices' }), ends: 'kept' },
  { way: 'risc', behave: answering(202), ends: 'received' },
  { way: 'webhook', behave: stating('unknown'), ends: 'confirmed' },
];

const DOWN: readonly string[] = ['slow', 'broken', 'sending a huge body', 'hanging up'];

const BAD: readonly Omit<App, 'path'>[] = Object.entries(NO_GOOD).map(([name, behave]) => ({
  way: 'command',
  behave,
  ends: DOWN.includes(name) ? 'unreachable' : 'refused',
}));

function pick<T>(from: readonly T[], at: number): T {
  const found = from[at % from.length];
  if (found === undefined) throw new Error('there is nothing to pick from');
  return found;
}

/**
 * Tells many apps, a third of which are dead, slow or lying, that many people are gone, by two processes one of which is killed
 * from time to time; lets hours go by on their clock; and compares what is on record with what each app is.
 */
export async function runCommands(
  place: Place,
  { secret, seed, people, recipients, kills }: TellingMany,
  progress: (sentence: string) => void,
): Promise<CommandsResult> {
  const apps = Array.from({ length: recipients }, (_, nth): App => {
    const kind = nth % 3 === 0 ? pick(BAD, nth / 3) : pick(GOOD, nth);
    return { ...kind, path: `/app-${nth}` };
  });
  const receiver = await openReceiver(Object.fromEntries(apps.map(({ path, behave }) => [path, behave])));
  const tellers = openTellers(place, secret);
  try {
    const clients = await registerAll(place, apps, receiver);
    await sendAll(place, openKeyring(secret), [...clients.keys()], people);
    const began = Date.now();
    const random = openRandom(seed);
    let later = 0;
    const answeringClients = [...clients].filter(([, { ends }]) => isGood(ends)).map(([id]) => id);
    const killing = { left: kills };
    while ((await open(place, answeringClients)) > 0) {
      await Promise.all(
        Array.from({ length: TELLERS }, () => tellers.run(later, killing, () => random.between(300, 2_500))),
      );
      /* What a killed process had begun is free again a minute later. */
      later += 61_000;
      progress(`${await open(place, answeringClients)} left of apps that answer`);
    }
    const answeringSeconds = Math.round((Date.now() - began) / 1_000);
    while ((await open(place, [...clients.keys()])) > 0) {
      later += 20 * MINUTE;
      await Promise.all(Array.from({ length: TELLERS }, () => tellers.run(later, { left: 0 }, () => 0)));
      progress(`${await open(place, [...clients.keys()])} left after ${Math.round(later / MINUTE)} minutes`);
    }
    const result = await compare(place, clients, receiver, people);
    return { ...result, kills: kills - killing.left, answeringSeconds, megabytes: tellers.megabytes() };
  } finally {
    tellers.end();
    await receiver.close();
  }
}

const isGood = (ends: string) => ends !== 'unreachable' && ends !== 'refused';

async function registerAll(
  place: Place,
  apps: readonly App[],
  receiver: Receiver,
): Promise<Map<string, App>> {
  const clients = new Map<string, App>();
  for (const app of apps) {
    const url = receiver.url(app.path);
    const ways = {
      command: { command_endpoint: url, commands_supported: ['delete'] },
      risc: { risc_endpoint: url },
      webhook: { webhook_uri: url },
    };
    const metadata = { redirect_uris: ['http://127.0.0.1:9/back'], ...ways[app.way] };
    clients.set((await register(place.db, { issuer, allowPrivateNetwork: true }, metadata)).client_id, app);
  }
  return clients;
}

async function sendAll(
  place: Place,
  keyring: Keyring,
  clientIds: readonly string[],
  people: number,
): Promise<void> {
  for (let nth = 0; nth < people; nth++) {
    const reason = { kind: 'battery', id: uuidv7() };
    const tellings = clientIds.map(
      (clientId): Telling => ({ clientId, command: 'delete', reason, subject: `person ${nth}` }),
    );
    await openWork(place.db, { kind: 'system' }, work =>
      sendCommands(work, keyring, tellings, { days: DAYS }),
    );
  }
}

async function open(place: Place, clientIds: readonly string[]): Promise<number> {
  const [row] = await place
    .db('commands')
    .whereIn('client_id', [...clientIds])
    .whereNull('ended_at')
    .count<{ count: string }[]>();
  return Number(row?.count ?? 0);
}

/** Processes that tell apps, each until nothing is due, or until it is killed. */
function openTellers(place: Place, secret: string) {
  const running = new Set<ChildProcess>();
  let most = 0;
  return {
    run: async (later: number, killing: { left: number }, after: () => number): Promise<void> => {
      const args = [TELLER, place.url, secret, issuer.href, String(later), '400'];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      running.add(child);
      child.stdout.on('data', said => {
        most = Math.max(most, Number(String(said).trim()) / 1_024);
      });
      const over = once(child, 'exit');
      if (killing.left > 0) {
        killing.left--;
        await Promise.race([pause(800 + after()), over]);
        child.kill('SIGKILL');
      }
      const [code] = await over;
      if (code !== null && code !== 0) throw new Error(`a process that tells apps ended with ${code}`);
      running.delete(child);
    },
    megabytes: () => Math.round(most),
    end: () => {
      for (const child of running) child.kill('SIGKILL');
    },
  };
}

async function compare(
  place: Place,
  clients: ReadonlyMap<string, App>,
  receiver: Receiver,
  people: number,
): Promise<Pick<CommandsResult, 'commands' | 'requests' | 'twice' | 'problems'>> {
  const problems: string[] = [];
  const rows = await place.db('commands').select('id', 'client_id', 'state', 'answer', 'sealed');
  if (rows.length !== people * clients.size) problems.push(`${rows.length} commands are on record`);
  for (const { id, client_id, state, answer, sealed } of rows) {
    const app = clients.get(client_id);
    if (state !== app?.ends) problems.push(`${id} of ${app?.path} is ${state} (${answer}), not ${app?.ends}`);
    if (isGood(state) !== (sealed === null)) problems.push(`${id} is ${state}, and its subject is ${sealed}`);
  }
  const times = new Map<string, number>();
  for (const { path, said, headers } of receiver.received) {
    const key = `${path} ${said.jti ?? headers['webhook-id']}`;
    times.set(key, (times.get(key) ?? 0) + 1);
  }
  let twice = 0;
  for (const { id, client_id } of rows) {
    const app = clients.get(client_id);
    if (!app || !isGood(app.ends)) continue;
    const heard = times.get(`${app.path} ${id}`) ?? 0;
    if (heard === 0) problems.push(`${app.path} never heard of ${id}`);
    if (heard > 1) twice++;
  }
  const names = new Set(rows.map(({ id }) => id));
  const strange = [...times.keys()].filter(key => !names.has(key.split(' ')[1] ?? ''));
  if (strange.length > 0) problems.push(`apps heard of ${strange.length} things that are not on record`);
  const ended = await place.db('events').whereIn('type', ['command.answered', 'command.unreachable']).count();
  if (Number(ended[0]?.['count']) !== rows.length) problems.push(`${ended[0]?.['count']} ends are on record`);
  return { commands: rows.length, requests: receiver.received.length, twice, problems };
}
