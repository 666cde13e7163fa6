import { v7 as uuidv7 } from 'uuid';
import { findAccount } from '../../../domain/accounts/accounts.js';
import {
  type Became,
  type Decision,
  type Ending,
  openSchema,
  type ProfileSchema,
} from '../../../domain/profiles/profiles.js';
import { sayIn } from '../../../domain/purposes/purposes.js';
import type { Work } from '../../../platform/storage/work.js';
import { type Doing, type Telling, tellEveryone, tellWithoutRequest } from '../../notices/tell.js';
import { tellOfCorrection } from '../../privacy/rights/recipients.js';

/** What happened to a profile, as its owner is told. */
export type ProfileNews = 'profile_changed' | 'profile_waiting' | 'profile_scheduled' | 'profile_undone';

const NEWS_OF: Readonly<Partial<Record<Became['became'], ProfileNews>>> = {
  changed: 'profile_changed',
  waiting: 'profile_waiting',
  scheduled: 'profile_scheduled',
};

/** Tells of changes that were just made or asked for: one mail for each kind of them, however many there are. */
export async function tellOfChanges(
  work: Work,
  doing: Doing,
  accountId: string,
  changes: readonly Became[],
): Promise<void> {
  tellWhoHas(work, accountId, changes);
  const byNews = Map.groupBy(changes, ({ became }) => NEWS_OF[became]);
  for (const [news, of] of byNews) {
    if (news) await tellOf(work, doing, { accountId, news, changes: of });
  }
}

/* What is another now is told to every app that was told what it was (GDPR Art. 19). */
function tellWhoHas(
  work: Work,
  accountId: string,
  changes: readonly { readonly attribute: string; readonly became: string }[],
): void {
  const attributes = changes.filter(({ became }) => became === 'changed').map(({ attribute }) => attribute);
  if (attributes.length > 0) tellOfCorrection(work, { accountId, request: uuidv7(), attributes });
}

/** Tells of one kind of news; a single change that can be undone comes with the way to undo it. */
export async function tellOf(
  work: Work,
  doing: Doing,
  {
    accountId,
    news,
    changes,
  }: {
    readonly accountId: string;
    readonly news: ProfileNews;
    readonly changes: readonly Pick<Became, 'attribute' | 'changeId' | 'became' | 'until'>[];
  },
): Promise<void> {
  const { parts } = doing;
  if (news === 'profile_undone') tellWhoHas(work, accountId, changes);
  const account = await findAccount(work.tx, accountId);
  const language = account?.language ?? 'en';
  const labels = changes.map(({ attribute }) => labelOf(parts.profile, attribute, language));
  const undoable = changes.filter(({ became, changeId }) => became === 'changed' && changeId !== undefined);
  const [first] = undoable;
  await tellEveryone(work, doing, {
    accountId,
    kind: news,
    values: { what: new Intl.ListFormat(language).format(labels) },
    ...(undoable.length > 0 && {
      undo: { profileChanges: undoable.map(({ changeId }) => changeId).join(' ') },
    }),
    ...(first?.changeId &&
      news === 'profile_changed' && {
        undoing: { url: `${parts.issuer.origin}/account/profile/undo/${first.changeId}` },
      }),
  });
}

function labelOf(schema: ProfileSchema, name: string, language: string): string {
  const attribute = schema.attributes.find(each => each.name === name);
  return attribute ? sayIn(attribute.label, language) : name;
}

/** Tells of a change whose day has come. */
export function tellOfDay(work: Work, telling: Telling, decision: Decision): Promise<void> {
  tellWhoHas(work, decision.accountId, [decision]);
  return tellOfDecision(
    work,
    telling,
    decision,
    decision.became === 'changed' ? 'profile_changed' : 'profile_scheduled',
  );
}

/** Tells somebody of values that are removed in two weeks. */
export async function tellOfEnding(
  work: Work,
  telling: Telling,
  { accountId, attributes }: Ending,
): Promise<void> {
  const [account, schema] = [await findAccount(work.tx, accountId), await openSchema(work.tx)];
  const language = account?.language ?? 'en';
  const labels = attributes.map(name => labelOf(schema, name, language));
  const what = new Intl.ListFormat(language).format(labels);
  await tellWithoutRequest(work, telling, { accountId, kind: 'profile_ending', values: { what } });
}

/** Tells of what was decided or happened without a request of theirs. */
export async function tellOfDecision(
  work: Work,
  telling: Telling,
  { accountId, attribute }: Pick<Decision, 'accountId' | 'attribute'>,
  kind: 'profile_changed' | 'profile_scheduled' | 'profile_answered',
): Promise<void> {
  const account = await findAccount(work.tx, accountId);
  const what = labelOf(await openSchema(work.tx), attribute, account?.language ?? 'en');
  await tellWithoutRequest(work, telling, { accountId, kind, values: { what } });
}
