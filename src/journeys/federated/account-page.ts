import { badgeOf, show } from '../journey.js';
import type { Problem } from '../page-models.js';
import { nameAsked } from '../sign-up/name.js';
import { TERMS_VERSION } from '../terms.js';
import { stepUrl, type Turn } from '../turn.js';
import { providerName } from './buttons.js';
import { openPending } from './pending.js';

const LONGEST_NAME = 200;

/** Shows the page on which somebody opens an account by what they brought. */
export async function showFederatedAccount(
  turn: Turn,
  problems: readonly Problem[],
  typed: { readonly name?: string; readonly termsAccepted?: boolean },
): Promise<void> {
  const { ctx, parts, pending, progress } = turn;
  const { federated, email = '' } = progress;
  if (!federated) throw new Error('nobody brought an identity');
  const name = openPending(turn, federated).claims['name'];
  show(ctx, parts, 'federated/account', {
    uid: pending.uid,
    app: badgeOf(pending),
    problems,
    provider: await providerName(turn, federated.provider),
    email,
    ...(typeof name === 'string' && { name: name.slice(0, LONGEST_NAME) }),
    ...typed,
    withoutName: nameAsked(parts.profile) === undefined,
    terms: { version: TERMS_VERSION, url: '/terms' },
    taken: [],
    signInUrl: `${stepUrl(pending)}?way=sign-in`,
  });
}
