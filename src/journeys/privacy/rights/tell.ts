import { findAccount } from '../../../domain/accounts/accounts.js';
import type { RightsRequest } from '../../../domain/rights/rights.js';
import type { Work } from '../../../platform/storage/work.js';
import type { NewsKind } from '../../notices/kinds.js';
import { type Doing, type News, type Telling, tellEveryone, tellWithoutRequest } from '../../notices/tell.js';

/** What somebody is told about a request of theirs. */
export type RightsNews = Extract<
  NewsKind,
  | 'right_asked'
  | 'right_extended'
  | 'right_decided'
  | 'right_by_agent'
  | 'restriction_begun'
  | 'restriction_ends'
  | 'restriction_ended'
>;

/** What is put into the words, beside which right it is. */
export interface RightsValues {
  readonly until?: Date;
  readonly agent?: string;
}

/** Tells somebody at every proven address what they did themselves. */
export async function tellOfRight(
  work: Work,
  doing: Doing,
  request: Pick<RightsRequest, 'accountId' | 'kind'>,
  news: RightsNews,
  values: RightsValues = {},
): Promise<void> {
  await tellEveryone(work, doing, await newsOf(work, doing.parts, request, news, values));
}

/** The same of what an operator, an agent or the clock did. */
export async function tellOfRightLater(
  work: Work,
  telling: Telling,
  request: Pick<RightsRequest, 'accountId' | 'kind'>,
  news: RightsNews,
  values: RightsValues = {},
): Promise<void> {
  await tellWithoutRequest(work, telling, await newsOf(work, telling, request, news, values));
}

async function newsOf(
  work: Work,
  { renderer }: Pick<Telling, 'renderer'>,
  { accountId, kind }: Pick<RightsRequest, 'accountId' | 'kind'>,
  news: RightsNews,
  { until, agent }: RightsValues,
): Promise<News> {
  const language = (await findAccount(work.tx, accountId))?.language ?? 'en';
  const { t: say, date } = renderer.speech(language);
  return {
    accountId,
    kind: news,
    values: {
      right: say(`rights.right.${kind}`),
      ...(until && { until: date(until) }),
      ...(agent !== undefined && { agent }),
    },
  };
}
