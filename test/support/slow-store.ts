import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

/** A database that is some milliseconds away: what two requests do at once really overlaps. */
export interface SlowStore {
  /** The same database, reached the long way. */
  readonly url: string;
  close(): Promise<void>;
}

/** Opens a way to a database on which everything that is sent there takes `shortest` to `longest` milliseconds. */
export async function openSlowStore(databaseUrl: string, shortest = 5, longest = 10): Promise<SlowStore> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  const server = createServer(near => {
    const far = connect(Number(target.port || 5432), target.hostname.replace(/^\[|\]$/g, ''));
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    }
    let sent = Promise.resolve();
    near.on('data', chunk => {
      sent = sent.then(async () => {
        await wait(shortest + Math.random() * (longest - shortest));
        far.write(chunk);
      });
    });
    near.on('close', () => void sent.then(() => far.end()));
    far.pipe(near);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise(resolve => server.close(resolve));
    },
  };
}
