import type Koa from 'koa';
import {
  type Answer,
  discloses,
  type HashValue,
  openHashing,
  personalOf,
  type Told,
  type Way,
} from '../domain/disclosures/disclosures.js';
import { claimsToApps, type ProfileSchema } from '../domain/profiles/profiles.js';
import type { Keyring } from '../platform/crypto/keyring.js';
import { openSubjectKey } from '../platform/storage/origin.js';
import type { Claims } from './claims.js';
import { type AccountSnapshot, requestScope } from './request-scope.js';

/** What an app is about to be told about somebody, by way. */
export interface Leaving {
  readonly accountId: string;
  readonly clientId: string;
  /** The app whose token it is, where an API asks about it. */
  readonly allowedTo?: string | undefined;
  readonly told: Readonly<Partial<Record<Way, Told>>>;
}

/** Puts on record what leaves, with the flush of the request: nothing leaves that could not be written. */
export interface Disclosing {
  /** What the engine's finished answer tells. */
  finished(ctx: Koa.Context): Promise<void>;
  /** What an answer of ours tells an app. */
  leaving(what: Leaving): Promise<void>;
  /** Tells whether a value that left is still the one there is; undefined where that is no question. */
  standing(accountId: string): Promise<(claim: string, valueHash: string) => boolean | undefined>;
}

/** What recording is opened with. */
export interface DisclosingParts {
  readonly schema: ProfileSchema;
  readonly keyring: Keyring;
  readonly claims: Claims;
}

/** Opens the recording of what leaves, each claim under the purpose that it is declared for. */
export function openDisclosing({ schema, keyring, claims }: DisclosingParts): Disclosing {
  const purposes = new Map(
    [...schema.attributes, ...claimsToApps(schema)].map(({ name, purpose }) => [name, purpose]),
  );
  const leaving = async ({ accountId, clientId, allowedTo = clientId, told }: Leaving) => {
    const scope = requestScope();
    const answers = Object.entries(told).flatMap(([name, all]): Answer[] => {
      const way = name as Way;
      const personal = personalOf(all, way);
      if (Object.keys(personal).length === 0) return [];
      const digest = keyring.mac('disclosed', `${accountId} ${way} ${JSON.stringify(personal)}`);
      const answer = { way, told: personal, digest: digest.toString('base64url').slice(0, 22) };
      return scope.knownAnswers(accountId, clientId, way).includes(answer.digest) ? [] : [answer];
    });
    if (answers.length === 0) return;
    const hash = hashingOf(keyring, accountId, await scope.account(accountId));
    const purposeOf = (claim: string) => purposes.get(claim);
    const consentId = scope.consentInHand(accountId, allowedTo)?.id;
    scope.writes.along(discloses({ accountId, clientId, consentId, hash, purposeOf }, answers));
  };
  return {
    leaving,
    standing: async accountId => {
      const snapshot = await requestScope().account(accountId);
      const hash = hashingOf(keyring, accountId, snapshot);
      /* As claims tell it, and as it is kept, which the account API tells: an address is not the same in both. */
      const forms = snapshot ? [claims.of(snapshot), snapshot.profile ?? {}] : [];
      const hashes = forms.flatMap(form => Object.entries(form).map(([claim, value]) => hash(claim, value)));
      const now = new Set(hashes);
      return (claim, valueHash) =>
        purposes.has(claim) && claim !== 'updated_at' ? now.has(valueHash) : undefined;
    },
    finished: async ctx => {
      const finished = leavingIn(ctx);
      if (finished) await leaving(finished);
    },
  };
}

/** The hashing under somebody's own key; under the installation's where that one is lost. */
export function hashingOf(
  keyring: Keyring,
  accountId: string,
  snapshot: Pick<AccountSnapshot, 'subject_key'> | undefined,
): HashValue {
  const key = openSubjectKey(keyring, accountId, snapshot?.subject_key);
  return openHashing(key ?? keyring.mac('disclosures', accountId));
}

interface Held {
  readonly accountId?: string | undefined;
  readonly clientId?: string | undefined;
}

interface EngineContext {
  readonly oidc?: {
    readonly route?: string;
    readonly client?: { readonly clientId: string };
    readonly entities?: Readonly<Record<'Account' | 'AccessToken' | 'RefreshToken', Held | undefined>>;
  };
}

/* Read from the very answer that leaves, so that no other way to put something into it can be forgotten. */
function leavingIn(ctx: Koa.Context): Leaving | undefined {
  const { route, client, entities } = (ctx as unknown as EngineContext).oidc ?? {};
  const read = route === undefined ? undefined : ANSWERS[route];
  if (!read || !client || ctx.status !== 200) return undefined;
  const { clientId } = client;
  const told = read(ctx.body);
  const token = entities?.AccessToken ?? entities?.RefreshToken;
  const accountId = entities?.Account?.accountId ?? token?.accountId;
  if (accountId !== undefined) return { accountId, clientId, allowedTo: token?.clientId, told };
  /* An app that acts for itself is told about itself alone (RFC 9068 §2.2). */
  const others = Object.entries(told).flatMap(([way, each]) => Object.entries(personalOf(each, way as Way)));
  if (others.some(([claim, value]) => claim !== 'sub' || value !== clientId)) {
    throw new Error('something is told about nobody');
  }
  return undefined;
}

type Reading = (body: unknown) => Leaving['told'];

/** What the engine's answers tell, by what it calls the request. */
const ANSWERS: Readonly<Record<string, Reading>> = {
  token: body => {
    const { id_token, access_token } = body as { id_token?: string; access_token?: string };
    return {
      ...(access_token?.includes('.') && { access_token: claimsIn(access_token) }),
      ...(id_token !== undefined && { id_token: claimsIn(id_token) }),
    };
  },
  userinfo: body => ({ userinfo: membersOf(body) }),
  introspection: body => {
    const { token_introspection: signed, ...plain } = membersOf(body);
    return { introspection: signed === undefined ? plain : membersOf(signed) };
  },
};

function membersOf(body: unknown): Told {
  if (typeof body === 'string') return claimsIn(body);
  if (typeof body === 'object' && body !== null) return body as Told;
  throw new Error('an answer cannot be read');
}

/* What is encrypted for the app cannot be read here any more, and does not leave. */
function claimsIn(jwt: string): Told {
  const parts = jwt.split('.');
  if (parts.length !== 3) throw new Error('a token cannot be read');
  return JSON.parse(Buffer.from(parts[1] ?? '', 'base64url').toString('utf8')) as Told;
}
