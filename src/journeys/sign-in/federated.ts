import { type Account, findAccount, findByIdentifier, newAccountId } from '../../domain/accounts/accounts.js';
import {
  type Arrived,
  beginSession,
  type FederatedLink,
  findLink,
  holdLink,
  UpstreamTrouble,
} from '../../domain/federation/federation.js';
import { mayAct } from '../../oidc/acting.js';
import { Refusal } from '../../platform/errors.js';
import { openWork } from '../../platform/storage/work.js';
import { sendThere } from '../federated/leaving.js';
import { provedThere } from '../federated/linking.js';
import { pendingOf } from '../federated/pending.js';
import { signedInSince, strengthOfArrival } from '../federated/strength.js';
import { showTrouble } from '../federated/trouble.js';
import { badgeOf, noteReplay, seeOther } from '../journey.js';
import { countTry, PROVIDERS } from '../limits.js';
import { beginReturn, isArchived } from '../recovery/archived.js';
import { leadToSecond } from '../second-step/second-step.js';
import { advance, stepUrl, type Turn, toStep } from '../turn.js';
import { goOn, turnAway, unavailable } from './going-on.js';

function paramOf({ ctx }: Turn, name: 'provider' | 'trip'): string {
  return String((ctx['params'] as Readonly<Record<string, string>>)[name]);
}

/** "Continue with …": sends somebody to a provider, with a trip of their own that only this browser and request can finish. */
export async function submitProvider(turn: Turn): Promise<void> {
  const { ctx, parts, pending } = turn;
  const providerId = paramOf(turn, 'provider');
  await countTry(turn, PROVIDERS);
  try {
    const sent = await parts.federation.depart({
      providerId,
      purpose: 'sign-in',
      binding: pending.uid,
      browser: parts.csrf.openBrowser(ctx),
      returnTo: `${stepUrl(pending)}/federated`,
      freshWithin: freshnessOf(turn),
      loginHint: hintOf(turn),
      strength: pending.demand?.acr,
    });
    await sendThere(ctx, parts, { providerId, ...sent }, { uid: pending.uid, app: badgeOf(pending) });
  } catch (error) {
    await inTrouble(turn, providerId, error);
  }
}

/* Who is asked to sign in anew here is asked so there as well, or a session there would stand in for it. */
function freshnessOf({ progress, pending: { params, prompt } }: Turn): number | undefined {
  const asked = String(params['prompt'] ?? '').split(' ');
  const anew = asked.includes('login') || prompt.reasons.includes('max_age');
  if (anew || progress.tooWeak === 'provider') return 0;
  const age = Number(params['max_age'] ?? Number.NaN);
  return Number.isInteger(age) && age >= 0 ? age : undefined;
}

function hintOf({ progress, pending }: Turn): string | undefined {
  const hint = progress.email ?? pending.params['login_hint'];
  return typeof hint === 'string' && hint.includes('@') ? hint.slice(0, 254) : undefined;
}

/** The way back from a provider, in the browser and request that went there: once, and while it is fresh. */
export async function comeBack(turn: Turn): Promise<void> {
  const { ctx, parts, pending } = turn;
  const browser = parts.csrf.browser(ctx);
  const id = paramOf(turn, 'trip');
  if (!UUID.test(id)) throw new Refusal('missing', 'not_found', 'There is nothing at this address.');
  try {
    const trip = { id, purpose: 'sign-in', binding: pending.uid, browser: browser ?? '' } as const;
    const arrived = await parts.federation.arrive(trip);
    if (arrived) return await arrive(turn, arrived);
  } catch (error) {
    return inTrouble(turn, undefined, error);
  }
  await noteReplay(ctx, parts, 'federated_answer', { clientId: pending.app.clientId });
  await showTrouble(turn, { word: 'over' });
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

async function inTrouble(turn: Turn, provider: string | undefined, error: unknown): Promise<void> {
  if (error instanceof Refusal && error.code === 'provider_unavailable') {
    return showTrouble(turn, { word: 'unavailable', provider });
  }
  if (!(error instanceof UpstreamTrouble)) throw error;
  const { kind, reason } = error;
  const about = provider ?? error.providerId;
  await openWork(turn.parts.db, { kind: 'person' }, async work =>
    work.record({
      type: 'identity_provider.failed',
      clientId: turn.pending.app.clientId,
      detail: { provider: about ?? null, kind, reason },
    }),
  );
  return showTrouble(turn, { word: reason === 'not_fresh' ? 'stale' : kind, provider: about });
}

/**
 * Somebody arrived with an identity: whoever it is tied to is signed in, nobody else ever. One that is nobody's opens an
 * account, or is tied to the one that has its address once that is proved on both sides.
 */
export async function arrive(turn: Turn, arrived: Arrived): Promise<void> {
  const { provider, identity } = arrived;
  const link = await findLink(turn.parts.db, provider.id, identity.subject);
  return link ? asOwner(turn, arrived, link) : asNobody(turn, arrived);
}

async function asOwner(turn: Turn, arrived: Arrived, link: FederatedLink): Promise<void> {
  const { parts } = turn;
  const account = await findAccount(parts.db, link.accountId);
  if (isArchived(account)) {
    await turnAway(turn, 'provider', account.id);
    await beginReturn(turn, account);
    return toStep(turn);
  }
  if (!mayAct({ account }) || !account) {
    await turnAway(turn, 'provider', account?.id);
    throw unavailable(account);
  }
  const actor = { kind: 'person', id: account.id } as const;
  const linking = { accountId: account.id, providerId: link.providerId, identity: arrived.identity };
  const there = await openWork(parts.db, actor, async work =>
    (await holdLink(work, link))
      ? beginSession(work, parts.keyring, { ...linking, linkId: link.id })
      : undefined,
  );
  if (!there) return asNobody(turn, arrived);
  const thereSince = signedInSince(arrived, turn.cameAt).getTime();
  const came = pendingOf(turn, arrived);
  const on = { ...turn, progress: { ...turn.progress, came, there, thereSince } };
  await signInAs(on, account, strengthOfArrival(arrived));
}

async function signInAs(
  turn: Turn,
  account: Account,
  strength: ReturnType<typeof strengthOfArrival>,
): Promise<void> {
  if (strength.acr === 'aal1' && (await leadToSecond(turn, account, 'provider'))) return;
  seeOther(turn.ctx, await goOn(turn, { accountId: account.id, ...strength }, account));
}

/*
 * Whether an address has an account here is said to nobody but whoever proved that they read mail there: by the provider's word
 * where that counts, and by a code of ours where it does not.
 */
async function asNobody(turn: Turn, arrived: Arrived): Promise<void> {
  const federated = pendingOf(turn, arrived);
  const email = provedThere(arrived.provider, arrived.identity);
  if (email === undefined) return advance(turn, { way: 'sign-up', federated });
  if (await findByIdentifier(turn.parts.db, 'email', email)) {
    return advance(turn, { way: 'sign-in', email, federated });
  }
  advance(turn, { way: 'sign-up', email, newAccountId: newAccountId(), federated });
}
