import type { Person } from '../oidc/people.js';
import type { ShownPerson } from './page-models.js';

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** Somebody who is signed in here, as pages show them. */
export function shown({ accountId, account }: Person): ShownPerson {
  const name = account.profile?.['name'];
  const email = account.email?.address ?? '';
  const named = typeof name === 'string' && name.trim() !== '';
  const [first] = graphemes.segment(named ? name.trim() : email);
  return {
    id: accountId,
    email,
    initial: (first?.segment ?? '').toLocaleUpperCase(),
    ...(named && { name }),
  };
}
