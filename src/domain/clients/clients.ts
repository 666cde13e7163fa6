import { v7 as uuidv7 } from 'uuid';
import { digest, randomToken } from '../../platform/crypto/tokens.js';
import { Refusal } from '../../platform/errors.js';
import type { Db, Tx } from '../../platform/storage/db.js';
import type { Work } from '../../platform/storage/work.js';
import {
  type Client,
  changesOf,
  checkMetadata,
  hasSecret,
  type MetadataChange,
  type MetadataSource,
  metadataRefusal,
  widens,
} from './client.js';
import type { ClientMetadata, ClientRules } from './metadata.js';
import { metadataSchema } from './metadata.js';
import { declarationRules } from './rules.js';
import * as store from './store.js';

export { type ClientCache, openClientCache } from './cache.js';
export {
  allowedOrigins,
  type CheckedMetadata,
  type Client,
  checkMetadata,
  hasSecret,
  type MetadataChange,
  type MetadataSource,
  metadataRefusal,
  verifyClientSecret,
} from './client.js';
export { fetchLogo, type LogoOutcome } from './logo.js';
export {
  ASSERTION_ALGORITHMS,
  type ClientMetadata,
  type ClientRules,
  type Declarable,
  type GivenMetadata,
  type MetadataIssue,
  metadataSchema,
  SIGNING_ALGORITHMS,
  STANDARD_SCOPES,
} from './metadata.js';
export { NAME_IDS, type SamlRegistration, samlSchema } from './saml.js';
export { findMany as findClients, type Logo, listNames as namesOfClients } from './store.js';

/** What this room says happened. */
export const CLIENT_FACTS = [
  'client.registered',
  'client.secret_rotated',
  'client.disabled',
  'client.enabled',
  'client.removed',
  'client.reviewed',
  'client.told_by_changed',
  'client.updated',
] as const;

export interface Registration extends MetadataSource {
  readonly rules: ClientRules;
  /** Beside what the metadata says; operators only. */
  readonly firstParty?: boolean;
  readonly verified?: boolean;
}

/** A client and, this once, its secret. */
export interface Issued {
  readonly client: Client;
  readonly secret?: string;
}

/* A page that uses the house's passkeys could ask for them in the house's name. */
const NOT_THE_HOUSE = { field: 'webauthn_origins', message: 'is only for apps of the house (first_party)' };

/** Checks metadata and keeps a new client of it; its secret is told here and never again. */
export async function registerClient(
  work: Work,
  input: unknown,
  registration: Registration,
): Promise<Issued> {
  const checked = checkMetadata(input, registration.rules, registration);
  if (!checked.ok) throw metadataRefusal(checked.issues);
  const firstParty = checked.firstParty || (registration.operator && registration.firstParty === true);
  if (checked.metadata.webauthn_origins && !firstParty) throw metadataRefusal([NOT_THE_HOUSE]);
  const secret = hasSecret(checked.metadata) ? randomToken() : undefined;
  const client: Client = {
    id: `app_${uuidv7().replaceAll('-', '')}`,
    metadata: checked.metadata,
    ...(secret !== undefined && { secretDigest: digest(secret) }),
    firstParty,
    verified: registration.operator && registration.verified === true,
    state: 'active',
    createdAt: work.at,
    updatedAt: work.at,
    version: 1,
  };
  await store.insert(work.tx, client);
  const detail = { first_party: client.firstParty, auth_method: client.metadata.token_endpoint_auth_method };
  work.record({ type: 'client.registered', clientId: client.id, detail });
  if (client.metadata.logo_uri !== undefined)
    work.enqueue({ name: 'client-logo', payload: { clientId: client.id } });
  return secret === undefined ? { client } : { client, secret };
}

/** The client with this id, whatever its state. */
export function findClient(db: Db | Tx, id: string): Promise<Client | undefined> {
  return store.find(db, id);
}

/** The client that speaks SAML under this entity id, whatever its state. */
export function findClientByEntity(db: Db | Tx, entityId: string): Promise<Client | undefined> {
  return store.findByEntity(db, entityId);
}

/** The client with this id, or the refusal that there is none. */
export async function getClient(db: Db | Tx, id: string): Promise<Client> {
  return (await store.find(db, id)) ?? refuseMissing(id);
}

export interface ClientPage {
  readonly clients: readonly Client[];
  /** Where the next page begins, when there is one. */
  readonly after?: string;
}

/** Clients from the oldest on, a page at a time. */
export async function listClients(
  db: Db | Tx,
  { after = '', limit = 50 }: { readonly after?: string; readonly limit?: number } = {},
): Promise<ClientPage> {
  return pageOf(await store.list(db, after, limit + 1), limit);
}

function pageOf(found: readonly Client[], limit: number): ClientPage {
  const clients = found.slice(0, limit);
  const last = clients.at(-1);
  return found.length > limit && last ? { clients, after: last.id } : { clients };
}

/** The active clients that a person can start from here (OpenID Connect Core §4, SAML), by name, a page at a time. */
export async function listStartableClients(
  db: Db | Tx,
  { after = '', limit = 50 }: { readonly after?: string; readonly limit?: number } = {},
): Promise<ClientPage> {
  return pageOf(await store.listStartable(db, after, limit + 1), limit);
}

/** The origins of the house's active apps whose pages may use its passkeys in the browser, each once. */
export function listPasskeyOrigins(db: Db | Tx): Promise<readonly string[]> {
  return store.listPasskeyOrigins(db);
}

/** Gives a client a new secret; the old one goes on working for `overlap` seconds (at once not, by default). */
export async function rotateSecret(work: Work, id: string, { overlap = 0 } = {}): Promise<Required<Issued>> {
  const before = (await store.lock(work.tx, id)) ?? refuseMissing(id);
  if (before.secretDigest === undefined) {
    throw new Refusal('conflict', 'client_has_no_secret', `Client ${id} does not prove itself by a secret.`);
  }
  const secret = randomToken();
  const change = {
    secretDigest: digest(secret),
    previousSecretDigest: overlap > 0 ? before.secretDigest : null,
    previousSecretUntil: overlap > 0 ? new Date(work.at.getTime() + overlap * 1000) : null,
  };
  const client = (await store.update(work.tx, id, change, work.at)) ?? refuseMissing(id);
  work.record({ type: 'client.secret_rotated', clientId: id, detail: { overlap } });
  return { client, secret };
}

/** Turns a client off: it stays, and may ask for nothing. */
export function disableClient(work: Work, id: string): Promise<Client> {
  return changeState(work, id, 'disabled');
}

/** Turns a client on again. */
export function enableClient(work: Work, id: string): Promise<Client> {
  return changeState(work, id, 'active');
}

/**
 * Puts on record whether the operator has looked at who stands behind a client and what it declares. What it declares must
 * still be there: nobody reviews what an app asks for under a purpose that is gone.
 */
export async function reviewClient(
  work: Work,
  id: string,
  { rules, verified }: { readonly rules: ClientRules; readonly verified: boolean },
): Promise<Client> {
  const before = (await store.lock(work.tx, id)) ?? refuseMissing(id);
  const issues = verified ? [...declarationRules(before.metadata, rules)] : [];
  if (issues.length > 0) throw metadataRefusal(issues);
  if (before.verified === verified) return before;
  const client = (await store.update(work.tx, id, { verified }, work.at)) ?? refuseMissing(id);
  work.record({ type: 'client.reviewed', clientId: id, detail: { verified } });
  return client;
}

/** The members of metadata by which an app hears about people; these can be changed by themselves. */
const toldBySchema = metadataSchema.pick({
  command_endpoint: true,
  commands_supported: true,
  risc_endpoint: true,
  webhook_uri: true,
});
const TOLD_BY = Object.keys(toldBySchema.shape);

/** Says anew how an app hears about people; what is left out is so no more. */
export async function changeToldBy(
  work: Work,
  id: string,
  { input, rules }: { readonly input: unknown; readonly rules: ClientRules },
): Promise<Client> {
  const before = (await store.lock(work.tx, id)) ?? refuseMissing(id);
  const isObject = typeof input === 'object' && input !== null && !Array.isArray(input);
  const given = isObject ? Object.keys(input) : [];
  const stray = isObject ? given.filter(name => !TOLD_BY.includes(name)) : ['metadata'];
  if (stray.length > 0)
    throw metadataRefusal(stray.map(field => ({ field, message: `is not among ${TOLD_BY.join(', ')}` })));
  const { command_endpoint, commands_supported, risc_endpoint, webhook_uri, ...rest } = before.metadata;
  const checked = checkMetadata({ ...rest, ...(input as object) }, rules, { operator: true });
  /* What else it declares may be gone by now, and is not what this is about. */
  const issues = checked.ok
    ? []
    : checked.issues.filter(({ field }) => /^(command|risc|webhook)/.test(field));
  if (issues.length > 0) throw metadataRefusal(issues);
  const metadata = { ...rest, ...toldBySchema.parse(input) };
  const client = (await store.update(work.tx, id, { metadata }, work.at)) ?? refuseMissing(id);
  work.record({ type: 'client.told_by_changed', clientId: id, detail: { by: given } });
  return client;
}

/** What replacing a client's metadata does, or would. */
export interface Updated extends Issued {
  readonly changes: readonly MetadataChange[];
  /** Whether the operator has to look at it again. */
  readonly review: boolean;
}

/**
 * Replaces a client's metadata by other, checked as a new client's is (RFC 7592 §2.2). Where that widens what the operator
 * looked at, nobody has reviewed it any more, unless they say so here. How the app knows people never changes.
 */
export async function updateClient(
  work: Work,
  id: string,
  input: unknown,
  { rules, verified = false, dry = false }: { rules: ClientRules; verified?: boolean; dry?: boolean },
): Promise<Updated> {
  const before = (await store.lock(work.tx, id)) ?? refuseMissing(id);
  const checked = checkMetadata(input, rules, { operator: true });
  if (!checked.ok) throw metadataRefusal(checked.issues);
  const { metadata } = checked;
  if (metadata.webauthn_origins && !before.firstParty) throw metadataRefusal([NOT_THE_HOUSE]);
  if (checked.firstParty && !before.firstParty) throw metadataRefusal([NOT_LATER]);
  const changes = changesOf(before.metadata, metadata);
  if (changes.some(({ member }) => KNOWS_PEOPLE_BY.includes(member))) throw metadataRefusal([OTHER_SUBJECTS]);
  if (before.metadata.saml?.entity_id !== metadata.saml?.entity_id) throw metadataRefusal([OTHER_ENTITY]);
  const review = before.verified && !verified && changes.some(widens);
  if (dry || changes.length === 0) return { client: before, changes, review };
  const secret = hasSecret(metadata) && !before.secretDigest ? randomToken() : undefined;
  const change: store.ClientChange = {
    metadata,
    verified: verified || (before.verified && !review),
    ...(secret !== undefined && { secretDigest: digest(secret) }),
    ...(!hasSecret(metadata) && {
      secretDigest: null,
      previousSecretDigest: null,
      previousSecretUntil: null,
    }),
    ...(changes.some(({ member }) => member === 'logo_uri') && { logo: null }),
  };
  const client = (await store.update(work.tx, id, change, work.at)) ?? refuseMissing(id);
  const members = changes.map(({ member }) => member);
  work.record({ type: 'client.updated', clientId: id, detail: { members, verified: client.verified } });
  if ('logo' in change && metadata.logo_uri !== undefined)
    work.enqueue({ name: 'client-logo', payload: { clientId: id } });
  return { client, changes, review, ...(secret !== undefined && { secret }) };
}

const KNOWS_PEOPLE_BY: readonly string[] = ['subject_type', 'sector_identifier_uri'];
const OTHER_SUBJECTS = {
  field: 'subject_type',
  message: 'and sector_identifier_uri cannot change: the app would know nobody any more',
};
const OTHER_ENTITY = {
  field: 'saml',
  message: OTHER_SUBJECTS.message.replace('and sector_identifier_uri', 'entity_id'),
};
const NOT_LATER = { field: 'first_party', message: 'is said when an app is registered' };

/** Which clients declare one of these purposes, a hundred at most. */
export function listDeclaring(db: Db | Tx, purposes: readonly string[]) {
  return store.listDeclaring(db, purposes, 100);
}

/** Forgets a client; its id is never given again. */
export async function removeClient(work: Work, id: string): Promise<void> {
  if (!(await store.remove(work.tx, id))) refuseMissing(id);
  work.record({ type: 'client.removed', clientId: id });
}

/** The picture that pages show for a client. */
export function findLogo(db: Db | Tx, id: string): Promise<store.Logo | undefined> {
  return store.findLogo(db, id);
}

/**
 * What the engine's adapter gives for a client. `client_secret` stands for the secret: it is the digest, which
 * `verifyClientSecret` alone can compare with what a client presents.
 */
export function toProviderMetadata(client: Client): ClientMetadata & Readonly<Record<string, unknown>> {
  return {
    ...client.metadata,
    client_id: client.id,
    client_id_issued_at: Math.floor(client.createdAt.getTime() / 1000),
    first_party: client.firstParty,
    verified: client.verified,
    ...(client.secretDigest && { client_secret: client.secretDigest.toString('base64url') }),
  };
}

/** What whoever registers a client is told (RFC 7591 §3.2.1). */
export function toRegistrationAnswer({ client, secret }: Issued): Readonly<Record<string, unknown>> {
  return {
    client_id: client.id,
    ...(secret !== undefined && { client_secret: secret, client_secret_expires_at: 0 }),
    client_id_issued_at: Math.floor(client.createdAt.getTime() / 1000),
    ...client.metadata,
    first_party: client.firstParty,
  };
}

async function changeState(work: Work, id: string, state: Client['state']): Promise<Client> {
  const before = (await store.lock(work.tx, id)) ?? refuseMissing(id);
  if (before.state === state) return before;
  const client = (await store.update(work.tx, id, { state }, work.at)) ?? refuseMissing(id);
  work.record({ type: state === 'active' ? 'client.enabled' : 'client.disabled', clientId: id });
  return client;
}

function refuseMissing(id: string): never {
  throw new Refusal('missing', 'client_not_found', `There is no client ${id}.`);
}
