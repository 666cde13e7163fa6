import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Agent, buildConnector, type Dispatcher, fetch } from 'undici';
import { register } from '../support/keyhold.js';
import { type Ended, freePort, type Running, run } from '../support/keyhold-process.js';
import type { Mailbox, ReceivedMail } from '../support/mailbox.js';
import type { Issuing } from '../support/relying-party.js';
import { openSlowStore } from '../support/slow-store.js';
import type { Place } from './place.js';
import { openWitness, type Witness } from './witness.js';

/** One process of Keyhold: `node dist/src/main.js`. */
export interface Server {
  readonly port: number;
  /** Reaches this one by the issuer. */
  readonly dispatcher: Dispatcher;
  /** Whether new connections shall come here. */
  open: boolean;
  /** Starts it and waits until it says that it is ready; gives how long that took, in milliseconds. */
  start(): Promise<number>;
  /** Ends it by its process id and waits until it is gone. */
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<Ended>;
  /** The number of its process. */
  pid(): number | undefined;
  /** Whether it has ended by itself. */
  isGone(): boolean;
  /** What it has written to its log. */
  log(): string;
}

/** Two processes on one Postgres, and whoever balances between them. */
export interface Rig extends Issuing {
  readonly place: Place;
  readonly secret: string;
  readonly servers: readonly [Server, Server];
  /** Takes turns, and goes to the other one where nobody listens. */
  readonly front: Dispatcher;
  /** The same with a connection for each request. */
  readonly oneByOne: Dispatcher;
  readonly witness: Witness;
  readonly mailbox: Mailbox;
  close(): Promise<void>;
}

/** Starts both; on a database that is some milliseconds away if it is to be `slow`. */
export async function openRig(place: Place, { slow = false } = {}): Promise<Rig> {
  const ports = [await freePort(), await freePort()] as const;
  const issuer = `http://localhost:${ports[0]}`;
  const secret = randomBytes(32).toString('base64');
  const witness = openWitness(issuer);
  const far = slow ? await openSlowStore(place.url) : undefined;
  const settings = {
    KEYHOLD_ISSUER: issuer,
    KEYHOLD_SECRET: secret,
    KEYHOLD_DATABASE_URL: far?.url ?? place.url,
    KEYHOLD_MIGRATION_DATABASE_URL: place.migrationUrl,
    KEYHOLD_ALLOW_PRIVATE_NETWORK: 'on',
    KEYHOLD_RATE_LIMITS: 'off',
    KEYHOLD_PASSWORD_SCHEME: 'argon2id',
    KEYHOLD_LOG_LEVEL: 'warn',
  };
  const server = (port: number) => openServer(port, issuer, place, settings);
  const servers = [server(ports[0]), server(ports[1])] as const;
  for (const each of servers) await each.start();
  await place.ask(KEEP_ADDRESSES);
  const agents = [openFront(servers), openFront(servers, { pipelining: 0 })] as const;
  return {
    issuer,
    place,
    secret,
    servers,
    front: agents[0],
    oneByOne: agents[1],
    witness,
    mailbox: { latest: (to, after) => latestMail(place, to, after) },
    registerClient: metadata =>
      register(place.db, { issuer: new URL(issuer), allowPrivateNetwork: true }, metadata),
    close: async () => {
      witness.close();
      await Promise.all(agents.map(agent => agent.destroy()));
      for (const each of servers) if (!each.isGone()) await each.end('SIGKILL');
      await far?.close();
    },
  };
}

/* The mailbox of development keeps the newest mails only. */
const KEEP_ADDRESSES = `
  CREATE TABLE battery_mail (to_address text NOT NULL);
  GRANT SELECT ON battery_mail TO keyhold_owner;
  CREATE FUNCTION battery_note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
  BEGIN INSERT INTO battery_mail VALUES (NEW.to_address); RETURN NULL; END $$;
  CREATE TRIGGER battery_note AFTER INSERT ON mailbox FOR EACH ROW EXECUTE FUNCTION battery_note();`;

function openServer(
  port: number,
  issuer: string,
  place: Place,
  settings: Readonly<Record<string, string>>,
): Server {
  const agent = new Agent({ connect: connectorTo(() => [port]) });
  const env = { ...settings, KEYHOLD_PORT: String(port), KEYHOLD_DATA_DIR: join(place.folder, String(port)) };
  let running: Running | undefined;
  let written = '';
  return {
    port,
    dispatcher: agent,
    open: true,
    start: async () => {
      const began = Date.now();
      running = run('main', [], env);
      running.child.stderr?.on('data', chunk => {
        written += chunk;
      });
      running.child.stdout?.on('data', chunk => {
        written += chunk;
      });
      await ready(issuer, agent, running);
      return Date.now() - began;
    },
    end: async signal => {
      if (!running) throw new Error('it was never started');
      running.child.kill(signal);
      return running.ended;
    },
    pid: () => running?.child.pid,
    isGone: () => !running || running.child.exitCode !== null || running.child.signalCode !== null,
    log: () => written,
  };
}

async function ready(issuer: string, dispatcher: Dispatcher, { child, ended }: Running): Promise<void> {
  for (;;) {
    const answer = await fetch(`${issuer}/health/ready`, { dispatcher }).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.status === 200) return;
    if (child.exitCode !== null) throw new Error(`it does not start: ${(await ended).err}`);
    await pause(20);
  }
}

function openFront(servers: Rig['servers'], options: Agent.Options = {}): Agent {
  let turn = 0;
  const ports = () => {
    turn += 1;
    const all = turn % 2 === 0 ? servers : [servers[1], servers[0]];
    return all.filter(server => server.open).map(server => server.port);
  };
  return new Agent({ ...options, connect: connectorTo(ports) });
}

function connectorTo(ports: () => readonly number[]): buildConnector.connector {
  const connect = buildConnector({});
  return (options, callback) => {
    const attempt = ([port, ...others]: readonly number[]): void => {
      connect({ ...options, hostname: '127.0.0.1', port: String(port) }, (error, socket) => {
        if (error && others.length > 0) attempt(others);
        else if (error) callback(error, null);
        else callback(null, socket as never);
      });
    };
    attempt(ports());
  };
}

async function latestMail(place: Place, to: string, after?: ReceivedMail): Promise<ReceivedMail> {
  const end = Date.now() + 15_000;
  while (Date.now() < end) {
    const columns = ['id', 'at', 'to_address as to', 'subject', 'text', 'html'];
    const newest = place.db('mailbox').where({ to_address: to }).orderBy('id', 'desc');
    const mail: ReceivedMail | undefined = await newest.first(columns).catch(() => undefined);
    if (mail && mail.id !== after?.id) return mail;
    await pause(30);
  }
  throw new NoMail(to);
}

/** Whom Keyhold has written to. */
export async function writtenTo({ db }: Place): Promise<ReadonlySet<string>> {
  return new Set<string>(await db('battery_mail').distinct().pluck('to_address'));
}

/** A mail that did not come in time. */
export class NoMail extends Error {}
