import pg from 'pg';

export interface ListenOptions {
  /** Says what was notified. */
  readonly heard: (payload: string) => void;
  /** Says that notices arrive from now on (true), or may be missed (false). */
  readonly listening: (on: boolean) => void;
  /** The first and the longest wait before connecting again, in milliseconds. */
  readonly backOff?: { readonly first: number; readonly longest: number };
}

export interface Listener {
  close(): Promise<void>;
}

/**
 * Listens to one Postgres channel on a connection of its own, and connects again, ever more slowly, when it is lost.
 * Whoever listens learns of every gap, because what was notified in it never arrives.
 */
export function openListener(url: string, channel: string, options: ListenOptions): Listener {
  const { heard, listening, backOff = { first: 100, longest: 10_000 } } = options;
  let closed = false;
  let current: pg.Client | undefined;
  let retry: NodeJS.Timeout | undefined;
  let wait = backOff.first;

  const lost = (client: pg.Client) => {
    if (current !== client) return;
    current = undefined;
    listening(false);
    client.end().catch(() => undefined);
    if (closed) return;
    retry = setTimeout(connect, wait).unref();
    wait = Math.min(wait * 2, backOff.longest);
  };

  const connect = () => {
    const client = new pg.Client({
      connectionString: url,
      application_name: `keyhold ${channel}`,
      keepAlive: true,
      connectionTimeoutMillis: 5_000,
    });
    current = client;
    client.on('error', () => lost(client));
    client.on('end', () => lost(client));
    client.on('notification', ({ payload = '' }) => heard(payload));
    client
      .connect()
      .then(() => client.query(`LISTEN ${client.escapeIdentifier(channel)}`))
      .then(() => {
        if (current !== client) return;
        wait = backOff.first;
        listening(true);
      })
      .catch(() => lost(client));
  };

  connect();
  return {
    close: async () => {
      closed = true;
      clearTimeout(retry);
      const client = current;
      current = undefined;
      await client?.end().catch(() => undefined);
    },
  };
}
