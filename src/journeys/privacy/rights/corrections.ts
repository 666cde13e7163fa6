import {
  askCorrection,
  type Correction,
  withdrawCorrection,
} from '../../../domain/corrections/corrections.js';
import { askRight, decideByReference, withdrawByReference } from '../../../domain/rights/rights.js';
import type { Keyring } from '../../../platform/crypto/keyring.js';
import type { Work } from '../../../platform/storage/work.js';
import type { Doing } from '../../notices/tell.js';
import { lawOfPerson } from './ask.js';
import { tellOfCorrection } from './recipients.js';
import { tellOfRight } from './tell.js';

/** What somebody asks to have corrected is a request by law (GDPR Art. 16), with its clock, and told to every address. */
export async function askToCorrect(
  work: Work,
  doing: Doing,
  { accountId, attribute, wish }: Pick<Correction, 'accountId' | 'attribute' | 'wish'>,
): Promise<'asked' | 'open_already' | 'too_many'> {
  const { keyring } = doing.parts;
  const asked = await askCorrection(work, keyring, { accountId, attribute, wish });
  if (typeof asked === 'string') return asked;
  const request = await askRight(work, keyring, {
    accountId,
    kind: 'rectification',
    law: await lawOfPerson(work.tx, accountId, work.at),
    about: { everything: false, purposes: [], attributes: [attribute] },
    words: wish,
    refersTo: asked.id,
  });
  if (request !== 'too_many')
    await tellOfRight(work, doing, request, 'right_asked', { until: request.dueAt });
  return 'asked';
}

/** Takes back what somebody asked to have corrected, and its request with it. */
export async function takeBackCorrection(
  work: Work,
  keyring: Keyring,
  accountId: string,
  id: string,
): Promise<'withdrawn' | 'over' | 'none'> {
  const gone = await withdrawCorrection(work, accountId, id);
  if (gone === 'withdrawn') await withdrawByReference(work, keyring, accountId, id);
  return gone;
}

/** Says what became of the request that a correction is; every app that was told the old value is told the new one. */
export async function settleRequestOf(
  work: Work,
  keyring: Keyring,
  { accountId, id, attribute }: Pick<Correction, 'accountId' | 'id' | 'attribute'>,
  { state, answer, isSet }: { state: 'done' | 'refused'; answer?: string | undefined; isSet: boolean },
): Promise<void> {
  const outcome = state === 'done' ? 'corrected' : 'refused';
  await decideByReference(work, keyring, accountId, id, { state, outcome, answer, by: 'operator' });
  if (isSet) tellOfCorrection(work, { accountId, request: id, attributes: [attribute], asked: true });
}
