import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { registerHooks } from 'node:module';
import type { Assignment } from './child.js';
import { diagnose } from './diagnosis.js';

/** Serves one variant in a process of its own, as its assignment says. */
const assignment = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Assignment;

/* Before any part of the product is loaded. */
if (assignment.scheme === 'none') {
  const replacement = new URL('./no-hash.js', import.meta.url).href;
  registerHooks({
    resolve: (specifier, context, next) => {
      const found = next(specifier, context);
      return found.url.endsWith('/src/domain/credentials/password-hash.js')
        ? { ...found, url: replacement }
        : found;
    },
  });
}

async function serve(): Promise<() => Promise<void>> {
  if (assignment.variant === 'product') return (await import('./product.js')).serveProduct(assignment);
  if (assignment.variant === 'hello') return serveHello(assignment.port);
  return (await import('./engine.js')).serveEngine(assignment);
}

/** What this machine's Node can do at best: the unit that figures of other machines are compared in. */
async function serveHello(port: number): Promise<() => Promise<void>> {
  const server = createServer((_request, response) => response.end('hello'));
  await new Promise<void>(resolve => void server.listen(port, 'localhost', resolve));
  return async () => void server.close();
}

const stop = await serve();
await diagnose(stop);
process.send?.('ready');
