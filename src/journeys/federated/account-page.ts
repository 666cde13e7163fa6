import { badgeOf, show } from '../journey.js';
import type { Problem } from '../page-models.js';
import { nameAsked } from '../sign-up/name.js';
import { TERMS_VERSION } from '../terms.js';
import { stepUrl, type Turn } from '../turn.js';
import { standing } from './pending.js';
import { shownOf } from './taking.js';
import { showTrouble } from './trouble.js';

const LONGEST_NAME = 200;

/** Shows the page on which somebody opens an account by what they brought. */
export async function showFederatedAccount(
  turn: Turn,
  problems: readonly Problem[],
  typed: { readonly name?: string; readonly termsAccepted?: boolean },
): Promise<void> {
  const { ctx, parts, pending, progress } = turn;
  const { email = '' } = progress;
  const found = await standing(turn);
  if (!found) return showTrouble(turn, { word: 'unavailable', provider: progress.federated?.provider });
  const name = found.identity.claims[found.provider.mapping.attributes['name']?.from ?? 'name'];
  show(ctx, parts, 'federated/account', {
    uid: pending.uid,
    app: badgeOf(pending),
    problems,
    provider: found.provider.name,
    email,
    ...(typeof name === 'string' && { name: name.slice(0, LONGEST_NAME) }),
    ...typed,
    withoutName: nameAsked(parts.profile) === undefined,
    terms: { version: TERMS_VERSION, url: '/terms' },
    taken: shownOf(parts, found, parts.pages.language(ctx)),
    signInUrl: `${stepUrl(pending)}?way=sign-in`,
  });
}
