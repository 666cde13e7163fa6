import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { Server as SocketServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Settings } from './config.js';

/** The address or port we were told to listen on cannot be had; `message` is one sentence that says what to do. */
export class ListenTrouble extends Error {}

/** The open doors of the process. */
export interface Listener {
  /**
   * Answers each connection for the last time for `delay` milliseconds, while whoever sends requests learns to send them
   * elsewhere; then lets nobody new in, waits for those who are inside, and cuts them off after `patience` milliseconds.
   */
  drain(patience: number, delay?: number): Promise<void>;
}

type Where = Pick<Settings, 'port' | 'listen'>;

/** How long a connection may take to send what is on its way, in milliseconds. */
const LINGER = 500;

/** Listens on every address of the settings. */
export async function listen(where: Where, listener: RequestListener): Promise<Listener> {
  const servers: Server[] = [];
  const open = new Set<ServerResponse>();
  let draining = false;
  const serve: RequestListener = (request, response) => {
    open.add(response);
    response.once('close', () => open.delete(response));
    if (draining) response.shouldKeepAlive = false;
    listener(request, response);
  };
  const addresses = where.listen.length === 0 ? [undefined] : where.listen;
  for (const address of addresses) {
    const server = createServer({ requestTimeout: 30_000, headersTimeout: 15_000 }, serve);
    // Longer than the idle time of the usual load balancers, which would otherwise reuse a connection we just closed.
    server.keepAliveTimeout = 72_000;
    try {
      await bind(server, where.port, address);
      servers.push(server);
    } catch (error) {
      // A machine without IPv6 has no ::1; one address that works is enough.
      if (isAbsent(error) && addresses.length > 1 && address !== addresses[0]) continue;
      await Promise.all(servers.map(close));
      throw explain(where.port, address, error);
    }
  }
  return {
    drain: async (patience, delay = 0) => {
      draining = true;
      for (const response of open) if (!response.headersSent) response.shouldKeepAlive = false;
      if (delay > 0) await sleep(delay);
      await leave(servers, patience);
    },
  };
}

/** Throws `ListenTrouble` when the port is taken, before anything slow has begun. */
export async function checkPort(where: Where): Promise<void> {
  const listener = await listen(where, (_request, response) => {
    response.writeHead(503, { 'Retry-After': '2', Connection: 'close' }).end();
  });
  await listener.drain(0);
}

function bind(server: Server, port: number, address: string | undefined): Promise<void> {
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

/* Not by the server's own close, which cuts connections whose request is on its way. */
async function leave(servers: readonly Server[], patience: number): Promise<void> {
  const closed = Promise.all(
    servers.map(server => new Promise(resolve => void SocketServer.prototype.close.call(server, resolve))),
  ).then(() => true);
  const cancel = new AbortController();
  const after = (ms: number) => sleep(ms, false, { signal: cancel.signal }).catch(() => false);
  const until = Date.now() + patience;
  while (Date.now() < until && !(await Promise.race([closed, after(Math.min(LINGER, patience))]))) {
    for (const server of servers) server.closeIdleConnections();
  }
  for (const server of servers) server.closeAllConnections();
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
