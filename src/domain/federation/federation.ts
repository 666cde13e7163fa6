import type { Keyring } from '../../platform/crypto/keyring.js';
import type { Outbound } from '../../platform/outbound.js';
import type { Db } from '../../platform/storage/db.js';
import { openWork, type Work } from '../../platform/storage/work.js';
import { type BREAKER, openBreakers } from './breaker.js';
import { openProviderCache } from './cache.js';
import { checkedIdentity, mustBeFresh } from './checked.js';
import type { Realm } from './domain.js';
import { DOMAIN_FACTS } from './domains.js';
import type { TripPurpose } from './link.js';
import { byPassword, redirecting } from './protocols.js';
import { type IdentityProvider, mayUse, namesThere, noSuchProvider } from './provider.js';
import { openRealms } from './realms.js';
import { openSamlDoor, type SamlDoor } from './saml/door.js';
import { addOrigin } from './store.js';
import { keepAnswer, keepTrip, newState, type Returned, type TripBinding, takeTrip } from './trips.js';
import {
  type Leaving,
  type RedirectingProtocol,
  type Upstream,
  type UpstreamAnswer,
  type UpstreamIdentity,
  UpstreamTrouble,
} from './upstream.js';
import { type Reaching, reach, reachAnyway, upstreamOf } from './upstreams.js';

export { readDeclared, type UndecidedProvider } from './declared.js';
export { domainOf, type FederatedDomain, GRACE_DAYS, mustUse, type Realm } from './domain.js';
export { checkDomains } from './domain-jobs.js';
export { findRealm } from './domain-store.js';
export {
  addDomain,
  type ClaimedDomain,
  domainNamed,
  getDomain,
  listDomains,
  lookFor,
  noteSight,
  providerOf,
  removeDomain,
  speaksFor,
} from './domains.js';
export { exportFederation } from './exported.js';
export { sweepTrials, sweepTrips } from './jobs.js';
export {
  type FederatedLink,
  type LinkCameBy,
  type LinkSaid,
  MOST_LINKS,
  TRIP_MINUTES,
  type TripPurpose,
} from './link.js';
export { countLinks, countUsableLinks, findLink, forgetFederation, listLinks } from './link-store.js';
export { addLink, holdLink, type Linking, listLinksWithSaid, removeLink, useLink } from './links.js';
export { giveBackLinks, type KeptLink, takeOverLinks } from './merging.js';
export { enactProvider, mustBeUnused, type PlannedProvider, planProvider } from './planned.js';
export { PRESETS, presetOf } from './presets/presets.js';
export { probeProvider } from './probe.js';
export { byPassword } from './protocols.js';
export {
  type DeclaredProvider,
  type IdentityProvider,
  isTrustedFor,
  mayUse,
  noSuchProvider,
  PROVIDER_ID,
  PROVIDER_KINDS,
  type ProviderKind,
  type ProviderMapping,
  strengthThere,
} from './provider.js';
export { applyProvider, readProvider, removeProvider, setProviderState } from './providers.js';
export { ownAddresses } from './saml/exchange.js';
export { refreshSamlMetadata, sweepFederatedSessions } from './saml/jobs.js';
export { listOwnKeys, makeOwnKeys, rotateOwnKeys } from './saml/keys.js';
export type { LogoutAsked } from './saml/logout.js';
export { beginSession, listSessionsOfLink, type NamedSession, sessionStands } from './sessions.js';
export { findProvider, listProviders, MOST_PROVIDERS } from './store.js';
export { endTokens, readTokens, revokeTokens } from './tokens.js';
export { type TrialOutcome, tellTrial, tellTrouble } from './trial-outcome.js';
export { beginTrial, endTrial, offerTrial, providerOnTrial, takeOutcome } from './trials.js';
export { type Returned, type TripBinding, takeTrip } from './trips.js';
export {
  type Departure,
  type Leaving,
  type Protocol,
  type RedirectingProtocol,
  type TroubleKind,
  type Upstream,
  type UpstreamAnswer,
  type UpstreamIdentity,
  UpstreamTrouble,
} from './upstream.js';
export { callbackUrlOf } from './upstreams.js';

/** Every fact that this room leaves. */
export const FEDERATION_FACTS = [
  'identity_provider.applied',
  'identity_provider.enabled',
  'identity_provider.disabled',
  'identity_provider.removed',
  'identity_provider.tried',
  'federated_link.added',
  'federated_link.used',
  'federated_link.removed',
  'federated_session.ended',
  'federated_tokens.read',
  'identity_provider.tokens_ended',
  'identity_provider.keys_rotated',
  'identity_provider.metadata_changed',
  'identity_provider.metadata_failed',
  ...DOMAIN_FACTS,
] as const;

/** A provider as pages may show it. */
export interface OfferedProvider {
  readonly id: string;
  readonly name: string;
  readonly kind: IdentityProvider['kind'];
  readonly preset: string | undefined;
  /** It failed again and again just now: it is named, and cannot be chosen. */
  readonly resting: boolean;
  /** Origins that its button's form may lead to. */
  readonly origins: readonly string[];
}

/** Somebody who is sent to a provider. */
export interface Asked extends TripBinding, Omit<Leaving, 'state' | 'acrValues'> {
  /** More than one factor, which is demanded here and may be shown there. */
  readonly strength?: 'aal2' | 'phr' | undefined;
  readonly providerId: string;
  /** A path here, where they go on with `/<id>` of the trip behind it. */
  readonly returnTo: string;
}

/** Where somebody is sent; `known`: a form of ours may lead there, since its page said so. */
export interface SentTo {
  readonly to: URL;
  readonly known: boolean;
  /** What their browser posts there. */
  readonly form?: Readonly<Record<string, string>>;
}

/** Who somebody is at a provider, as it stood when they were sent there. */
export interface Arrived {
  readonly provider: IdentityProvider;
  readonly identity: UpstreamIdentity;
}

/** The way to identity providers and back. */
export interface Federation {
  /** Those that people are sent to by a button, in their order; from memory. */
  offered(): Promise<readonly OfferedProvider[]>;
  /** Every enabled provider, from memory: for what is shown, never for what is done. */
  enabled(): Promise<readonly IdentityProvider[]>;
  /** Origins that a form may lead to which sends somebody to a provider. */
  originsOf(provider: IdentityProvider): readonly string[];
  /** Keeps a trip and gives where it leads; throws `UpstreamTrouble` when the provider cannot be reached. */
  depart(asked: Asked): Promise<SentTo>;
  /**
   * Keeps what came to a provider's callback; gives where its person goes on, or undefined when nobody waits for it, or not in
   * this browser. A post from elsewhere brings no cookie: then that is looked at where they go on.
   */
  keepAnswer(
    providerId: string,
    answer: UpstreamAnswer,
    browser: string | undefined,
  ): Promise<string | undefined>;
  /** Uses up an answered trip and asks the provider who it is; undefined when there is no such trip (any more). */
  arrive(trip: Omit<TripBinding, 'accountId'> & { readonly id: string }): Promise<Arrived | undefined>;
  /** Where the domain of an address leads; from memory. */
  realmOf(email: string): Promise<Realm | undefined>;
  /** Whether some domain demands its provider; from memory. */
  anyRequired(): Promise<boolean>;
  /** Asks a provider of passwords who somebody is; throws `UpstreamTrouble`, and refuses a provider that is none. */
  prove(
    id: string,
    typed: { readonly address: string; readonly password: string },
    purpose?: TripPurpose,
  ): Promise<Arrived>;
  /** A provider as it stands in the database now, for a protocol that sends nobody anywhere; refuses one that may not be used. */
  reach(id: string, began?: { readonly version: number }): Promise<Upstream>;
  /** The same whatever its state, for operators. */
  reachAnyway(id: string): Promise<Upstream>;
  /** The same of a provider that is not kept (yet). */
  upstreamOf(provider: IdentityProvider, secrets: Readonly<Record<string, string>>): Upstream;
  /** What SAML has beside signing in. */
  readonly saml: SamlDoor;
  /** Settles when the providers and the domains are held. */
  readonly ready: Promise<void>;
  close(): Promise<void>;
}

/** What the room is opened with. */
export interface FederationOptions {
  readonly db: Db;
  readonly listenUrl: string;
  readonly keyring: Keyring;
  readonly outbound: Pick<Outbound, 'fetch'>;
  readonly issuer: URL;
  readonly allowPrivateNetwork: boolean;
  /** Milliseconds that somebody waits for one answer of a provider. */
  readonly timeout?: number;
  readonly breaker?: { readonly [Name in keyof typeof BREAKER]: number };
}

/** Opens the way to identity providers, with its memory and its breakers. */
export function openFederation({ listenUrl, breaker, ...options }: FederationOptions): Federation {
  const { db, keyring } = options;
  const breakers = openBreakers(breaker);
  const reaching: Reaching = { ...options, breakers, memories: new Map() };
  const cache = openProviderCache(db, listenUrl, id => {
    realms.forget();
    if (id === undefined) return;
    breakers.forget(id);
    reaching.memories.delete(id);
  });
  const realms = openRealms(db, cache.live);
  const enabled = async () => (await cache.list()).filter(provider => mayUse(provider));
  const atWork = <T>(act: (work: Work) => Promise<T>) => openWork(db, { kind: 'person' }, act);
  return {
    enabled,
    offered: async () =>
      (await enabled()).flatMap(provider => {
        const protocol = redirecting(provider.kind);
        return protocol ? [offerOf(provider, protocol, !breakers.answers(provider.id))] : [];
      }),
    originsOf: provider => {
      const protocol = redirecting(provider.kind);
      return protocol ? offerOf(provider, protocol, false).origins : [];
    },
    depart: async ({ providerId, returnTo, freshWithin, loginHint, strength, ...binding }) => {
      const upstream = await reached(reaching, providerId, binding.purpose);
      const { provider } = upstream;
      const protocol = redirecting(provider.kind);
      if (!protocol) throw noSuchProvider();
      const state = newState();
      const { to, notes, form } = await protocol.depart(upstream, {
        state,
        freshWithin,
        loginHint,
        ...(strength && { acrValues: namesThere(provider, strength) }),
      });
      const known = offerOf(provider, protocol, false).origins.includes(to.origin);
      await atWork(async work => {
        await keepTrip(work, keyring, { ...binding, provider, state, returnTo, notes, freshWithin });
        if (!known) await addOrigin(work.tx, providerId, to.origin);
      });
      return { to, known, ...(form && { form }) };
    },
    keepAnswer: async (providerId, answer, browser) => {
      const state = answer.parameters['state'] ?? answer.parameters['RelayState'];
      if (!state) return undefined;
      const kept = await atWork(work => keepAnswer(work, keyring, { providerId, state, browser, answer }));
      return kept && `${kept.returnTo}/${kept.id}`;
    },
    arrive: async trip => {
      const returned = await atWork(work => takeTrip(work, keyring, trip));
      return returned && identified(reaching, returned, trip.purpose).catch(about(returned.providerId));
    },
    realmOf: realms.of,
    anyRequired: realms.anyRequired,
    prove: (id, typed, purpose = 'sign-in') => proved(reaching, id, typed, purpose),
    reach: (id, began) => reach(reaching, id, began),
    reachAnyway: id => reachAnyway(reaching, id),
    upstreamOf: (provider, secrets) => upstreamOf(reaching, provider, secrets),
    saml: openSamlDoor({
      db,
      keyring,
      reach: id => reach(reaching, id),
      reachAnyway: id => reachAnyway(reaching, id),
    }),
    ready: cache.ready
      .then(() => realms.anyRequired())
      .then(
        () => undefined,
        () => undefined,
      ),
    close: () => cache.close(),
  };
}

function offerOf(
  { id, name, kind, preset, origins, settings }: IdentityProvider,
  protocol: RedirectingProtocol,
  resting: boolean,
): OfferedProvider {
  return { id, name, kind, preset, resting, origins: [...protocol.origins(settings), ...origins] };
}

/* What is tried out need not be enabled yet. */
async function reached(
  reaching: Reaching,
  id: string,
  purpose: TripPurpose,
  began?: { readonly version: number },
): Promise<Upstream> {
  if (purpose !== 'test') return reach(reaching, id, began);
  const upstream = await reachAnyway(reaching, id);
  if (began && began.version !== upstream.provider.version) throw noSuchProvider();
  return upstream;
}

async function identified(reaching: Reaching, returned: Returned, purpose: TripPurpose): Promise<Arrived> {
  const { providerId, providerVersion: version, answer, state, notes } = returned;
  const upstream = await reached(reaching, providerId, purpose, { version });
  const protocol = redirecting(upstream.provider.kind);
  if (!protocol) throw noSuchProvider();
  const said = await protocol.identify(upstream, answer, { state, notes });
  const identity = checkedIdentity(upstream.provider, said);
  mustBeFresh(identity, returned.freshFrom);
  /* It may have been disabled while it was asked. */
  const { provider } = await reached(reaching, providerId, purpose, { version });
  return { provider, identity };
}

async function proved(
  reaching: Reaching,
  id: string,
  typed: { readonly address: string; readonly password: string },
  purpose: TripPurpose,
): Promise<Arrived> {
  const upstream = await reached(reaching, id, purpose);
  const { kind, version } = upstream.provider;
  const protocol = byPassword(kind);
  if (!protocol) throw noSuchProvider();
  const said = { ...(await protocol.prove(upstream, typed)), authenticatedAt: new Date() };
  const identity = checkedIdentity(upstream.provider, said);
  /* It may have been disabled while it was asked. */
  const { provider } = await reached(reaching, id, purpose, { version });
  return { provider, identity };
}

/* Whoever is sent back brings no name of a provider along: the trip knows it. */
const about = (providerId: string) => (error: unknown) => {
  if (error instanceof UpstreamTrouble) error.providerId = providerId;
  throw error;
};
