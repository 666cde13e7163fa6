import type { Keyring } from '../../../platform/crypto/keyring.js';
import { digest, randomToken } from '../../../platform/crypto/tokens.js';
import type { Db } from '../../../platform/storage/db.js';
import type { Work } from '../../../platform/storage/work.js';
import { exchangeWith } from '../protocols/saml.js';
import { noSuchProvider } from '../provider.js';
import { findSessionThere, listSessionsNamed, type NamedSession } from '../sessions.js';
import type { Upstream } from '../upstream.js';
import { ownAddresses } from './exchange.js';
import { ownKeys } from './keys.js';
import {
  LOGOUT_SECONDS,
  type LogoutAnswered,
  type LogoutAsked,
  logoutRequest,
  logoutResponse,
  readLogoutMessage,
  type Sent,
  takesLogout,
} from './logout.js';
import { untrue } from './message.js';
import { ourMetadata } from './our-metadata.js';
import type { SamlDeparture } from './request.js';
import { samlSettings } from './settings.js';
import { insertLogout, see, useLogout } from './store.js';

/** What SAML has beside signing in: what companies are told about us, and signing out on both sides. */
export interface SamlDoor {
  /** Our metadata towards a provider, whether it may be used or not; refuses one that does not speak SAML. */
  metadata(providerId: string): Promise<string>;
  /** Reads a message about signing out; throws `UpstreamTrouble` when it is not to be believed. */
  read(providerId: string, sent: Sent): Promise<LogoutAsked | LogoutAnswered>;
  /** Heeds a request to sign somebody out, once: the sessions at the provider that it means. */
  heed(work: Work, providerId: string, asked: LogoutAsked): Promise<readonly NamedSession[]>;
  /** Tells the provider that it was done. */
  answer(providerId: string, asked: LogoutAsked): Promise<SamlDeparture | undefined>;
  /** The pages that somebody passes who signs out there as well; none where the provider takes no such wish. */
  origins(session: NamedSession): Promise<readonly string[]>;
  /** Sends somebody who signed out here to do so there, to come back to `returnTo`; undefined where that cannot be done. */
  leave(session: NamedSession, returnTo: string): Promise<SamlDeparture | undefined>;
  /** Where somebody goes on who comes back from there, once. */
  comeBack(providerId: string, answered: LogoutAnswered): Promise<string | undefined>;
}

interface Reach {
  readonly db: Db;
  readonly keyring: Keyring;
  /** One that may be used now. */
  reach(id: string): Promise<Upstream>;
  reachAnyway(id: string): Promise<Upstream>;
}

/* The request is named by what brings its answer back, so that one tells the other. */
const requestIdOf = (state: string) => `_${digest(`logout ${state}`).toString('hex')}`;

const samlOnly = (upstream: Upstream): Upstream => {
  if (upstream.provider.kind !== 'saml') throw noSuchProvider();
  return upstream;
};

/** Opens it over the way to the providers. */
export function openSamlDoor({ db, keyring, reach, reachAnyway }: Reach): SamlDoor {
  const exchange = async (id: string) => exchangeWith(samlOnly(await reach(id)), new Date());
  const namedThere = async (named: NamedSession) => {
    const found = await findSessionThere(db, keyring, named);
    return found && { ...found, with: await exchange(found.providerId) };
  };
  return {
    metadata: async id => {
      const { provider, issuer } = samlOnly(await reachAnyway(id));
      const keys = await ownKeys({ db, keyring, providerId: id, name: issuer.hostname }, new Date());
      return ourMetadata(ownAddresses(issuer, id), keys, samlSettings.parse(provider.settings));
    },
    read: async (id, sent) => readLogoutMessage(await exchange(id), sent, new Date()),
    heed: async (work, id, asked) => {
      const until = new Date(work.at.getTime() + 4 * LOGOUT_SECONDS * 1000);
      if (!(await see(work.tx, id, digest(`logout ${asked.id}`), until))) throw untrue('seen_before');
      return listSessionsNamed(work.tx, keyring, id, asked);
    },
    answer: async (id, asked) => {
      const there = await exchange(id);
      if (!takesLogout(there)) return undefined;
      const { relayState } = asked;
      return logoutResponse(there, asked, { id: `_${randomToken()}`, relayState, succeeded: true });
    },
    origins: async named => {
      const { redirect, post } = (await namedThere(named))?.with.theirs.signOut ?? {};
      return [redirect, post].flatMap(address => (address === undefined ? [] : [new URL(address).origin]));
    },
    leave: async (named, returnTo) => {
      const there = await namedThere(named);
      if (!there || !takesLogout(there.with)) return undefined;
      const relayState = randomToken();
      await insertLogout(db, {
        stateDigest: digest(relayState),
        providerId: there.providerId,
        returnTo,
        expiresAt: new Date(Date.now() + 2 * LOGOUT_SECONDS * 1000),
      });
      return logoutRequest(there.with, there.session, { id: requestIdOf(relayState), relayState });
    },
    comeBack: async (id, { inResponseTo, relayState = '' }) => {
      if (inResponseTo !== requestIdOf(relayState)) return undefined;
      return useLogout(db, id, digest(relayState), new Date());
    },
  };
}
