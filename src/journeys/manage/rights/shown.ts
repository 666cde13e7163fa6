import {
  dueOf,
  isInForce,
  type Mandate,
  type RightsRequest,
  urgencyOf,
} from '../../../domain/rights/rights.js';
import type { Parts } from '../../journey.js';
import { labelOf, purposeNamed, type Speaking } from '../disclosures/labels.js';
import type { ShownRequest } from './models.js';

/** Where requests are. */
export const REQUESTS = '/account/data/requests';

const DAY = 86_400_000;

/** What a request is about, as people call it. */
export function aboutIn(
  parts: Pick<Parts, 'profile'>,
  speaking: Speaking,
  { purposes, attributes }: Pick<RightsRequest, 'purposes' | 'attributes'>,
): readonly string[] {
  const label = labelOf(parts, speaking);
  const named = purposes.map(id => purposeNamed(parts, id, speaking.language) ?? id);
  return [...named, ...attributes.map(label)];
}

/** A request as its person sees it. */
export function shownRequest(
  parts: Pick<Parts, 'profile'>,
  speaking: Speaking,
  request: RightsRequest,
  mandates: readonly Mandate[],
  now: Date,
): ShownRequest {
  const { id, kind, state, askedAt, everything, outcome, decidedAt, mandateId, holdsFrom, liftsAt } = request;
  const url = `${REQUESTS}/${id}`;
  const agent = mandates.find(each => each.id === mandateId)?.agent;
  const due = dueOf(request);
  const clock = {
    due,
    urgency: urgencyOf(due, now),
    days: Math.max(0, Math.ceil((due.getTime() - now.getTime()) / DAY)),
    extended: request.extendedUntil !== undefined,
  };
  return {
    id,
    right: kind,
    state,
    askedAt,
    url,
    about: aboutIn(parts, speaking, request),
    everything,
    ...(agent !== undefined && { agent }),
    ...(state === 'open' && { clock }),
    ...(outcome && { outcome }),
    ...(decidedAt && { decidedAt }),
    ...(isInForce(request) &&
      holdsFrom && {
        holds: { since: holdsFrom, endUrl: `${url}/end`, ...(liftsAt && { endsAt: liftsAt }) },
      }),
  };
}
