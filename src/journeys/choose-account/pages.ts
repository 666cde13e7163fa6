import { MOST_PEOPLE, peopleHere } from '../../oidc/people.js';
import { badgeOf, seeOther, show } from '../journey.js';
import type { Problem } from '../page-models.js';
import { shown } from '../people.js';
import { stepUrl, type Turn, textOf } from '../turn.js';

/** Shows everybody who is signed in here to choose from; says whether there was anybody. */
export async function showChooser(turn: Turn, problems: readonly Problem[] = []): Promise<boolean> {
  const { ctx, parts, pending } = turn;
  const people = await peopleHere();
  if (people.length === 0) return false;
  const url = stepUrl(pending);
  show(ctx, parts, 'choose-account', {
    uid: pending.uid,
    app: badgeOf(pending),
    problems,
    people: people.map(shown),
    most: MOST_PEOPLE,
    ...(people.length < MOST_PEOPLE && { otherUrl: `${url}?way=sign-in` }),
    here: url,
  });
  return true;
}

/** Takes the choice of somebody who is signed in here; nobody else can be chosen, and nobody's session is touched. */
export async function submitChoice(turn: Turn): Promise<void> {
  const { ctx, parts, pending } = turn;
  const wanted = textOf(turn, 'account', 64);
  const person = (await peopleHere()).find(({ accountId }) => accountId === wanted);
  if (person) return seeOther(ctx, await parts.interactions.choose(ctx, person.accountId));
  ctx.status = 400;
  if (!(await showChooser(turn, [{ word: 'account_gone' }]))) seeOther(ctx, stepUrl(pending));
}
