import { purposeOf } from '../../domain/profiles/profiles.js';
import { sayIn, secondsOf } from '../../domain/purposes/purposes.js';
import { saidOf } from '../consent/explaining.js';
import { claimWords } from '../consent/pages.js';
import { badgeOf } from '../journey.js';
import { type ProfileEntry, profileAndSkippedOf } from '../manage/profile/entries.js';
import { fieldsOf } from '../manage/profile/shown.js';
import type { Ask } from '../page-models.js';
import type { Turn } from '../turn.js';
import { blockOf, type Due, fieldNamesOf, questionsOf } from './due.js';
import type { QuestionPage } from './models.js';

/** What stands about an attribute that is asked for. */
export async function entryOf({ parts, pending }: Turn, due: Due): Promise<ProfileEntry | undefined> {
  if (!pending.accountId) return undefined;
  const entries = await profileAndSkippedOf(parts, pending.accountId);
  return entries.find(({ attribute }) => attribute.name === due.attribute.name);
}

/** A question as its page puts it: what was typed, or else what was given elsewhere meanwhile, stands in the field. */
export function shownQuestion(turn: Turn, due: Due, entry: ProfileEntry | undefined): QuestionPage {
  const { ctx, parts, pending, sent } = turn;
  const { attribute, claims, required } = due;
  const language = parts.pages.language(ctx);
  const speaking = { language, say: (key: string) => parts.pages.say(ctx, key) };
  const names = fieldNamesOf(due);
  const all = questionsOf(turn);
  const blocked = blockOf(turn, due, entry);
  return {
    uid: pending.uid,
    app: badgeOf(pending),
    problems: [],
    question: attribute.name,
    label: sayIn(attribute.label, language),
    ...(attribute.hint && { hint: sayIn(attribute.hint, language) }),
    fields: fieldsOf(attribute, entry?.kept?.value, sent, speaking).filter(({ name }) =>
      names.includes(name),
    ),
    required,
    partly: names.length > 1,
    purpose: purposeIn(turn, due, language),
    asks: claims.map(claim => askOf(turn, claim, language)),
    derived: !tellsItself(turn, due),
    already: (entry?.apps ?? [])
      .filter(({ clientId }) => clientId !== pending.app.clientId)
      .map(({ name }) => name),
    nr: all.indexOf(all.find(each => each.attribute === attribute) ?? due) + 1,
    total: all.length,
    ...(blocked && { blocked }),
  };
}

function purposeIn({ parts }: Turn, { attribute }: Due, language: string): QuestionPage['purpose'] {
  const { name, why, notice, retention, recipients = [] } = purposeOf(parts.profile, attribute);
  return {
    name: sayIn(name, language),
    why: sayIn(why, language),
    ...(notice && { more: sayIn(notice, language) }),
    ...(retention !== 'account' && { days: Math.ceil(secondsOf(retention) / 86_400) }),
    others: recipients.flatMap(one => (one === 'apps' ? [] : [one.name])),
  };
}

function askOf({ parts, pending }: Turn, claim: string, language: string): Ask {
  const said = saidOf(pending.params['claims'], claim);
  return {
    value: claim,
    ...claimWords(parts.profile, claim, language),
    ...(said !== undefined && { said }),
  };
}

/* Whether the very value goes out, and not only what is derived from it. */
function tellsItself({ pending }: Turn, { attribute, claims }: Due): boolean {
  const scopes = String(pending.params['scope'] ?? '').split(' ');
  return (
    claims.includes(attribute.name) || (attribute.scope !== undefined && scopes.includes(attribute.scope))
  );
}
