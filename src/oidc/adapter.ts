import type { Adapter, AdapterPayload } from 'oidc-provider';
import type { Keyring } from '../platform/crypto/keyring.js';
import type { Payload } from './artefacts.js';
import { boundedBy, scopesWithin } from './bounded.js';
import { userCodeDigest } from './device-codes.js';
import { requestScope } from './request-scope.js';
import { maybeOfKind } from './token-ids.js';

/** What the engine reads clients through: RFC 7591 metadata, or nothing for one that may not act. */
export type FindClient = (id: string) => Promise<Payload | undefined>;

/**
 * The engine's storage. Reads and writes go through the scope of the request: reads fetch along what comes next, writes
 * wait for one statement that is flushed before the answer leaves.
 */
export function openAdapter(findClient: FindClient, keyring: Keyring): (model: string) => Adapter {
  return model => {
    if (model === 'Client') return clientAdapter(findClient);
    if (model === 'Session') return sessionAdapter();
    if (model === 'DeviceCode') return deviceAdapter(keyring);
    if (model === 'Grant') return grantAdapter(findClient);
    if (model === 'AccessToken') return accessTokenAdapter(findClient);
    return artefactAdapter(model);
  };
}

function artefactAdapter(model: string): Adapter {
  return {
    upsert: async (id, payload) => requestScope().writes.put(model, id, payload as Payload),
    find: async id =>
      maybeOfKind(model, id)
        ? ((await requestScope().find(model, id)) as AdapterPayload | undefined)
        : undefined,
    findByUid: async () => undefined,
    findByUserCode: async () => undefined,
    consume: async id => requestScope().writes.consume(model, id),
    destroy: async id =>
      model === 'Grant' ? requestScope().writes.endGrants([id]) : requestScope().writes.remove(model, id),
    revokeByGrantId: async grantId => requestScope().writes.endGrants([grantId]),
  };
}

/* An app of the house has no consent to be held to: it is the house. */
function grantAdapter(findClient: FindClient): Adapter {
  return {
    ...artefactAdapter('Grant'),
    find: async id => {
      const scope = requestScope();
      const grant = await scope.find('Grant', id);
      if (!grant) return undefined;
      const [accountId, clientId] = [String(grant['accountId']), String(grant['clientId'])];
      const client = await findClient(clientId);
      if (client?.['first_party'] === true) return grant as AdapterPayload;
      const bounded = boundedBy(grant, await scope.consent(accountId, clientId));
      if (bounded?.narrowed) scope.narrowed.add(id);
      return bounded?.grant as AdapterPayload | undefined;
    },
  };
}

/* Whoever asks about a token is told what it is good for now. */
function accessTokenAdapter(findClient: FindClient): Adapter {
  const adapter = artefactAdapter('AccessToken');
  return {
    ...adapter,
    find: async id => {
      const token = (await adapter.find(id)) as Payload | undefined;
      if (!token || token['scope'] === undefined || token['accountId'] === undefined)
        return token as AdapterPayload | undefined;
      const [accountId, clientId] = [String(token['accountId']), String(token['clientId'])];
      if ((await findClient(clientId))?.['first_party'] === true) return token as AdapterPayload;
      const scope = scopesWithin(token, await requestScope().consent(accountId, clientId));
      return { ...token, scope } as AdapterPayload;
    },
  };
}

/* A pending request names its device by reference; nobody else can: the scope knows which it has learned. */
function deviceAdapter(keyring: Keyring): Adapter {
  return {
    ...artefactAdapter('DeviceCode'),
    upsert: async (id, { userCode, ...payload }) => {
      const code = userCode === undefined ? {} : { userCode: userCodeDigest(keyring, userCode) };
      requestScope().writes.put('DeviceCode', id, { ...payload, ...code } as Payload);
    },
    find: async id => (await requestScope().find('DeviceCode', id)) as AdapterPayload | undefined,
  };
}

function sessionAdapter(): Adapter {
  return {
    upsert: async (_id, payload) => requestScope().writes.putSession(payload as Payload),
    find: async id => (await requestScope().find('Session', id)) as AdapterPayload | undefined,
    findByUid: async uid => (await requestScope().sessionByUid(uid)) as AdapterPayload | undefined,
    findByUserCode: async () => undefined,
    consume: unused,
    destroy: async id => requestScope().writes.endSession(id),
    revokeByGrantId: unused,
  };
}

/* RFC 6749 Appendix A.1; anything else need not be looked for. */
const CLIENT_ID = /^[\x20-\x7e]{1,255}$/;

function clientAdapter(findClient: FindClient): Adapter {
  return {
    upsert: unused,
    find: async id =>
      CLIENT_ID.test(id) ? ((await findClient(id)) as AdapterPayload | undefined) : undefined,
    findByUid: unused,
    findByUserCode: unused,
    consume: unused,
    destroy: unused,
    revokeByGrantId: unused,
  };
}

async function unused(): Promise<undefined> {
  throw new Error('the engine does not ask this of this kind');
}
