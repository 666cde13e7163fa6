import { changeProfile, readValue, type ValueProblem } from '../../domain/profiles/profiles.js';
import { answerQuestion, skipQuestion } from '../../domain/questions/questions.js';
import { openWork } from '../../platform/storage/work.js';
import { seeOther, show } from '../journey.js';
import { countChange } from '../manage/profile/limits.js';
import type { ShownBlock } from '../manage/profile/models.js';
import { tellOfChanges } from '../manage/profile/tell.js';
import { advance, type Turn, toStep } from '../turn.js';
import { blockOf, type Due, dueOf, fieldNamesOf, isFresh, isOverBy, questionsOf } from './due.js';
import { entryOf, shownQuestion } from './shown.js';

/** Shows the question that is due; where none is left, the request goes on. What is over by another tab is not asked again. */
export async function showQuestion(turn: Turn): Promise<void> {
  const due = dueOf(turn);
  if (!due) return goOn(turn);
  const entry = await entryOf(turn, due);
  if (isOverBy(due, entry)) return settle(turn, due);
  show(turn.ctx, turn.parts, 'question', shownQuestion(turn, due, entry));
}

interface Wrong {
  readonly problem?: ValueProblem;
  readonly blocked?: ShownBlock;
}

async function showAgain(turn: Turn, due: Due, { problem, blocked }: Wrong): Promise<void> {
  const page = shownQuestion(turn, due, await entryOf(turn, due));
  const problems =
    problem && problem !== 'by_upload' ? [{ word: `value_${problem}`, field: 'value' } as const] : [];
  turn.ctx.status = blocked ? 409 : 422;
  show(turn.ctx, turn.parts, 'question', { ...page, problems, ...(blocked && { blocked }) });
}

/*
 * The form says which question it answers, and that decides nothing but whether it is the one that is due: a page that
 * stood open in another tab, or one that asks for something else, changes nothing and leads to what is asked now.
 */
function dueIn(turn: Turn): Due | undefined {
  const due = dueOf(turn);
  return due && turn.sent['question'] === due.attribute.name ? due : undefined;
}

/** "Save": a change of the profile like any other, by its person and within its limits. */
export async function submitAnswer(turn: Turn): Promise<void> {
  const due = dueIn(turn);
  if (!due) return toStep(turn);
  const { ctx, parts, cameAt } = turn;
  const { attribute } = due;
  const given = givenIn(turn, due);
  const read = readValue({ ...attribute, required: true }, given, cameAt);
  if ('problem' in read) return showAgain(turn, due, read);
  const question = recordOf(turn, due);
  const { accountId } = question;
  const actor = { kind: 'person', id: accountId } as const;
  await countChange({ ctx, parts, actor, accountId });
  const outcome = await openWork(parts.db, actor, async work => {
    const rules = { schema: parts.profile, keyring: parts.keyring };
    const values = { [attribute.name]: given };
    const taken = await changeProfile(work, rules, { accountId, values, fresh: isFresh(turn) });
    if (taken.outcome !== 'taken') return taken;
    await tellOfChanges(work, { ctx, parts }, accountId, taken.changes);
    await answerQuestion(work, question);
    return taken;
  });
  if (outcome.outcome === 'blocked') return showAgain(turn, due, { blocked: outcome.blocked[0] ?? TOO_SOON });
  return settle(turn, due);
}

const TOO_SOON = { why: 'too_soon' } as const;

function givenIn({ sent }: Turn, due: Due): unknown {
  if (due.attribute.type !== 'address') return sent['value'] ?? '';
  const parts = fieldNamesOf(due).map(part => [part, sent[part]] as const);
  return Object.fromEntries(parts.filter(([, text]) => typeof text === 'string'));
}

function recordOf({ pending }: Turn, { attribute }: Due) {
  const { accountId, app } = pending;
  if (!accountId) throw new Error('nobody is there to be asked');
  return { accountId, clientId: app.clientId, attribute: attribute.name, purpose: attribute.purpose };
}

/**
 * "Skip": it is not asked again. What an app cannot do without is not skipped but left, by going back to the app; that is
 * no answer, and is asked again whoever comes back. What nobody can give at this moment is left out this time.
 */
export async function skip(turn: Turn): Promise<void> {
  const due = dueIn(turn);
  if (!due) return toStep(turn);
  if (blockOf(turn, due, await entryOf(turn, due))) return settle(turn, due);
  if (due.required) return toStep(turn);
  const question = recordOf(turn, due);
  const actor = { kind: 'person', id: question.accountId } as const;
  await openWork(turn.parts.db, actor, work => skipQuestion(work, question));
  return settle(turn, due);
}

async function settle(turn: Turn, { attribute }: Due): Promise<void> {
  const settled = [...new Set([...(turn.progress.settled ?? []), attribute.name])];
  const isLast = questionsOf(turn).every(each => settled.includes(each.attribute.name));
  if (isLast) return goOn(turn);
  advance(turn, { ...turn.progress, settled });
}

async function goOn({ ctx, parts }: Turn): Promise<void> {
  seeOther(ctx, await parts.interactions.asked(ctx));
}
