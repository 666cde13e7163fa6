import type { Db } from '../../platform/storage/db.js';
import { openListener } from '../../platform/storage/listen.js';
import type { IdentityProvider } from './provider.js';
import { listProviders } from './store.js';

/** The providers held in memory, for what is shown of them; whoever acts asks the database. */
export interface ProviderCache {
  list(): Promise<readonly IdentityProvider[]>;
  /** Notices of changes arrive. */
  live(): boolean;
  /** Settles once notices of changes arrive and the providers are held. */
  readonly ready: Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a cache that the database's notices keep true; while none arrive, every question is asked. It is filled as soon as they
 * do, so that no page waits for it. `changed` is told which one was, or undefined where any may have been.
 */
export function openProviderCache(
  db: Db,
  listenUrl: string,
  changed: (id: string | undefined) => void = () => undefined,
): ProviderCache {
  const { promise: ready, resolve: nowReady } = Promise.withResolvers<void>();
  let held: Promise<readonly IdentityProvider[]> | undefined;
  let live = false;

  const hold = () => {
    const asked = listProviders(db);
    held = asked;
    asked.catch(() => {
      if (held === asked) held = undefined;
    });
    return asked;
  };
  const listener = openListener(listenUrl, 'keyhold_identity_providers', {
    heard: id => {
      held = undefined;
      changed(id);
    },
    listening: on => {
      live = on;
      held = undefined;
      changed(undefined);
      if (!on) return;
      hold().then(
        () => nowReady(),
        () => nowReady(),
      );
    },
  });
  return {
    live: () => live,
    list: () => (live ? (held ?? hold()) : listProviders(db)),
    ready,
    close: async () => {
      live = false;
      held = undefined;
      await listener.close();
    },
  };
}
