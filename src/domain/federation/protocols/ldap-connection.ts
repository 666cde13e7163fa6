import { isIP } from 'node:net';
import tls from 'node:tls';
import { Client, type Filter } from 'ldapts';
import { UpstreamTrouble } from '../upstream.js';
import { entryOf, type LdapEntry } from './ldap-entry.js';
import type { LdapSettings } from './ldap-settings.js';
import { boundedEnd, connectTo, hostOf, startTls } from './ldap-socket.js';
import { type DirectoryState, stateInMessage } from './ldap-states.js';

/** What a directory said to a password. */
export type Verdict = 'right' | 'wrong' | DirectoryState;

/** What is looked for. */
export interface Search {
  readonly base: string;
  readonly scope: 'sub' | 'one';
  readonly filter: Filter;
  readonly attributes: readonly string[];
  /** No more entries than that. */
  readonly most: number;
}

/** One connection to a directory, for one try. */
export interface Directory {
  /** Binds with a name and a password that is not empty. */
  tryPassword(dn: string, password: string): Promise<Verdict>;
  find(search: Search): Promise<readonly LdapEntry[]>;
  close(): void;
}

/** Who looks people up. */
interface Ourselves {
  readonly dn: string;
  readonly password: string;
}

/** Opens a connection to the first of a directory's servers that takes it, bound as ourselves, all of it in its time. */
export async function openDirectory(
  settings: LdapSettings,
  ourselves: Ourselves,
  ca: string | undefined,
): Promise<Directory> {
  const began = performance.now();
  let trouble: unknown;
  for (const [at, text] of settings.urls.entries()) {
    const left = settings.timeout - (performance.now() - began);
    if (left <= 0) break;
    try {
      return await openServer(new URL(text), settings, ourselves, {
        ca,
        toConnect: Math.min(3_000, left / (settings.urls.length - at)),
        inAll: left,
      });
    } catch (error) {
      trouble = error;
    }
  }
  throw trouble instanceof UpstreamTrouble
    ? trouble
    : new UpstreamTrouble('unreachable', 'no_answer', trouble);
}

interface Limits {
  readonly ca: string | undefined;
  /** Milliseconds. */
  readonly toConnect: number;
  readonly inAll: number;
}

async function openServer(
  url: URL,
  settings: LdapSettings,
  { dn, password }: Ourselves,
  limits: Limits,
): Promise<Directory> {
  const client = await clientOf(url, settings, limits);
  const directory = directoryOn(client, limits.inAll);
  try {
    const verdict = await directory.tryPassword(dn, password);
    if (verdict === 'right') return directory;
    throw new UpstreamTrouble('unreachable', 'bind_refused');
  } catch (error) {
    directory.close();
    throw error;
  }
}

interface Reached {
  readonly client: Client;
  end(): void;
}

async function clientOf(
  url: URL,
  { start_tls }: LdapSettings,
  { ca, toConnect, inAll }: Limits,
): Promise<Reached> {
  const socket = await connectTo(url, toConnect);
  const end = () => void socket.destroy();
  const isSecure = url.protocol === 'ldaps:';
  try {
    if (!isSecure && start_tls) await startTls(socket, toConnect);
  } catch (error) {
    end();
    throw error;
  }
  const host = hostOf(url);
  const secured = () =>
    tls.connect({
      socket: boundedEnd(socket),
      host,
      minVersion: 'TLSv1.2',
      ...(isIP(host) === 0 && { servername: host }),
      ...(ca !== undefined && { ca }),
    });
  const client = new Client({
    url: `${isSecure || start_tls ? 'ldaps' : 'ldap'}://${url.host}`,
    timeout: inAll,
    connectTimeout: inAll,
    createConnection: once(() => socket),
    createSecureConnection: once(secured),
  });
  return { client, end };
}

/* The library connects anew when a connection is lost: one that had StartTLS would be in the clear then, and bound as nobody. */
function once<T>(make: () => T): () => T {
  let isMade = false;
  return () => {
    if (isMade) throw new Error('the connection was lost');
    isMade = true;
    return make();
  };
}

function directoryOn({ client, end }: Reached, inAll: number): Directory {
  let over = false;
  const close = () => {
    over = true;
    client
      .unbind()
      .catch(() => undefined)
      .finally(end);
  };
  const clock = AbortSignal.timeout(Math.ceil(inAll));
  clock.addEventListener('abort', end, { once: true });
  const still = () => {
    if (over || clock.aborted) throw new UpstreamTrouble('unreachable', 'no_answer');
  };
  return {
    tryPassword: async (dn, password) => {
      still();
      if (password === '' || !dn.includes('=')) return 'wrong';
      try {
        await client.bind(dn, password);
        return 'right';
      } catch (error) {
        return verdictOf(error);
      }
    },
    find: async ({ base, scope, filter, attributes, most }) => {
      still();
      const { searchEntries } = await client
        .search(base, {
          scope,
          filter,
          attributes: [...attributes],
          sizeLimit: most,
          timeLimit: Math.ceil(inAll / 1_000),
          explicitBufferAttributes: ['objectGUID'],
        })
        .catch(cause => {
          throw new UpstreamTrouble('unreachable', 'search_failed', cause);
        });
      return searchEntries.slice(0, most).map(entryOf);
    },
    close,
  };
}

/* RFC 4511 §4.1.9: what servers answer where a name or a password is not right, or may not be used. */
const TURNED_DOWN: ReadonlySet<unknown> = new Set([19, 32, 34, 48, 49, 50, 53]);

function verdictOf(error: unknown): Verdict {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  if (!TURNED_DOWN.has(code)) throw new UpstreamTrouble('unreachable', 'no_answer', error);
  return stateInMessage(String(message)) ?? 'wrong';
}
