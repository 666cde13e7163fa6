import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
  type ClientCache,
  disableClient,
  enableClient,
  openClientCache,
  registerClient,
  removeClient,
} from '../../../src/domain/clients/clients.js';
import { openWork, type Work } from '../../../src/platform/storage/work.js';
import { openTestDatabase, type TestDatabase } from '../../support/database.js';
import { until } from '../../support/jobs.js';

const registration = {
  rules: { issuer: new URL('https://id.example.com'), allowPrivateNetwork: false },
  operator: true,
};
const LONG = { maxEntries: 100, ttl: 3_600_000 };

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

const asOperator = <T>(act: (work: Work) => Promise<T>) => openWork(database.db, { kind: 'operator' }, act);
const register = async () =>
  (
    await asOperator(work =>
      registerClient(work, { redirect_uris: ['https://a.example.com/'] }, registration),
    )
  ).client.id;

async function withCaches(
  count: number,
  limits: typeof LONG,
  act: (...caches: ClientCache[]) => Promise<void>,
) {
  const caches = Array.from({ length: count }, () => openClientCache(database.db, database.url, limits));
  try {
    await Promise.all(caches.map(cache => cache.ready));
    await act(...caches);
  } finally {
    await Promise.all(caches.map(cache => cache.close()));
  }
}

/** Counts what is asked of the table while `act` runs. */
async function questions(act: () => Promise<unknown>): Promise<number> {
  let asked = 0;
  const count = ({ sql }: { readonly sql: string }) => {
    if (sql.includes('from "clients"')) asked += 1;
  };
  database.db.on('query', count);
  try {
    await act();
  } finally {
    database.db.off('query', count);
  }
  return asked;
}

test('a client is asked for once, however many ask', async () => {
  const id = await register();
  await withCaches(1, LONG, async cache => {
    const asked = await questions(async () => {
      await Promise.all(Array.from({ length: 20 }, () => cache?.find(id)));
      await cache?.find(id);
    });
    expect(asked).toBe(1);
    expect(await questions(async () => cache?.find('app_none'))).toBe(1);
    expect(await cache?.find('app_none')).toBeUndefined();
  });
});

test('every cache hears of a change, whoever made it', async () => {
  const id = await register();
  await withCaches(2, LONG, async (one, two) => {
    const states = async () => [(await one?.find(id))?.state, (await two?.find(id))?.state];
    expect(await states()).toEqual(['active', 'active']);
    await asOperator(work => disableClient(work, id));
    await until(async () => `${await states()}` === 'disabled,disabled');
    await asOperator(work => removeClient(work, id));
    await until(async () => `${await states()}` === ',');
  });
});

test('an entry is believed for its time and no longer, and the oldest leaves first', async () => {
  const ids = [await register(), await register(), await register()];
  await withCaches(1, { maxEntries: 100, ttl: -1 }, async cache => {
    const [id = ''] = ids;
    expect(await questions(async () => [await cache?.find(id), await cache?.find(id)])).toBe(2);
  });
  await withCaches(1, { maxEntries: 2, ttl: 3_600_000 }, async cache => {
    const ask = async () => {
      for (const id of ids) await cache?.find(id);
    };
    await ask();
    expect(await questions(async () => cache?.find(ids[2] ?? ''))).toBe(0);
    expect(await questions(async () => cache?.find(ids[0] ?? ''))).toBe(1);
  });
});

test('forgetting works at once in the own process', async () => {
  const id = await register();
  await withCaches(1, LONG, async cache => {
    await cache?.find(id);
    cache?.forget(id);
    expect(await questions(async () => cache?.find(id))).toBe(1);
  });
});

test('while no notices arrive nothing is held, and they come back by themselves', async () => {
  const id = await register();
  await withCaches(1, LONG, async cache => {
    await cache?.find(id);
    expect(await questions(async () => cache?.find(id))).toBe(0);
    await database.db.raw(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'keyhold keyhold_clients' AND datname = current_database()`,
    );
    // Whether the change is made in the gap or after it, it is seen.
    await asOperator(work => disableClient(work, id));
    await until(async () => (await cache?.find(id))?.state === 'disabled');
    await until(async () => {
      await cache?.find(id);
      return (await questions(async () => cache?.find(id))) === 0;
    });
    await asOperator(work => enableClient(work, id));
    await until(async () => (await cache?.find(id))?.state === 'active');
  });
});

test('without a database to listen to, every question goes to the one there is', async () => {
  const id = await register();
  const cache = openClientCache(database.db, 'postgres://nobody@127.0.0.1:1/none', LONG);
  expect(await questions(async () => [await cache.find(id), await cache.find(id)])).toBe(2);
  await cache.close();
});
