import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fetch } from 'undici';
import {
  type Arrived,
  type Federation,
  type FederationOptions,
  openFederation,
} from '../../src/domain/federation/federation.js';
import { openKeyring } from '../../src/platform/crypto/keyring.js';
import { openOutbound } from '../../src/platform/outbound.js';
import type { Db } from '../../src/platform/storage/db.js';
import { openTestDatabase } from './database.js';
import { declareOpenid } from './upstream.js';

/** The room of identity providers by itself, and somebody who takes trips. */
export interface FederationRoom {
  readonly db: Db;
  readonly federation: Federation;
  declare(id: string, issuer: string, more?: Readonly<Record<string, unknown>>): Promise<void>;
  /** There and back again; what comes back may be changed on the way. Gives who they are, or throws what went wrong. */
  trip(id: string, options?: TripOptions): Promise<Arrived | undefined>;
  close(): Promise<void>;
}

/** How somebody travels. */
export interface TripOptions {
  readonly freshWithin?: number;
  readonly change?: (answer: Record<string, string>) => void;
}

const SECRET = 'a secret of a test that is long enough for it';

/** Opens it on a database of its own. */
export async function openFederationRoom(
  options: Partial<Pick<FederationOptions, 'breaker' | 'timeout'>> = {},
): Promise<FederationRoom> {
  const database = await openTestDatabase();
  const { db } = database;
  const outbound = openOutbound({ allowPrivateNetwork: true });
  const keyring = openKeyring(SECRET);
  const federation = openFederation({
    db,
    listenUrl: database.url,
    keyring,
    outbound,
    issuer: new URL('https://id.example'),
    allowPrivateNetwork: true,
    ...options,
  });
  const config = { secret: SECRET } as Parameters<typeof declareOpenid>[0]['config'];
  return {
    db,
    federation,
    declare: (id, issuer, { settings, ...more } = {}) =>
      declareOpenid(
        { db, config },
        { id, ...more, settings: { issuer, client_id: 'keyhold', ...(settings as object) }, issuer },
      ),
    trip: async (providerId, { freshWithin, change } = {}) => {
      const asked = { purpose: 'sign-in', binding: 'request', browser: 'browser' } as const;
      const { to } = await federation.depart({ ...asked, providerId, returnTo: '/back', freshWithin });
      const answer = await fetch(to, { redirect: 'manual' });
      const back = new URL(answer.headers.get('location') ?? '');
      const parameters = Object.fromEntries(back.searchParams);
      change?.(parameters);
      const on = await federation.keepAnswer(providerId, { method: 'GET', parameters }, 'browser');
      return federation.arrive({ ...asked, id: on?.split('/').at(-1) ?? '' });
    },
    close: async () => {
      await federation.close();
      await outbound.close();
      await database.close();
    },
  };
}

/** How a provider fails, by the part of it that does. */
export type Failing = 'not' | 'down' | 'error' | 'silent' | 'endless' | 'no json';

/** What stands before a provider and fails as it is told; people's own browsers get through. */
export interface Front {
  readonly origin: string;
  /** From now on, for addresses that end so; for all of them where none is named. */
  fail(how: Failing, path?: string): void;
  close(): Promise<void>;
}

/** Opens it before the provider that listens at `port`. */
export async function openFront(port: number): Promise<Front> {
  let failing: Failing = 'not';
  let where = '';
  const waiting = new Set<ServerResponse>();
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? '/';
    if (failing === 'not' || !new URL(path, 'http://x').pathname.endsWith(where))
      return pass(request, response, port);
    if (failing === 'down') return request.socket.destroy();
    if (failing === 'silent') return void waiting.add(response);
    if (failing === 'error') return response.writeHead(500).end('{}');
    response.writeHead(200, { 'content-type': 'application/json' });
    return response.end(failing === 'endless' ? `"${'x'.repeat(2_000_000)}"` : '<html>We are moving</html>');
  };
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>(resolve => server.listen(0, 'localhost', resolve));
  return {
    origin: `http://localhost:${(server.address() as AddressInfo).port}`,
    fail: (how, path = '') => {
      failing = how;
      where = path;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
}

async function pass(request: IncomingMessage, response: ServerResponse, port: number): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const {
    host: _,
    connection: __,
    'content-length': ___,
    'transfer-encoding': ____,
    ...headers
  } = request.headers;
  const answer = await fetch(`http://localhost:${port}${request.url}`, {
    method: request.method ?? 'GET',
    headers: headers as Record<string, string>,
    redirect: 'manual',
    ...(chunks.length > 0 && { body: Buffer.concat(chunks) }),
  });
  const told = [...answer.headers].filter(
    ([name]) => !/^(content-length|content-encoding|connection)$/.test(name),
  );
  response.writeHead(answer.status, Object.fromEntries(told));
  response.end(Buffer.from(await answer.arrayBuffer()));
}
