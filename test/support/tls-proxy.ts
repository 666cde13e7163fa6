import { createHash, X509Certificate } from 'node:crypto';
import { request as forward, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { generate } from 'selfsigned';
import { Agent, buildConnector, type Dispatcher } from 'undici';

/** What stands before Keyhold where it runs for real: ends TLS, and says who came in `X-Forwarded-…`. */
export interface TlsProxy {
  readonly port: number;
  /** Lets Chromium trust this certificate alone: `--ignore-certificate-errors-spki-list`. */
  readonly spki: string;
  /** Reaches the hosts behind the proxy from Node, with its certificate checked. */
  readonly dispatcher: Dispatcher;
  /** Says where a host's plain server listens, once it does. */
  route(host: string, port: number): void;
  close(): Promise<void>;
}

/** Opens a proxy for these hosts, none of which exists outside this test. */
export async function openTlsProxy(hosts: readonly string[]): Promise<TlsProxy> {
  const { cert, key } = await certificateFor(hosts);
  const ports = new Map<string, number>();
  const server = createServer({ key, cert }, (request, response) => pass(ports, request, response));
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const dispatcher = agentTo(port, cert);
  return {
    port,
    spki: createHash('sha256')
      .update(new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' }))
      .digest('base64'),
    dispatcher,
    route: (host, target) => void ports.set(host, target),
    close: async () => {
      await dispatcher.destroy();
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
}

async function certificateFor(hosts: readonly string[]): Promise<{ cert: string; key: string }> {
  const altNames = hosts.map(value => ({ type: 2 as const, value }));
  const made = await generate([{ name: 'commonName', value: hosts[0] ?? 'localhost' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames },
    ],
  });
  return { cert: made.cert, key: made.private };
}

function agentTo(port: number, ca: string): Agent {
  const connect = buildConnector({ ca });
  return new Agent({
    connect: (options, callback) =>
      connect(
        { ...options, hostname: '127.0.0.1', port: String(port), servername: options.hostname },
        callback,
      ),
  });
}

function pass(ports: ReadonlyMap<string, number>, request: IncomingMessage, response: ServerResponse): void {
  const host = request.headers.host ?? '';
  const port = ports.get(host);
  if (port === undefined) return void response.writeHead(502).end(`nothing listens for ${host}`);
  const onward = forward({
    host: 'localhost',
    port,
    method: request.method,
    path: request.url,
    headers: {
      ...request.headers,
      'x-forwarded-for': request.socket.remoteAddress ?? '',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': host,
    },
  });
  onward.on('response', answer => {
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage, answer.rawHeaders);
    answer.pipe(response);
  });
  onward.on('error', error => {
    if (response.headersSent) response.destroy(error);
    else response.writeHead(502).end(error.message);
  });
  request.pipe(onward);
}
