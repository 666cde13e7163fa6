import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How an app came by its answer: by the address, or by a form that the browser posted. */
export type Arrival = URL | Request;

/** An app's own web server: greets whoever comes back and notes how they came. */
export interface AppServer {
  readonly port: number;
  readonly origin: string;
  readonly logoutTokens: readonly string[];
  lastArrival(): Arrival;
  /** The next logout token that was not taken yet, waited for. */
  nextLogoutToken(): Promise<string>;
  answerLogoutWith(status: number): void;
  close(): Promise<void>;
}

/** Opens it on a free loopback port; `publicOrigin` is what people see where it stands behind a proxy. */
export async function openAppServer(publicOrigin?: string): Promise<AppServer> {
  const arrivals: Arrival[] = [];
  const logoutTokens: string[] = [];
  const bell = new EventEmitter();
  let taken = 0;
  let logoutStatus = 200;
  let origin = '';
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? '/', origin);
    const body = request.method === 'POST' ? await read(request) : undefined;
    if (url.pathname === '/backchannel-logout') {
      logoutTokens.push(new URLSearchParams(body).get('logout_token') ?? '');
      bell.emit('logout');
      return response.writeHead(logoutStatus).end();
    }
    if (url.pathname === '/callback') {
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      arrivals.push(body === undefined ? url : new Request(url, { method: 'POST', body, headers }));
    }
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    return response.end(greeting(url, body));
  };
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>(resolve => server.listen(0, 'localhost', resolve));
  const { port } = server.address() as AddressInfo;
  origin = publicOrigin ?? `http://localhost:${port}`;
  return {
    port,
    origin,
    logoutTokens,
    lastArrival: () => {
      const last = arrivals.at(-1);
      if (!last) throw new Error('nobody came back to the app');
      return last;
    },
    nextLogoutToken: async () => {
      const wanted = taken++;
      while (logoutTokens.length <= wanted)
        await once(bell, 'logout', { signal: AbortSignal.timeout(15_000) });
      return logoutTokens[wanted] ?? '';
    },
    answerLogoutWith: status => {
      logoutStatus = status;
    },
    close: () => closed(server),
  };
}

function greeting(url: URL, body: string | undefined): string {
  const error = new URLSearchParams(body ?? url.search).get('error');
  const heading =
    url.pathname === '/signed-out'
      ? 'Signed out of the app'
      : error
        ? `Refused: ${error}`
        : 'Back in the app';
  return `<!doctype html><html lang="en"><title>Test app</title><link rel="icon" href="data:,"><main><h1>${heading.replace(/[<&]/g, '')}</h1></main></html>`;
}

async function read(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request.setEncoding('utf8')) body += chunk;
  return body;
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise(resolve => server.close(resolve));
}
