import type { Db } from '../../platform/storage/db.js';
import { domainOf, type Realm } from './domain.js';
import * as store from './domain-store.js';

/** Where addresses lead, held in memory: whoever signs in with an address of no claimed domain costs no question. */
export interface Realms {
  /** Where an address leads; whether that still stands is asked of the database at every step that follows. */
  of(email: string): Promise<Realm | undefined>;
  /** Whether any domain demands its provider. */
  anyRequired(): Promise<boolean>;
  /** What is held may be true no more. */
  forget(): void;
}

interface Held {
  readonly byDomain: ReadonlyMap<string, Realm>;
  readonly anyRequired: boolean;
  /** There are more than are held. */
  readonly whole: boolean;
}

/** Holds where addresses lead for as long as notices of changes arrive; while none do, the database is asked each time. */
export function openRealms(db: Db, live: () => boolean): Realms {
  let held: Promise<Held> | undefined;
  const load = async (): Promise<Held> => {
    const realms = await store.listRealms(db);
    return {
      byDomain: new Map(realms.map(realm => [realm.domain, realm])),
      anyRequired: realms.some(({ required }) => required),
      whole: realms.length < store.MOST_REALMS,
    };
  };
  const holding = (): Promise<Held> => {
    if (!live()) return load();
    if (held) return held;
    const asked = load();
    held = asked;
    asked.catch(() => {
      if (held === asked) held = undefined;
    });
    return asked;
  };
  return {
    of: async email => {
      const { byDomain, whole } = await holding();
      const domain = domainOf(email);
      return whole ? byDomain.get(domain) : store.findRealm(db, domain);
    },
    anyRequired: async () => {
      const { anyRequired, whole } = await holding();
      return anyRequired || !whole;
    },
    forget: () => {
      held = undefined;
      if (live()) holding().catch(() => undefined);
    },
  };
}
