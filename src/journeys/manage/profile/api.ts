import { z } from 'zod';
import { LONGEST_WISH } from '../../../domain/corrections/corrections.js';
import type { Told } from '../../../domain/disclosures/disclosures.js';
import {
  type ChangeOutcome,
  changeProfile,
  hasChange,
  undoChange,
  withdrawChange,
} from '../../../domain/profiles/profiles.js';
import { BASES, sayIn } from '../../../domain/purposes/purposes.js';
import { BearerRefusal } from '../../../oidc/bearer-refusal.js';
import { Refusal } from '../../../platform/errors.js';
import { openWork } from '../../../platform/storage/work.js';
import { askToCorrect } from '../../privacy/rights/corrections.js';
import { type ApiCall, type ApiOperation, operation } from '../api.js';
import { demandOf, FRESH_SECONDS, meets } from '../freshness.js';
import { secondFactorOf } from '../person.js';
import { tellsNothing, toldOf } from '../topics.js';
import { endOwn } from './end-purpose.js';
import { type ProfileEntry, profileAndSkippedOf, profileOf } from './entries.js';
import { countChange } from './limits.js';
import { wishIn } from './pages.js';
import { tellOf, tellOfChanges } from './tell.js';

const value = z.union([z.string(), z.number(), z.boolean(), z.record(z.string(), z.string())]);
const time = z.iso.datetime();

const entrySchema = z.strictObject({
  name: z.string(),
  label: z.string(),
  type: z.string(),
  value: value.optional(),
  /** What a provider sent that they signed in with says which one. */
  source: z
    .union([
      z.enum(['person', 'operator', 'import', 'imported']),
      z.string().regex(/^provider:[a-z0-9-]{1,40}$/),
    ])
    .optional(),
  since: time.optional(),
  /** Absent: as long as the account exists. */
  until: time.optional(),
  purpose: z.strictObject({ id: z.string(), name: z.string(), why: z.string(), basis: z.enum(BASES) }),
  required: z.boolean(),
  /** Apps with a live consent that covers it. */
  apps: z.array(z.strictObject({ client_id: z.string(), name: z.string() })),
  changeable: z.boolean(),
  blocked: z
    .strictObject({ why: z.enum(['waiting', 'step_up', 'too_often', 'too_soon']), from: time.optional() })
    .optional(),
  open_change: z
    .strictObject({
      id: z.uuid(),
      state: z.enum(['waiting', 'scheduled']),
      value: value.optional(),
      effective_at: time.optional(),
    })
    .optional(),
  undoable: z.array(z.strictObject({ id: z.uuid(), before: value.optional(), until: time })),
  /** They were asked for it on their way to an app, and left it out. */
  skipped: z.strictObject({ client_id: z.string(), at: time }).optional(),
  correction: z
    .strictObject({ id: z.uuid(), state: z.enum(['open', 'done', 'refused']), answer: z.string().optional() })
    .optional(),
});

/* Each value under its attribute; what it was before or will be, and what its person wrote about it, as a topic. */
function told({ attributes }: { readonly attributes: readonly z.output<typeof entrySchema>[] }): Told {
  const values = attributes.flatMap(({ name, value }) =>
    value === undefined ? [] : [[name, value] as const],
  );
  const pending = attributes.flatMap(({ name, open_change, undoable, correction, skipped }) =>
    open_change || correction || skipped || undoable.length > 0
      ? [[name, open_change, undoable, correction, skipped]]
      : [],
  );
  return { ...Object.fromEntries(values), ...toldOf({ 'account:profile_changes': pending }) };
}

/** A change, as an app is told of it. */
export const changeSchema = z.strictObject({
  attribute: z.string(),
  became: z.enum(['changed', 'unchanged', 'waiting', 'scheduled']),
  /** When it takes effect, or until when it can be undone. */
  until: time.optional(),
  change_id: z.uuid().optional(),
});

/** The same as on the pages, for apps that a person lets. */
export const PROFILE_OPERATIONS: readonly ApiOperation[] = [
  operation({
    method: 'GET',
    path: '/api/me/profile',
    scope: 'account:profile:read',
    summary:
      'What is known about the person, and beside each value why, since when, from where, until when and who may have it.',
    answer: z.strictObject({ attributes: z.array(entrySchema) }),
    tells: told,
    run: async call => {
      const entries = await profileAndSkippedOf(call.parts, call.me.accountId);
      const language = call.parts.pages.language(call.ctx);
      return { attributes: entries.map(entry => presented(entry, language, call.parts.issuer)) };
    },
  }),
  operation({
    method: 'PATCH',
    path: '/api/me/profile',
    scope: 'account:profile:write',
    summary: 'Changes attributes, all or none; null takes a value away. Limits hold as on the pages.',
    input: z.record(z.string(), z.union([value, z.null()])),
    answer: z.strictObject({ changes: z.array(changeSchema) }),
    tells: tellsNothing,
    run: async call => ({ changes: await changed(call, call.input) }),
  }),
  operation({
    method: 'POST',
    path: '/api/me/profile/changes/:change/undo',
    scope: 'account:profile:write',
    summary: 'Undoes a change within its window, and every later one of the same attribute.',
    answer: z.strictObject({ attribute: z.string() }),
    tells: tellsNothing,
    run: async call => ({ attribute: await undone(call) }),
  }),
  operation({
    method: 'POST',
    path: '/api/me/profile/changes/:change/withdraw',
    scope: 'account:profile:write',
    summary: 'Takes back a change that has yet to happen.',
    answer: z.strictObject({ attribute: z.string() }),
    tells: tellsNothing,
    run: async call => {
      const { parts, me, actor, params } = call;
      const own = { accountId: me.accountId, id: idOf(params['change']) };
      const attribute = await openWork(parts.db, actor, work => withdrawChange(work, own));
      if (!attribute) throw await whyNot(call);
      return { attribute };
    },
  }),
  operation({
    method: 'DELETE',
    path: '/api/me/profile/purposes/:purpose',
    scope: 'account:profile:write',
    sensitive: true,
    summary:
      'Takes back that anything be kept for a purpose that rests on consent: all that is held for it is removed at once.',
    answer: z.strictObject({ removed: z.array(z.string()) }),
    tells: tellsNothing,
    run: async call => ({ removed: [...(await endOwn(call, await doingOf(call)))] }),
  }),
  operation({
    method: 'POST',
    path: '/api/me/profile/corrections',
    scope: 'account:profile:write',
    summary: 'Asks the people who run the service to correct what the person cannot change themselves.',
    input: z.strictObject({ attribute: z.string(), wish: z.string().min(1).max(LONGEST_WISH) }),
    answer: z.strictObject({ state: z.literal('open') }),
    tells: tellsNothing,
    status: 202,
    run: askedFor,
  }),
];

/* Of one's own it is too late for it; of somebody else's it is none. */
async function whyNot({ parts, me, params }: ApiCall): Promise<Refusal> {
  if (!(await hasChange(parts.db, me.accountId, idOf(params['change'])))) return gone();
  return new Refusal('conflict', 'change_settled', 'This was done already, or it is too late for it.');
}

const gone = () =>
  new Refusal('missing', 'change_not_found', 'There is no such change that this could be done to.');

function idOf(id: string | undefined): string {
  const checked = z.uuid().safeParse(id);
  if (!checked.success) throw gone();
  return checked.data;
}

const iso = (at: Date | undefined) => at?.toISOString();

/* What is undefined is left out, and so is a key. */
function whole<Members extends object>(members: Members) {
  return Object.fromEntries(Object.entries(members).filter(([, member]) => member !== undefined)) as {
    [Key in keyof Members]: Exclude<Members[Key], undefined>;
  };
}

function presented(entry: ProfileEntry, language: string, issuer: URL): z.input<typeof entrySchema> {
  const { attribute, kept, purpose, blocked, open, correction } = entry;
  const { id, basis } = purpose;
  return whole({
    name: attribute.name,
    label: sayIn(attribute.label, language),
    type: attribute.type,
    value: (attribute.type === 'picture' && kept
      ? new URL(String(kept.value), issuer).href
      : kept?.value) as z.input<typeof value>,
    source: kept?.source,
    since: iso(kept?.at),
    until: iso(entry.until),
    purpose: { id, basis, name: sayIn(purpose.name, language), why: sayIn(purpose.why, language) },
    required: attribute.required,
    apps: entry.apps.map(({ clientId, name }) => ({ client_id: clientId, name })),
    changeable: entry.mayChange,
    blocked: blocked && whole({ why: blocked.why, from: iso(blocked.from) }),
    open_change:
      open &&
      whole({
        id: open.id,
        state: open.state,
        value: (open.value ?? undefined) as z.input<typeof value>,
        effective_at: iso(open.effectiveAt),
      }),
    undoable: entry.undoable.map(({ id, before, until }) =>
      whole({ id, before: (before ?? undefined) as z.input<typeof value>, until: until.toISOString() }),
    ),
    skipped: entry.skipped && { client_id: entry.skipped.clientId, at: entry.skipped.at.toISOString() },
    correction:
      correction &&
      whole({
        id: correction.id,
        state: correction.state as 'open' | 'done' | 'refused',
        answer: correction.answer,
      }),
  }) as z.input<typeof entrySchema>;
}

/** The request of an app that acts for a person. */
export async function doingOf({ ctx, parts, caller }: ApiCall) {
  const client = await parts.provider.Client.find(caller.clientId);
  return { ctx, parts, app: { clientId: caller.clientId, name: client?.clientName ?? caller.clientId } };
}

async function changed(
  call: ApiCall,
  values: Readonly<Record<string, unknown>>,
): Promise<z.input<typeof changeSchema>[]> {
  const { parts, me, actor } = call;
  const asking = { accountId: me.accountId, values, fresh: isFresh(call) };
  await countChange({ ...call, accountId: me.accountId });
  const doing = await doingOf(call);
  const outcome = await openWork(parts.db, actor, async work => {
    const taken = await changeProfile(work, { schema: parts.profile, keyring: parts.keyring }, asking);
    if (taken.outcome === 'taken') await tellOfChanges(work, doing, me.accountId, taken.changes);
    return taken;
  });
  return changesOf(call, outcome);
}

const demandOn = ({ me }: ApiCall) =>
  demandOf({ sensitive: true, showing: false, secondFactor: secondFactorOf(me) });

/** Whether the person authenticated lately enough for attributes that ask for it. */
export function isFresh(call: ApiCall): boolean {
  return meets(call.me, demandOn(call), new Date());
}

/** What an app is told of changes, or why there are none. */
export function changesOf(call: ApiCall, outcome: ChangeOutcome): z.input<typeof changeSchema>[] {
  if (outcome.outcome === 'taken') {
    return outcome.changes.map(({ attribute, became, until, changeId }) =>
      whole({ attribute, became, until: iso(until), change_id: changeId }),
    ) as z.input<typeof changeSchema>[];
  }
  if (outcome.outcome === 'invalid') {
    const fields = outcome.problems.map(({ attribute, problem }) => ({
      field: `body.${attribute}`,
      message: problem,
    }));
    throw new Refusal('invalid', 'invalid_input', 'Some of what was sent cannot be used.', { fields });
  }
  if (outcome.blocked.every(({ why }) => why === 'step_up')) {
    const demand = demandOn(call);
    throw new BearerRefusal('insufficient_user_authentication', 'The person must sign in again for this.', {
      ...(demand?.strengths && { acr_values: demand.strengths.join(' ') }),
      max_age: String(FRESH_SECONDS),
    });
  }
  const fields = outcome.blocked.map(({ attribute, why, from }) => ({
    field: `body.${attribute}`,
    message: from ? `${why} until ${from.toISOString()}` : why,
  }));
  throw new Refusal(
    'conflict',
    'change_blocked',
    'This cannot be changed now; a correction can be asked for.',
    { fields },
  );
}

async function undone(call: ApiCall): Promise<string> {
  const { parts, me, actor, params } = call;
  const id = idOf(params['change']);
  await countChange({ ...call, accountId: me.accountId });
  const doing = await doingOf(call);
  const undoneOne = await openWork(parts.db, actor, async work => {
    const attribute = await undoChange(work, { keyring: parts.keyring }, { accountId: me.accountId, id });
    if (!attribute) return undefined;
    const changes = [{ attribute, became: 'changed' as const }];
    await tellOf(work, doing, { accountId: me.accountId, news: 'profile_undone', changes });
    return attribute;
  });
  if (undoneOne) return undoneOne;
  throw await whyNot(call);
}

async function askedFor(
  call: ApiCall<unknown, { attribute: string; wish: string }>,
): Promise<{ state: 'open' }> {
  const { parts, me, actor, input } = call;
  const known = (await profileOf(parts, me.accountId)).some(
    ({ attribute }) => attribute.name === input.attribute,
  );
  const wish = wishIn(input.wish);
  if (!known || wish === '') {
    const field = known ? 'body.wish' : 'body.attribute';
    throw new Refusal('invalid', 'invalid_input', 'Some of what was sent cannot be used.', {
      fields: [{ field, message: known ? 'missing' : 'unknown' }],
    });
  }
  await countChange({ ...call, accountId: me.accountId });
  const doing = await doingOf(call);
  const asked = await openWork(parts.db, actor, work =>
    askToCorrect(work, doing, { accountId: me.accountId, attribute: input.attribute, wish }),
  );
  if (asked !== 'asked')
    throw new Refusal('conflict', asked, 'A correction of this is open already, or too many are.');
  return { state: 'open' };
}
