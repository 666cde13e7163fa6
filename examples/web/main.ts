import { createServer } from 'node:http';
import { openExample } from './app.js';
import { readSettings } from './settings.js';

try {
  const settings = readSettings(process.env);
  const server = createServer(openExample(settings));
  server.on('error', error =>
    stop(`The example app cannot listen on port ${settings.port}: ${error.message}`),
  );
  server.listen(settings.port, 'localhost', () => {
    console.log(`The example app is at ${new URL('/', settings.redirectUri).href}`);
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      server.close();
      server.closeAllConnections();
    });
  }
} catch (error) {
  stop(error instanceof Error ? error.message : String(error));
}

function stop(reason: string): never {
  console.error(reason);
  process.exit(1);
}
