import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

// Any static web server will do; this one exists so that the example starts with `node dist/examples/spa/serve.js`.
const issuer = process.env.EXAMPLE_ISSUER ?? 'http://localhost:3000';
const port = Number(process.env.EXAMPLE_PORT ?? 3002);
const clientId = process.env.EXAMPLE_CLIENT_ID;
const built = dirname(fileURLToPath(import.meta.url));
const root = join(built, '../../..');

/** The only files there are: the page, its script, and the libraries that a bundler would have packed. */
function fileFor(path: string): string | undefined {
  if (path === '/') return join(root, 'examples/spa/index.html');
  if (path === '/spa.js') return join(built, 'spa.js');
  const [, library, rest] = /^\/lib\/(openid-client|oauth4webapi|jose)\/([\w./-]+\.js)$/.exec(path) ?? [];
  if (!library || !rest || normalize(rest).startsWith('..')) return undefined;
  return join(root, 'node_modules', library, rest);
}

const server = createServer(async (request, response) => {
  const path = new URL(request.url ?? '/', 'http://localhost').pathname;
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('Referrer-Policy', 'no-referrer');
  if (path === '/config.json') {
    response.setHeader('Content-Type', 'application/json');
    return response.end(JSON.stringify({ issuer, clientId }));
  }
  const file = fileFor(path);
  const content = file && (await readFile(file).catch(() => undefined));
  if (!content) return response.writeHead(404).end();
  response.setHeader('Content-Type', path === '/' ? 'text/html; charset=utf-8' : 'text/javascript');
  return response.end(content);
});

if (!clientId) {
  console.error('EXAMPLE_CLIENT_ID must be the client_id that `keyhold clients add` printed.');
  process.exitCode = 1;
} else {
  server.listen(port, 'localhost', () =>
    console.log(`The single-page example is at http://localhost:${port}/`),
  );
}
