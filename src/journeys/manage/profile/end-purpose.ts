import { endPurpose } from '../../../domain/profiles/profiles.js';
import { type Purpose, sayIn } from '../../../domain/purposes/purposes.js';
import { Refusal } from '../../../platform/errors.js';
import { openWork } from '../../../platform/storage/work.js';
import type { Doing } from '../../notices/tell.js';
import { type AccountCall, type AccountPage, leadTo, showAccount } from '../door.js';
import { profileOf } from './entries.js';
import { countChange } from './limits.js';
import { speakingOf } from './shown.js';
import { tellOf } from './tell.js';

const PATH = '/account/profile/purpose/:purpose';

/** Where somebody takes back that something be kept for a purpose. */
export const END_PURPOSE_PAGES: readonly AccountPage[] = [
  { method: 'GET', path: PATH, run: show },
  { method: 'POST', path: PATH, run: end },
];

/* Whatever does not rest on consent cannot be taken back, and is none here. */
function purposeIn({ parts, params }: Pick<AccountCall, 'parts' | 'params'>): Purpose {
  const found = parts.profile.purposes.find(({ id }) => id === params['purpose']);
  if (found?.basis === 'consent') return found;
  throw new Refusal('missing', 'purpose_not_found', 'There is nothing to take back.');
}

async function show(call: AccountCall): Promise<void> {
  const { id, name, why } = purposeIn(call);
  const { language } = speakingOf(call);
  const entries = await profileOf(call.parts, call.me.accountId);
  const held = entries.filter(({ kept, purpose }) => kept && purpose.id === id);
  showAccount(call, 'account/profile-end', {
    purpose: sayIn(name, language),
    why: sayIn(why, language),
    action: `/account/profile/purpose/${id}`,
    held: held.map(({ attribute }) => sayIn(attribute.label, language)),
  });
}

async function end(call: AccountCall): Promise<void> {
  const gone = await endOwn(call, call);
  leadTo(call, '/account/profile', gone.length > 0 ? 'ended' : 'over');
}

/** Removes what its person lets nobody keep for a purpose any more, and tells them; gives what there was. */
export async function endOwn(
  call: Pick<AccountCall, 'ctx' | 'parts' | 'params' | 'actor'> & {
    readonly me: { readonly accountId: string };
  },
  doing: Doing,
): Promise<readonly string[]> {
  const { parts, me, actor } = call;
  const { accountId } = me;
  const { id: purpose } = purposeIn(call);
  await countChange({ ...call, accountId });
  return openWork(parts.db, actor, async work => {
    const ended = await endPurpose(work, parts.profile, { accountId, purpose });
    const changes = ended.map(attribute => ({ attribute, became: 'changed' as const }));
    if (changes.length > 0) await tellOf(work, doing, { accountId, news: 'profile_changed', changes });
    return ended;
  });
}
