import { z } from 'zod';
import { MOVE_STATES, startMove } from '../../../domain/moves/moves.js';
import { Refusal } from '../../../platform/errors.js';
import { countTry, MOVES } from '../../limits.js';
import { NEW_PHONE, type Standing } from '../../move/standing.js';
import { openWhence, sealWhence } from '../../move/whence.js';
import { type ApiCall, type ApiOperation, operation } from '../api.js';
import { changing } from '../signing-in/ways.js';
import { answerNumber, endMove } from './answer.js';
import { latestOf } from './begin.js';

const PATH = '/api/me/move';
const time = z.iso.datetime();

const started = z.strictObject({
  id: z.uuid(),
  /** The only time that it is told. */
  url: z.url(),
  expires_at: time,
});

const shape = z.strictObject({
  id: z.uuid(),
  state: z.enum(MOVE_STATES),
  ended_because: z.enum(['account_changed', 'signed_out']).nullable(),
  started_at: time,
  expires_at: time,
  new_phone: z.strictObject({ device: z.string().nullable(), country: z.string().nullable() }).nullable(),
  numbers: z.array(z.int()),
  added: z.enum(['passkey', 'app']).nullable(),
});

const WHY = { account: 'account_changed', signed_out: 'signed_out' } as const;

/* Of somebody's moves the API knows the latest; one that was begun in another session is another device's to answer. */
async function mine(call: ApiCall): Promise<Standing> {
  const standing = await latestOf(call);
  if (!standing) throw new Refusal('missing', 'not_found', 'There is no move to a new phone.');
  return standing;
}

const isOurs = ({ me }: ApiCall, { move }: Standing) => move.sessionUid === me.sessionUid;

function presented(call: ApiCall, standing: Standing): z.input<typeof shape> {
  const { move, state, why } = standing;
  const { device, country } = openWhence(call.parts, move.claimedFrom);
  return {
    id: move.id,
    state,
    ended_because: why ? WHY[why] : null,
    started_at: move.startedAt.toISOString(),
    expires_at: move.until.toISOString(),
    new_phone: move.claimedAt ? { device: device ?? null, country: country ?? null } : null,
    numbers: state === 'claimed' && isOurs(call, standing) ? [...move.numbers] : [],
    added: move.kind ?? null,
  };
}

const notDue = () =>
  new Refusal('conflict', 'not_due', 'The move to a new phone does not wait for this now, or not here.');

/*
 * Whoever begins a move and confirms it can add a way in of their own. An app that is somebody else's may name and take away
 * ways in, and never add one; the house's own apps are the house.
 */
async function mustBeOfTheHouse({ parts, caller }: ApiCall): Promise<void> {
  const client = await parts.provider.Client.find(caller.clientId);
  if (client?.['first_party'] === true) return;
  throw new Refusal(
    'forbidden',
    'first_party_only',
    "Only the house's own apps may move an account to a new phone.",
  );
}

/** The old phone's part of a move, for an app that its person lets. */
export const MOVE_OPERATIONS: readonly ApiOperation[] = [
  operation({
    method: 'POST',
    path: PATH,
    scope: 'account:security:write',
    sensitive: true,
    summary:
      'Begins a move to a new phone, for first-party apps: the address to show as a QR code, good once and for ten minutes.',
    input: z.strictObject({}),
    answer: started,
    status: 201,
    run: async call => {
      await mustBeOfTheHouse(call);
      const { ctx, parts, me } = call;
      const { accountId, sessionUid } = me;
      await countTry({ ctx, parts }, MOVES, { email: accountId, account: { id: accountId } });
      const startedFrom = await sealWhence(ctx, parts);
      const begun = await changing(call, work =>
        startMove(work, { accountId, sessionUid, remembered: undefined, startedFrom }),
      );
      const url = new URL(`${NEW_PHONE}/${begun.secret}`, parts.issuer).href;
      return { id: begun.id, url, expires_at: begun.until.toISOString() };
    },
  }),
  operation({
    method: 'GET',
    path: PATH,
    scope: 'account:security:read',
    summary:
      'How the latest move to a new phone stands; once a phone has scanned the code, what it is and the numbers to choose from.',
    answer: shape,
    run: async call => presented(call, await mine(call)),
  }),
  operation({
    method: 'POST',
    path: `${PATH}/confirm`,
    scope: 'account:security:write',
    sensitive: true,
    summary:
      'Says which number the new phone shows, for first-party apps. A wrong one ends the move (409, wrong_number).',
    input: z.strictObject({ number: z.int().min(10).max(99) }),
    answer: shape,
    run: async call => {
      await mustBeOfTheHouse(call);
      const standing = await mine(call);
      if (standing.state !== 'claimed' || !isOurs(call, standing)) throw notDue();
      const answered = await answerNumber(call, standing, call.input.number);
      if (answered === 'wrong_number')
        throw new Refusal(
          'conflict',
          'wrong_number',
          'The new phone shows another number: the move has ended.',
        );
      if (answered === 'not_due') throw notDue();
      return presented(call, await mine(call));
    },
  }),
  operation({
    method: 'DELETE',
    path: PATH,
    scope: 'account:security:write',
    summary: 'Ends a move that is not done yet, and takes back what was added on its way.',
    run: async call => {
      const standing = await mine(call);
      if (standing.move.endedAt || !(await endMove(call, standing))) throw notDue();
    },
  }),
];
