import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decodeJwt, type JWTPayload } from 'jose';

/** A request that an app got, read whole. */
export interface Received {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  /** What the token in it says, of a command or an event; not verified. */
  readonly said: JWTPayload;
}

/** How an app answers. */
export type Behaviour = (received: Received, response: ServerResponse) => void | Promise<void>;

/** An app's server on loopback, that behaves at each path as it is told. */
export interface Receiver {
  url(path: string): string;
  readonly received: readonly Received[];
  close(): Promise<void>;
}

const json = (response: ServerResponse, status: number, body: unknown) =>
  void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

/** Answers a command as the draft has it. */
export const stating =
  (state: string, more: object = {}, status = 200): Behaviour =>
  ({ said, body }, response) =>
    json(response, status, { sub: said.sub ?? JSON.parse(body).data.sub, account_state: state, ...more });

/** Answers with a status alone. */
export const answering =
  (status: number, headers: Record<string, string> = {}, body = ''): Behaviour =>
  (_received, response) =>
    void response.writeHead(status, headers).end(body);

/** Ways in which an app is no good, by name. */
export const NO_GOOD = {
  slow: () => undefined,
  broken: answering(500),
  redirecting: answering(302, { location: 'https://elsewhere.example' }),
  'confirming for somebody else': stating('unknown', { sub: 'somebody else' }),
  'saying that it has not': stating('active'),
  'sending a huge body': (_received: Received, response: ServerResponse) =>
    void response
      .writeHead(200, { 'content-type': 'application/json', 'content-length': '100000' })
      .end('x'.repeat(100_000)),
  'dripping a huge body': (_received: Received, response: ServerResponse) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    for (let piece = 0; piece < 40; piece++) response.write('y'.repeat(1_000));
    response.end();
  },
  'lying about its content': ({ said }: Received, response: ServerResponse) =>
    void response
      .writeHead(200, { 'content-type': 'text/html' })
      .end(JSON.stringify({ sub: said.sub, account_state: 'unknown' })),
  'hanging up': (_received: Received, response: ServerResponse) => void response.destroy(),
} as const satisfies Record<string, Behaviour>;

/** Opens an app's server. */
export async function openReceiver(behaviours: Readonly<Record<string, Behaviour>>): Promise<Receiver> {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    const one = { path, headers: request.headers, body, said: saidIn(body) };
    received.push(one);
    const behave = behaviours[path];
    if (behave) await behave(one, response);
    else response.writeHead(404).end();
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: path => `http://127.0.0.1:${port}${path}`,
    received,
    close: async () => {
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
}

function saidIn(body: string): JWTPayload {
  const token = new URLSearchParams(body).get('command_token') ?? body;
  try {
    return decodeJwt(token);
  } catch {
    return {};
  }
}
