import type { Db } from '../../platform/storage/db.js';
import { openListener } from '../../platform/storage/listen.js';
import type { Client } from './client.js';
import * as store from './store.js';

/** Clients held in memory, so that a request need not ask the database who its client is. */
export interface ClientCache {
  find(id: string): Promise<Client | undefined>;
  /** Drops what is held of a client, in this process, without waiting for the notice. */
  forget(id: string): void;
  /** Settles when notices of changes arrive for the first time; until then every `find` asks the database. */
  readonly ready: Promise<void>;
  close(): Promise<void>;
}

export interface ClientCacheLimits {
  readonly maxEntries: number;
  /** Milliseconds that an entry may be believed even when no notice came. */
  readonly ttl: number;
}

export const CLIENT_CACHE_LIMITS: ClientCacheLimits = { maxEntries: 5_000, ttl: 30_000 };

interface Entry {
  readonly client: Client;
  readonly until: number;
}

/** Opens a cache that the database keeps true: each change of a client is notified, and without notices nothing is held. */
export function openClientCache(
  db: Db,
  listenUrl: string,
  { maxEntries, ttl }: ClientCacheLimits = CLIENT_CACHE_LIMITS,
): ClientCache {
  const held = new Map<string, Entry>();
  const asked = new Map<string, Promise<Client | undefined>>();
  const { promise: ready, resolve: nowReady } = Promise.withResolvers<void>();
  let live = false;

  // An answer still on its way may be older than the notice, so it is not shared or held either.
  const forget = (id: string) => {
    held.delete(id);
    asked.delete(id);
  };
  const listener = openListener(listenUrl, 'keyhold_clients', {
    heard: forget,
    listening: on => {
      live = on;
      held.clear();
      asked.clear();
      if (on) nowReady();
    },
  });

  const ask = async (id: string): Promise<Client | undefined> => {
    const answer = store.find(db, id);
    asked.set(id, answer);
    try {
      const client = await answer;
      if (client && live && asked.get(id) === answer) {
        held.set(id, { client, until: performance.now() + ttl });
        const [oldest] = held.keys();
        if (held.size > maxEntries && oldest !== undefined) held.delete(oldest);
      }
      return client;
    } finally {
      if (asked.get(id) === answer) asked.delete(id);
    }
  };

  return {
    find: async id => {
      const entry = held.get(id);
      if (entry && entry.until > performance.now()) return entry.client;
      held.delete(id);
      return (live && asked.get(id)) || ask(id);
    },
    forget,
    ready,
    close: async () => {
      live = false;
      held.clear();
      await listener.close();
    },
  };
}
