import { addLink, findLink, UpstreamTrouble } from '../../../domain/federation/federation.js';
import { Refusal } from '../../../platform/errors.js';
import { sendThere } from '../../federated/leaving.js';
import { takeMapped } from '../../federated/taking.js';
import { noteReplay } from '../../journey.js';
import { countTry, PROVIDERS } from '../../limits.js';
import { type AccountCall, leadTo } from '../door.js';
import { changing } from '../signing-in/ways.js';
import type { LinkedDone } from './models.js';

/** Where the list is. */
export const LINKED = '/account/linked';

/* What is begun in one session is finished in it, by its own person and in its own browser. */
const bindingOf = ({ me }: AccountCall) => `account ${me.accountId} ${me.sessionUid}`;

/** Sends somebody who has just proved who they are here to a provider, to prove who they are there. */
export async function beginLink(call: AccountCall): Promise<void> {
  const { ctx, parts, me, params } = call;
  const providerId = params['provider'] ?? '';
  await countTry(call, PROVIDERS);
  try {
    const sent = await parts.federation.depart({
      providerId,
      purpose: 'link',
      binding: bindingOf(call),
      accountId: me.accountId,
      browser: parts.csrf.openBrowser(ctx),
      returnTo: `${LINKED}/back`,
    });
    /* The page had not said yet that its form may lead there; by now it does. */
    if (!sent.known && !sent.form) return leadTo(call, LINKED, 'again');
    await sendThere(ctx, parts, { providerId, ...sent });
  } catch (error) {
    await inTrouble(call, providerId, error);
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The way back: both sides are proved, and are tied to each other, once; whatever the address there says. */
export async function finishLink(call: AccountCall): Promise<void> {
  const { ctx, parts, me, params } = call;
  const id = params['trip'] ?? '';
  if (!UUID.test(id)) throw new Refusal('missing', 'not_found', 'There is nothing at this address.');
  try {
    const browser = parts.csrf.browser(ctx) ?? '';
    const arrived = await parts.federation.arrive({ id, purpose: 'link', binding: bindingOf(call), browser });
    if (!arrived) {
      await noteReplay(ctx, parts, 'federated_answer', { accountId: me.accountId });
      return leadTo(call, LINKED, 'over');
    }
    const { provider, identity } = arrived;
    const done = await changing(call, async (work, tell): Promise<LinkedDone> => {
      const { accountId } = me;
      const tied = await findLink(work.tx, provider.id, identity.subject);
      if (tied) return tied.accountId === accountId ? 'there' : 'taken';
      const given = await takeMapped(work, call, arrived, { accountId, given: {} });
      const linking = { accountId, providerId: provider.id, identity, given };
      const added = await addLink(work, parts.keyring, linking, 'added');
      if (added.outcome !== 'added') return added.outcome;
      await tell({
        kind: 'provider_added',
        values: { provider: provider.name },
        undo: { linkId: added.id },
      });
      return 'added';
    });
    leadTo(call, LINKED, done);
  } catch (error) {
    await inTrouble(call, undefined, error);
  }
}

async function inTrouble(call: AccountCall, provider: string | undefined, error: unknown): Promise<void> {
  if (error instanceof Refusal && error.code === 'provider_unavailable')
    return leadTo(call, LINKED, 'failed');
  if (!(error instanceof UpstreamTrouble)) throw error;
  const { kind, reason } = error;
  await changing(call, async work =>
    work.record({
      type: 'identity_provider.failed',
      accountId: call.me.accountId,
      detail: { provider: provider ?? error.providerId ?? null, kind, reason },
    }),
  );
  leadTo(call, LINKED, 'failed');
}
