import type { ProfileSchema } from '../../domain/profiles/profiles.js';
import { sayIn, secondsOf } from '../../domain/purposes/purposes.js';
import type { ToldPurpose } from '../page-models.js';
import { claimsAsked, type Wanted } from './asks.js';
import { purposesOf } from './terms.js';

/** What each purpose is that something is asked for, in the words of the organisation. */
export function explained(wanted: Wanted, schema: ProfileSchema, language: string): readonly ToldPurpose[] {
  return purposesOf(wanted, schema).map(({ name, why, notice, retention, recipients = [] }) => ({
    name: sayIn(name, language),
    why: sayIn(why, language),
    ...(notice && { notice: sayIn(notice, language) }),
    ...(retention !== 'account' && { days: Math.ceil(secondsOf(retention) / 86_400) }),
    others: recipients.flatMap(one => (one === 'apps' ? [] : [one.name])),
  }));
}

const LONGEST = 300;
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u2028\u2029]/u;

/**
 * Why an app says it asks for a claim (`purpose`, as OpenID Connect for Identity Assurance has it: 3 to 300 characters).
 * Words that are longer, or that nobody would see as they are written, are left out.
 */
export function saidOf(claims: unknown, claim: string): string | undefined {
  const said = claimsAsked(claims).get(claim)?.purpose;
  if (typeof said !== 'string') return undefined;
  const text = said.trim().normalize('NFC');
  return text.length < 3 || text.length > LONGEST || UNSEEN.test(text) ? undefined : text;
}
