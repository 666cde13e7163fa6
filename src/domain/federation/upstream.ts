import type { z } from 'zod';
import type { Keyring } from '../../platform/crypto/keyring.js';
import type { Db } from '../../platform/storage/db.js';
import type { IdentityProvider, ProviderKind } from './provider.js';
import type { SessionThere } from './saml/assertion.js';

/** What an identity provider said about somebody, checked; nothing of it is ours yet. */
export interface UpstreamIdentity {
  /** Stable there, and never an e-mail address unless the provider has nothing else. */
  readonly subject: string;
  /** `verified` only by a JSON boolean `true` in the very payload that the address came from. */
  readonly email?: { readonly address: string; readonly verified: boolean };
  /** As sent, bounded; mapped later. */
  readonly claims: Readonly<Record<string, unknown>>;
  readonly acr?: string;
  readonly amr?: readonly string[];
  readonly authenticatedAt?: Date;
  /** Their session there, as it is named when either side ends it; undefined where nobody can. */
  readonly session?: SessionThere;
  /** Only where the settings of the provider say that they are kept. */
  readonly tokens?: UpstreamTokens;
}

/** What a provider lets us do there in somebody's name. */
export interface UpstreamTokens {
  readonly access_token: string;
  readonly refresh_token?: string;
  readonly scope?: string;
  /** Seconds since the epoch. */
  readonly expires_at?: number;
}

/** Why a provider let nobody in: it cannot be reached, it (or the person there) said no, or what it said is not true. */
export type TroubleKind = 'unreachable' | 'refused' | 'untrue';

/** What went wrong at a provider; `reason` is a word for the record, and nothing of what came. */
export class UpstreamTrouble extends Error {
  readonly kind: TroubleKind;
  readonly reason: string;
  /** The provider that it is about, as soon as anybody knows. */
  providerId: string | undefined;

  constructor(kind: TroubleKind, reason: string, cause?: unknown) {
    super(`${kind}: ${reason}`, cause === undefined ? undefined : { cause });
    this.name = 'UpstreamTrouble';
    this.kind = kind;
    this.reason = reason;
  }
}

/** Fetches from a provider: through the one way out, bounded in time and size, and behind its breaker. */
export type UpstreamFetch = (
  url: string | URL,
  init?: RequestInit & { readonly timeout?: number; readonly maxBytes?: number },
) => Promise<Response>;

/** A provider as a protocol works with it. */
export interface Upstream {
  readonly provider: IdentityProvider;
  /** Opened; by the names that the protocol gives them. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly fetch: UpstreamFetch;
  /** For a protocol that speaks no HTTP: counts with the breaker, and refuses while that is open. */
  guard<T>(ask: () => Promise<T>): Promise<T>;
  /** Where the provider sends people back to, `/federation/<id>/callback` here. */
  readonly callbackUrl: URL;
  readonly issuer: URL;
  /** http and private addresses are let through: a rig on loopback. */
  readonly allowPrivateNetwork: boolean;
  /** What a protocol remembers of this provider in this process, by names of its own; gone as soon as the provider changes. */
  readonly memory: Map<string, unknown>;
  /** Where a protocol keeps what outlives a process: keys, what a provider said about itself, what was seen once. */
  readonly db: Db;
  readonly keyring: Keyring;
}

/** With what somebody is sent to a provider. */
export interface Leaving {
  /** Comes back with them (`state`, `RelayState`): unguessable, and good once. */
  readonly state: string;
  /** They are asked anew there: when they signed in must be no longer ago, in seconds. It is looked at once they are back. */
  readonly freshWithin?: number | undefined;
  readonly loginHint?: string | undefined;
  /** What its mapping calls the strength that is demanded here, where it is told of any. */
  readonly acrValues?: readonly string[];
}

/** Where they are sent, and what their answer is checked against: nonces, verifiers, ids of requests. Kept sealed. */
export interface Departure {
  readonly to: URL;
  /** What their browser posts there; it is led there where there is none. */
  readonly form?: Readonly<Record<string, string>>;
  readonly notes: Readonly<Record<string, string>>;
}

/** What came back to the callback, as it came. */
export interface UpstreamAnswer {
  readonly method: 'GET' | 'POST';
  /** Each once: one that comes twice is refused before. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** A way to speak with providers; `settings` and `secrets` say what the operator gives. */
export interface Protocol {
  readonly kind: ProviderKind;
  /** Strict: a member that nobody knows is a mistake. */
  readonly settings: z.ZodType<Readonly<Record<string, unknown>>>;
  /** What may be secret, by name. */
  readonly secrets: readonly string[];
  /** Refuses secrets that its settings cannot be used with. */
  checkSecrets?(
    settings: Readonly<Record<string, unknown>>,
    secrets: Readonly<Record<string, string>>,
  ): Promise<void>;
  /** Within what its subjects are one person each: its issuer, and not the name that an operator gives it. */
  namespace?(settings: Readonly<Record<string, unknown>>): string;
  /** Origins that people are sent to, as far as the settings say. */
  origins(settings: Readonly<Record<string, unknown>>): readonly string[];
}

/** One that asks here for the password of there. */
export interface PasswordProtocol extends Protocol {
  /** Who they are, if what they typed is right; throws `UpstreamTrouble`. */
  prove(
    upstream: Upstream,
    typed: { readonly address: string; readonly password: string },
  ): Promise<UpstreamIdentity>;
  /** Whether it can be asked at all; throws `UpstreamTrouble`. */
  probe(upstream: Upstream): Promise<void>;
}

/** One that sends people there and takes them back. */
export interface RedirectingProtocol extends Protocol {
  /** The name of the parameter that brings `state` back. */
  readonly stateParameter: 'state' | 'RelayState';
  depart(upstream: Upstream, leaving: Leaving): Promise<Departure>;
  /** Whether people can be sent there, without keeping anything; departs in vain where it is absent. Throws `UpstreamTrouble`. */
  probe?(upstream: Upstream): Promise<void>;
  /** Who they are by what came, checked against the notes; throws `UpstreamTrouble`. */
  identify(
    upstream: Upstream,
    answer: UpstreamAnswer,
    kept: { readonly state: string; readonly notes: Departure['notes'] },
  ): Promise<UpstreamIdentity>;
  /** Gives tokens back; false where the provider takes none. */
  revoke?(upstream: Upstream, tokens: UpstreamTokens): Promise<boolean>;
}
