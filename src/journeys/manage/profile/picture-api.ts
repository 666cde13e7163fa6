import { z } from 'zod';
import { Refusal } from '../../../platform/errors.js';
import { makeAnew, PICTURE_MEGABYTES } from '../../../platform/pictures.js';
import { type ApiCall, type ApiOperation, operation } from '../api.js';
import { tellsNothing } from '../topics.js';
import { changeSchema, changesOf, doingOf, isFresh } from './api.js';
import { profileOf } from './entries.js';
import { countChange } from './limits.js';
import { putPicture } from './picture.js';

/** A picture of the person, put in the place of another by an app; taken away like any other value. */
export const PICTURE_OPERATIONS: readonly ApiOperation[] = [
  operation({
    method: 'PUT',
    path: '/api/me/profile/pictures/:attribute',
    scope: 'account:profile:write',
    summary: `Puts a picture of at most ${PICTURE_MEGABYTES} megabytes in the place of the one before. It is made anew: a square JPEG that says nothing but what is seen.`,
    input: z.instanceof(Buffer),
    file: { types: ['image/jpeg', 'image/png', 'image/webp', 'image/gif'], megabytes: PICTURE_MEGABYTES },
    answer: z.strictObject({ changes: z.array(changeSchema) }),
    tells: tellsNothing,
    run: put,
  }),
];

async function put(call: ApiCall<unknown, Buffer>) {
  const { parts, me, actor, params, input } = call;
  const { accountId } = me;
  await countChange({ ...call, accountId });
  const entries = await profileOf(parts, accountId);
  const entry = entries.find(({ attribute }) => attribute.name === params['attribute']);
  if (entry?.attribute.type !== 'picture' || !entry.mayChange) {
    throw new Refusal('missing', 'attribute_not_found', 'There is no picture of that name to change.');
  }
  const made = await makeAnew(input);
  if ('problem' in made) {
    const fields = [{ field: 'body', message: made.problem }];
    throw new Refusal('invalid', `picture_${made.problem}`, 'This picture cannot be used.', { fields });
  }
  const asked = { accountId, attribute: entry.attribute, bytes: made.jpeg, fresh: isFresh(call) };
  return { changes: changesOf(call, await putPicture(await doingOf(call), actor, asked)) };
}
