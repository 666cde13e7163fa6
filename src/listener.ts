import { createServer, type RequestListener, type Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Settings } from './config.js';

/** The address or port we were told to listen on cannot be had; `message` is one sentence that says what to do. */
export class ListenTrouble extends Error {}

/** The open doors of the process. */
export interface Listener {
  /** Lets nobody new in, waits for those who are inside, and cuts them off after `patience` milliseconds. */
  drain(patience: number): Promise<void>;
}

type Where = Pick<Settings, 'port' | 'listen'>;

/** Listens on every address of the settings. */
export async function listen(where: Where, listener: RequestListener): Promise<Listener> {
  const servers: Server[] = [];
  const addresses = where.listen.length === 0 ? [undefined] : where.listen;
  for (const address of addresses) {
    const server = createServer({ requestTimeout: 30_000, headersTimeout: 15_000 }, listener);
    // Longer than the idle time of the usual load balancers, which would otherwise reuse a connection we just closed.
    server.keepAliveTimeout = 72_000;
    try {
      await open(server, where.port, address);
      servers.push(server);
    } catch (error) {
      // A machine without IPv6 has no ::1; one address that works is enough.
      if (isAbsent(error) && addresses.length > 1 && address !== addresses[0]) continue;
      await Promise.all(servers.map(close));
      throw explain(where.port, address, error);
    }
  }
  return { drain: patience => drain(servers, patience) };
}

/** Throws `ListenTrouble` when the port is taken, before anything slow has begun. */
export async function checkPort(where: Where): Promise<void> {
  const listener = await listen(where, (_request, response) => {
    response.writeHead(503, { 'Retry-After': '2', Connection: 'close' }).end();
  });
  await listener.drain(0);
}

function open(server: Server, port: number, address: string | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(address === undefined ? { port } : { port, host: address }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise(resolve => void server.close(() => resolve()));
}

async function drain(servers: readonly Server[], patience: number): Promise<void> {
  const closed = Promise.all(servers.map(close)).then(() => true);
  for (const server of servers) server.closeIdleConnections();
  const cancel = new AbortController();
  const late = sleep(patience, false, { signal: cancel.signal }).catch(() => false);
  if (!(await Promise.race([closed, late]))) for (const server of servers) server.closeAllConnections();
  await closed;
  cancel.abort();
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function isAbsent(error: unknown): boolean {
  return ['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL'].includes(codeOf(error));
}

function explain(port: number, address: string | undefined, error: unknown): Error {
  const at = address === undefined ? '' : ` of ${address}`;
  if (codeOf(error) === 'EADDRINUSE') {
    return new ListenTrouble(
      `Port ${port}${at} is taken by another program; stop that one, or set KEYHOLD_PORT to another port.`,
    );
  }
  if (codeOf(error) === 'EACCES') {
    return new ListenTrouble(
      `Port ${port} is kept for the system; set KEYHOLD_PORT to a port from 1024 on and let the proxy in front answer on ${port}.`,
    );
  }
  if (isAbsent(error)) {
    return new ListenTrouble(`This machine has no address ${address}; correct KEYHOLD_LISTEN.`);
  }
  return error instanceof Error ? error : new Error(String(error));
}
