import { z } from 'zod';
import { COMMAND_STATES } from '../../../domain/commands/commands.js';
import {
  confirmRight,
  dueOf,
  isInForce,
  LONGEST_WORDS,
  listRequests,
  REQUEST_STATES,
  RIGHTS,
  type RightsRequest,
} from '../../../domain/rights/rights.js';
import { Refusal } from '../../../platform/errors.js';
import { openWork } from '../../../platform/storage/work.js';
import { endByPerson, takeBackWish, takeWish } from '../../privacy/rights/ask.js';
import { type ApiCall, type ApiOperation, operation } from '../api.js';
import { doingOf } from '../profile/api.js';
import { countChange } from '../profile/limits.js';
import { wishIn } from '../profile/pages.js';
import { tellsNothing } from '../topics.js';
import { ownRequest, recipientsOf } from './pages.js';

const PATH = '/api/me/rights';
const MOST = 100;

const requestSchema = z.strictObject({
  id: z.uuid(),
  right: z.enum(RIGHTS),
  state: z.enum(REQUEST_STATES),
  everything: z.boolean(),
  purposes: z.array(z.string()),
  attributes: z.array(z.string()),
  /** By which law, of which place, its days are counted. */
  law: z.string(),
  place: z.string(),
  asked_at: z.iso.datetime(),
  due_at: z.iso.datetime(),
  extended: z.boolean(),
  by_agent: z.boolean(),
  outcome: z.string().nullable(),
  decided_at: z.iso.datetime().nullable(),
  /** Whether data is kept and not used because of it, at this moment. */
  in_force: z.boolean(),
  ends_at: z.iso.datetime().nullable(),
});

const detailsSchema = requestSchema.extend({
  words: z.string().nullable(),
  answer: z.string().nullable(),
  /** Each app that was told, and what it said. */
  recipients: z.array(
    z.strictObject({ client_id: z.string(), app: z.string(), state: z.enum(COMMAND_STATES) }),
  ),
});

function presented(request: RightsRequest): z.input<typeof requestSchema> {
  const { id, kind, state, everything, law, place, outcome, decidedAt, liftsAt } = request;
  return {
    id,
    right: kind,
    state,
    everything,
    purposes: [...request.purposes],
    attributes: [...request.attributes],
    law,
    place,
    asked_at: request.askedAt.toISOString(),
    due_at: dueOf(request).toISOString(),
    extended: request.extendedUntil !== undefined,
    by_agent: request.mandateId !== undefined,
    outcome: outcome ?? null,
    decided_at: decidedAt?.toISOString() ?? null,
    in_force: isInForce(request),
    ends_at: (isInForce(request) ? liftsAt?.toISOString() : undefined) ?? null,
  };
}

const askSchema = z.strictObject({
  right: z.enum(RIGHTS),
  words: z.string().max(LONGEST_WORDS).default(''),
  everything: z.boolean().default(false),
  purposes: z.array(z.string().max(80)).max(100).default([]),
  attributes: z.array(z.string().max(80)).max(200).default([]),
});

const outcomeOf = z.strictObject({ done: z.boolean() });

/** What somebody asks for by law, for apps that they let. */
export const RIGHTS_OPERATIONS: readonly ApiOperation[] = [
  operation({
    method: 'GET',
    path: PATH,
    scope: 'account:rights:read',
    summary: 'What the person asked for about their data, with its clock; at most the latest hundred.',
    answer: z.strictObject({ requests: z.array(requestSchema) }),
    run: async ({ parts, me }) => {
      const requests = await listRequests(parts.db, parts.keyring, { accountId: me.accountId, limit: MOST });
      return { requests: requests.map(presented) };
    },
  }),
  operation({
    method: 'GET',
    path: `${PATH}/:id`,
    scope: 'account:rights:read',
    summary: 'One request with its words, the answer, and every app that was told of it.',
    answer: detailsSchema,
    run: async call => {
      const request = await ownRequest(call);
      const recipients = await recipientsOf(call, request);
      return {
        ...presented(request),
        words: request.words ?? null,
        answer: request.answer ?? null,
        recipients: recipients.map(({ clientId, app, state }) => ({ client_id: clientId, app, state })),
      };
    },
  }),
  operation({
    method: 'POST',
    path: PATH,
    scope: 'account:rights:write',
    sensitive: true,
    summary:
      'Asks for something by law. A restriction or an objection holds from now on; anything else is answered by its day.',
    input: askSchema,
    answer: requestSchema,
    tells: tellsNothing,
    status: 201,
    run: ask,
  }),
  operation({
    method: 'POST',
    path: `${PATH}/:id/withdraw`,
    scope: 'account:rights:write',
    summary: 'Takes a request back that nobody has answered yet.',
    input: z.strictObject({}),
    answer: outcomeOf,
    tells: tellsNothing,
    run: async call => {
      const { parts, me, actor } = call;
      const { id } = await ownRequest(call);
      const gone = await openWork(parts.db, actor, work =>
        takeBackWish(work, parts.keyring, me.accountId, id),
      );
      return { done: gone === 'withdrawn' };
    },
  }),
  operation({
    method: 'POST',
    path: `${PATH}/:id/confirm`,
    scope: 'account:rights:write',
    sensitive: true,
    summary: 'Says that the person wants what an agent asked for in their place.',
    input: z.strictObject({}),
    answer: outcomeOf,
    tells: tellsNothing,
    run: async call => {
      const { parts, me, actor } = call;
      const { id } = await ownRequest(call);
      return { done: await openWork(parts.db, actor, work => confirmRight(work, me.accountId, id)) };
    },
  }),
  operation({
    method: 'POST',
    path: `${PATH}/:id/end`,
    scope: 'account:rights:write',
    sensitive: true,
    summary: 'Ends a restriction or an objection: what it held back is used again.',
    input: z.strictObject({}),
    answer: outcomeOf,
    tells: tellsNothing,
    run: async call => {
      const { parts, actor } = call;
      const request = await ownRequest(call);
      const doing = await doingOf(call);
      return { done: await openWork(parts.db, actor, work => endByPerson(work, doing, request)) };
    },
  }),
];

async function ask(
  call: ApiCall<unknown, z.output<typeof askSchema>>,
): Promise<z.input<typeof requestSchema>> {
  const { parts, me, actor, input } = call;
  const { right: kind, everything, purposes, attributes } = input;
  await countChange({ ...call, accountId: me.accountId });
  const doing = await doingOf(call);
  const about = { everything, purposes, attributes };
  const wish = { accountId: me.accountId, kind, about, words: wishIn(input.words) };
  const taken = await openWork(parts.db, actor, work => takeWish(work, doing, wish));
  if (typeof taken !== 'string') return presented(taken);
  const kindOf = taken === 'held_already' || taken === 'rights_full' ? 'conflict' : 'invalid';
  throw new Refusal(kindOf, taken, 'This does not say what is asked for, stands already, or is too much.');
}
