import { findAccount, isHeldBack } from '../../../domain/accounts/accounts.js';
import { whereaboutsOf } from '../../../domain/opt-outs/opt-outs.js';
import { listAttributes, type ProfileSchema } from '../../../domain/profiles/profiles.js';
import { type Purpose, termsOf } from '../../../domain/purposes/purposes.js';
import {
  type About,
  type Asking,
  askRight,
  endRestriction,
  fulfilRight,
  type Law,
  LONGEST_WORDS,
  lawFor,
  objectionTo,
  type Right,
  type RightsRequest,
  withdrawRight,
} from '../../../domain/rights/rights.js';
import type { Keyring } from '../../../platform/crypto/keyring.js';
import type { Db, Tx } from '../../../platform/storage/db.js';
import type { Work } from '../../../platform/storage/work.js';
import type { Doing } from '../../notices/tell.js';
import { tellRecipients } from './recipients.js';
import { tellOfRight } from './tell.js';

/** What somebody wants. */
export interface Wish {
  readonly accountId: string;
  readonly kind: Right;
  readonly about: About;
  readonly words?: string | undefined;
}

/** Why a request is not taken: nothing says what it is about, or too many wait already. */
export type WishProblem =
  | 'right_words_missing'
  | 'right_words_too_long'
  | 'right_about_missing'
  | 'right_not_objectable'
  | 'held_already'
  | 'rights_full';

/** By which law somebody's days are counted: of where they say that they live. */
export async function lawOfPerson(db: Db | Tx, accountId: string, at: Date): Promise<Law> {
  return lawFor(whereaboutsOf(await listAttributes(db, accountId), at));
}

/** How a purpose may be objected to. */
export const objectingTo = (purpose: Purpose) =>
  objectionTo({ id: purpose.id, basis: purpose.basis, terms: termsOf(purpose)?.purposes ?? [] });

const NOTHING: About = { everything: false, purposes: [], attributes: [] };

/** What a wish comes to; or why it comes to nothing. */
export function judgeWish(
  schema: ProfileSchema,
  { kind, about, words = '' }: Wish,
): Pick<Asking, 'about' | 'words' | 'holdsBack' | 'absolute'> | WishProblem {
  if ([...words].length > LONGEST_WORDS) return 'right_words_too_long';
  const said = words === '' ? {} : { words };
  if (kind === 'restriction') {
    const known = knownOf(schema, about);
    const names = known.purposes.length + known.attributes.length;
    if (!known.everything && names === 0) return 'right_about_missing';
    return { about: known.everything ? { ...NOTHING, everything: true } : known, holdsBack: true, ...said };
  }
  if (kind === 'objection') {
    const [id] = about.purposes;
    const purpose = schema.purposes.find(each => each.id === id);
    if (!purpose) return 'right_about_missing';
    const how = objectingTo(purpose);
    if (!how) return 'right_not_objectable';
    const held = { ...NOTHING, purposes: [purpose.id] };
    return { about: held, holdsBack: true, absolute: how === 'absolute', ...said };
  }
  return words === '' ? 'right_words_missing' : { about: knownOf(schema, about), ...said };
}

function knownOf({ purposes, attributes }: ProfileSchema, about: About): About {
  return {
    everything: about.everything,
    purposes: purposes.map(({ id }) => id).filter(id => about.purposes.includes(id)),
    attributes: attributes.map(({ name }) => name).filter(name => about.attributes.includes(name)),
  };
}

/** Takes what somebody wants, in one work: on record, at once where that can be, and told to everybody who has to know. */
export async function takeWish(work: Work, doing: Doing, wish: Wish): Promise<RightsRequest | WishProblem> {
  const { profile, keyring } = doing.parts;
  const judged = judgeWish(profile, wish);
  if (typeof judged === 'string') return judged;
  const { accountId, kind } = wish;
  if (judged.holdsBack && (await isHeldAlready(work, accountId, judged.about))) return 'held_already';
  const law = await lawOfPerson(work.tx, accountId, work.at);
  const request = await askRight(work, keyring, { accountId, kind, law, ...judged });
  if (request === 'too_many') return 'rights_full';
  if (judged.holdsBack) {
    tellRecipients(work, { accountId, request: request.id, about: request, phase: 'begun' });
    await tellOfRight(work, doing, request, 'restriction_begun');
  } else {
    await tellOfRight(work, doing, request, 'right_asked', { until: request.dueAt });
  }
  return request;
}

/* A form that is sent twice holds back once. */
async function isHeldAlready(work: Work, accountId: string, about: About = NOTHING): Promise<boolean> {
  const { restriction } = (await findAccount(work.tx, accountId)) ?? {};
  if (!restriction) return false;
  if (about.everything || restriction.all) return restriction.all;
  return (
    about.purposes.every(purpose => isHeldBack(restriction, { purpose })) &&
    about.attributes.every(attribute => isHeldBack(restriction, { attribute }))
  );
}

/** Takes a request back. */
export const takeBackWish = (work: Work, keyring: Keyring, accountId: string, id: string) =>
  withdrawRight(work, keyring, accountId, id);

/** Ends what holds data back because its person says so; false when it does not. */
export async function endByPerson(work: Work, doing: Doing, request: RightsRequest): Promise<boolean> {
  const { accountId, id } = request;
  if (!(await endRestriction(work, doing.parts.keyring, request, 'person'))) return false;
  tellRecipients(work, { accountId, request: id, about: request, phase: 'ended' });
  await tellOfRight(work, doing, request, 'restriction_ended');
  return true;
}

/** What the software did at once, such as a copy or a deletion that was asked for, is on record as a request that is done. */
export async function noteFulfilled(
  work: Work,
  keyring: Keyring,
  accountId: string,
  kind: 'access' | 'portability' | 'erasure',
): Promise<void> {
  const law = await lawOfPerson(work.tx, accountId, work.at);
  await fulfilRight(work, keyring, { accountId, kind, law }, kind === 'erasure' ? 'deleting' : 'exported');
}
