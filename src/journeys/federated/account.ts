import { addLink, beginSession, findLink } from '../../domain/federation/federation.js';
import { seeOther } from '../journey.js';
import { arrive } from '../sign-in/federated.js';
import { goOn } from '../sign-in/going-on.js';
import { showProblems } from '../sign-in/pages.js';
import {
  applicantOf,
  applicationProblems,
  openApplicantsAccount,
  openedOrTaken,
} from '../sign-up/account.js';
import { advance, type Turn } from '../turn.js';
import { standing } from './pending.js';
import { strengthOfArrival } from './strength.js';
import { takeMapped } from './taking.js';
import { showTrouble } from './trouble.js';

/* Thrown within the work, so that nothing of it stays. */
class TiedElsewhere extends Error {}

/** Opens an account for somebody who brought an identity, and ties it to that; no password is set. */
export async function submitFederatedAccount(turn: Turn): Promise<void> {
  const { ctx, parts, sent } = turn;
  const applicant = applicantOf(turn);
  const found = await standing(turn);
  if (!applicant) throw new Error('no address was proved');
  if (!found) return endPending(turn);
  /* In another tab or browser they were as quick. */
  if (await findLink(parts.db, found.provider.id, found.identity.subject)) return arrive(turn, found);
  const termsAccepted = sent['terms'] === 'yes';
  const problems = applicationProblems(applicant, termsAccepted, parts);
  if (problems.length > 0) {
    return showProblems(turn, problems, { name: applicant.name.slice(0, 1_000), termsAccepted });
  }
  const { accountId } = applicant;
  const { provider, identity } = found;
  let there: string | undefined;
  try {
    const opened = await openedOrTaken(turn, applicant, async work => {
      await openApplicantsAccount(work, parts, applicant, parts.pages.language(ctx));
      const given = await takeMapped(work, turn, found, { accountId, given: {}, agreed: true });
      const linking = { accountId, providerId: provider.id, identity, given };
      const added = await addLink(work, parts.keyring, linking, 'opened');
      if (added.outcome === 'taken') throw new TiedElsewhere();
      there = beginSession(work, parts.keyring, { ...linking, linkId: added.id });
    });
    /* Whose the address became in the meantime may be they themselves. */
    if (!opened && (await findLink(parts.db, provider.id, identity.subject))) return arrive(turn, found);
    if (!opened) return;
  } catch (error) {
    if (!(error instanceof TiedElsewhere)) throw error;
    return arrive(turn, found);
  }
  const on = { ...turn, progress: { ...turn.progress, federated: undefined, there, thereSince: undefined } };
  /* They proved it when they came, and not when they had read the terms. */
  const at = new Date(turn.progress.federated?.at ?? turn.cameAt);
  seeOther(ctx, await goOn(on, { accountId, at, ...strengthOfArrival(found) }));
}

/** What they brought counts no more: it waited for too long, or its provider is not what it was. They begin anew. */
export async function endPending(turn: Turn): Promise<void> {
  const provider = turn.progress.federated?.provider;
  advance(turn, { way: 'sign-in', federated: undefined });
  await showTrouble(turn, { word: 'unavailable', provider });
}
