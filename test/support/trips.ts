import pg from 'pg';

/** The statements that one database was sent, BEGIN and COMMIT included. */
export interface Trips {
  /** Runs `act` and gives back the statements that went out meanwhile, shortened. */
  during(act: () => Promise<unknown>): Promise<readonly string[]>;
  stop(): void;
}

/** Listens to what this process sends to a database under the application name of the server's own pools. */
export function countTrips(databaseUrl: string, applicationName = 'keyhold'): Trips {
  const database = new URL(databaseUrl).pathname.slice(1);
  const listeners = new Set<(statement: string) => void>();
  const original = pg.Client.prototype.query;
  const listening = function (this: pg.Client, ...parameters: readonly unknown[]) {
    const named = this as pg.Client & {
      readonly connectionParameters: { readonly application_name?: string };
    };
    if (this.database === database && named.connectionParameters.application_name === applicationName) {
      const statement = textOf(parameters[0]);
      for (const listener of listeners) listener(statement);
    }
    return Reflect.apply(original, this, parameters);
  };
  Object.assign(pg.Client.prototype, { query: listening });
  return {
    during: async act => {
      const heard: string[] = [];
      const listener = (statement: string) => void heard.push(statement);
      listeners.add(listener);
      try {
        await act();
      } finally {
        listeners.delete(listener);
      }
      return heard;
    },
    stop: () => void Object.assign(pg.Client.prototype, { query: original }),
  };
}

function textOf(query: unknown): string {
  const text =
    typeof query === 'string'
      ? query
      : query && typeof query === 'object' && 'text' in query
        ? String(query.text)
        : '?';
  return text.replace(/\s+/g, ' ').trim().slice(0, 160);
}
