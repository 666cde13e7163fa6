import type { Adapter, AdapterPayload } from 'oidc-provider';
import type { EngineStorage } from './engine.js';
import type { Seed, SeededAccount } from './seed.js';

/** Plain maps that forget nothing by themselves: what the engine costs when storage costs nothing. */
export function memoryStorage(seed: Seed, accounts: readonly SeededAccount[]): EngineStorage {
  const claims = new Map(
    accounts.map(({ id, email }) => [id, { email, email_verified: true, locale: 'en' }]),
  );
  const people = new Map(
    (['bcrypt', 'argon2id'] as const).flatMap(scheme =>
      seed.accounts[scheme].map(({ id, email }) => [email, { id, hash: seed.hashes[scheme] }] as const),
    ),
  );
  const attempts = new Map<string, number>();
  const events: object[] = [];
  return {
    adapter: model => openMap(model === 'Client' ? [[seed.client.client_id, seed.client]] : []),
    claims: async id => claims.get(id),
    find: async email => people.get(email),
    count: async subject => {
      const count = (attempts.get(subject) ?? 0) + 1;
      attempts.set(subject, count);
      return count;
    },
    forget: async subject => void attempts.delete(subject),
    record: async (type, accountId, from) => void events.push({ type, accountId, from, at: new Date() }),
    close: async () => undefined,
  };
}

const grants = new Map<string, { readonly kept: Map<string, AdapterPayload>; readonly id: string }[]>();

function openMap(known: readonly (readonly [string, AdapterPayload])[]): Adapter {
  const kept = new Map<string, AdapterPayload>(known);
  const uids = new Map<string, string>();
  return {
    upsert: async (id, payload) => {
      kept.set(id, payload);
      if (payload.uid !== undefined) uids.set(payload.uid, id);
      if (payload.grantId !== undefined) {
        const hanging = grants.get(payload.grantId);
        if (hanging) hanging.push({ kept, id });
        else grants.set(payload.grantId, [{ kept, id }]);
      }
    },
    find: async id => kept.get(id),
    findByUid: async uid => kept.get(uids.get(uid) ?? ''),
    findByUserCode: async () => undefined,
    consume: async id => {
      const payload = kept.get(id);
      if (payload) payload['consumed'] = Math.floor(Date.now() / 1000);
    },
    destroy: async id => void kept.delete(id),
    revokeByGrantId: async grantId => {
      for (const hanging of grants.get(grantId) ?? []) hanging.kept.delete(hanging.id);
      grants.delete(grantId);
    },
  };
}
