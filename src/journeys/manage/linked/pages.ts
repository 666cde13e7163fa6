import { findWaysIn } from '../../../domain/credentials/credentials.js';
import { listValues } from '../../../domain/profiles/profiles.js';
import { Refusal } from '../../../platform/errors.js';
import { providerButtons } from '../../federated/buttons.js';
import type { Problem } from '../../page-models.js';
import { type AccountCall, type AccountPage, doneHere, leadTo, showAccount } from '../door.js';
import { beginLink, finishLink, LINKED } from './add.js';
import { untie } from './remove.js';
import { myLinks, sentOf, shownLink, takenFrom } from './shown.js';

const ONE = `${LINKED}/:id` as const;

/** The accounts elsewhere that let somebody in here: seen, added and taken away. */
export const LINKED_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: LINKED, within: 'sign_in', run: showList },
  {
    method: 'POST',
    path: `${LINKED}/add/:provider`,
    sensitive: true,
    form: LINKED,
    within: 'sign_in',
    run: beginLink,
  },
  /* Whoever began was fresh, and a trip takes ten minutes at most: to be asked who one is in between helps nobody. */
  { method: 'GET', path: `${LINKED}/back/:trip`, within: 'sign_in', run: finishLink },
  { method: 'GET', path: ONE, sensitive: true, within: 'sign_in', run: call => showOne(call) },
  { method: 'POST', path: `${ONE}/remove`, sensitive: true, form: ONE, within: 'sign_in', run: remove },
];

const DONE = ['added', 'there', 'removed', 'taken', 'again', 'over', 'failed'] as const;

async function showList(call: AccountCall): Promise<void> {
  const { parts, me } = call;
  const [links, { providers = [] }] = await Promise.all([
    myLinks(parts, me.accountId),
    providerButtons(call),
  ]);
  const done = doneHere(call, DONE);
  showAccount(call, 'account/linked', {
    ...(done && { done }),
    links: links.map(shownLink),
    offered: providers,
  });
}

async function showOne(call: AccountCall, problems: readonly Problem[] = []): Promise<void> {
  const { ctx, parts, me, params } = call;
  const { accountId } = me;
  const [links, ways, values] = await Promise.all([
    myLinks(parts, accountId),
    findWaysIn(parts.db, accountId),
    listValues(parts.db, accountId),
  ]);
  const link = links.find(({ id }) => id === params['id']);
  if (!link) throw new Refusal('missing', 'not_found', 'There is nothing at this address.');
  if (problems.length > 0) ctx.status = 409;
  const others = links.filter(({ id, provider }) => provider && id !== link.id).length;
  showAccount(call, 'account/link', {
    one: shownLink(link),
    problems,
    last: link.provider !== undefined && !ways.password && ways.passkeys + others === 0,
    sent: sentOf(link),
    taken: takenFrom(parts.profile, values, link.providerId, parts.pages.language(ctx)),
  });
}

async function remove(call: AccountCall): Promise<void> {
  const untied = await untie(call, call.params['id'] ?? '');
  if (untied === 'missing') throw new Refusal('missing', 'not_found', 'There is nothing at this address.');
  if (untied === 'last') return showOne(call, [{ word: 'last_way_in' }]);
  leadTo(call, LINKED, 'removed');
}
