import { badgeOf, show } from '../journey.js';
import { stepUrl, type Turn } from '../turn.js';
import { providerButtons, providerName } from './buttons.js';
import type { FederatedTroublePage } from './models.js';

const STATUS: Readonly<Record<FederatedTroublePage['word'], number>> = {
  unreachable: 503,
  refused: 403,
  untrue: 403,
  stale: 403,
  over: 410,
  unavailable: 404,
};

/** Says that a provider let nobody in, why, and what else there is. */
export async function showTrouble(
  turn: Turn,
  { word, provider }: { readonly word: FederatedTroublePage['word']; readonly provider?: string | undefined },
): Promise<void> {
  const { ctx, parts, pending } = turn;
  const { providers = [] } = await providerButtons({ ctx, parts });
  const awake = providers.filter(({ resting }) => !resting);
  ctx.status = STATUS[word];
  show(ctx, parts, 'federated/trouble', {
    uid: pending.uid,
    app: badgeOf(pending),
    word,
    provider: provider === undefined ? '' : await providerName(turn, provider),
    otherUrl: `${stepUrl(pending)}?way=sign-in`,
    ...(awake.length > 0 && { providers: awake }),
  });
  ctx.status = STATUS[word];
}
