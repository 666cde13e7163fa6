import { z } from 'zod';
import {
  type Dropped,
  findPasskey,
  listWaysIn,
  namedPasskey,
  passkeyName,
  renamePasskey,
} from '../../../domain/credentials/credentials.js';
import { dropApp, findFactors, renameApp } from '../../../domain/factors/factors.js';
import { Refusal } from '../../../platform/errors.js';
import { openWork } from '../../../platform/storage/work.js';
import { type ApiOperation, operation } from '../api.js';
import { dropping, droppingPasskey, droppingPassword } from './ways.js';

const time = z.iso.datetime();
const used = z.strictObject({ added_at: time, last_used_at: time.nullable() });
const naming = z.strictObject({ name: z.string().max(1_000) });
const WAYS = '/api/me/sign-in-methods';

const at = (date: Date | null | undefined) => date?.toISOString() ?? null;

/* Secrets have no place here: an app never sees a password, the secret of an authenticator app or a recovery code. */
const shape = z.strictObject({
  password: z.strictObject({ changed_at: time, last_used_at: time.nullable() }).nullable(),
  passkeys: z.array(
    used.extend({
      id: z.uuid(),
      name: z.string(),
      provider: z.string().nullable(),
      synced: z.boolean(),
      suspended: z.boolean(),
    }),
  ),
  second_step: z.strictObject({
    apps: z.array(used.extend({ id: z.uuid(), name: z.string() })),
    recovery_codes_left: z.int().min(0),
  }),
});

function settled(dropped: Dropped | 'last_factor'): void {
  if (dropped === 'last_factor')
    throw new Refusal(
      'conflict',
      'last_factor',
      'A role of this person needs a second factor: another one has to be added first.',
    );
  if (dropped === 'missing') throw missing();
  if (dropped === 'last')
    throw new Refusal('conflict', 'last_way_in', 'Without this one nothing would be left.');
}

const missing = () => new Refusal('missing', 'not_found', 'There is nothing at this address.');
const uuid = (id: string | undefined) => z.uuid().safeParse(id).data;

function nameIn(input: z.output<typeof naming>): string {
  const named = namedPasskey(input.name);
  if ('name' in named) return named.name;
  const fields = [{ field: 'body.name', message: 'A name of 1 to 60 characters is needed.' }];
  throw new Refusal('invalid', 'invalid_input', 'Some of what was sent cannot be used.', { fields });
}

/** How a person signs in, for apps that they let: seen, named and taken away, and never a secret. */
export const SIGNING_IN_OPERATIONS: readonly ApiOperation[] = [
  operation({
    method: 'GET',
    path: WAYS,
    scope: 'account:security:read',
    summary: 'All ways in and the second step: what there is, since when, and when each was last used.',
    answer: shape,
    run: async ({ parts, me }) => {
      const [{ password, passkeys }, { apps, codes }] = await Promise.all([
        listWaysIn(parts.db, me.accountId),
        findFactors(parts.db, me.accountId),
      ]);
      return {
        password: password
          ? { changed_at: password.changedAt.toISOString(), last_used_at: at(password.lastUsedAt) }
          : null,
        passkeys: passkeys.map(({ id, name, aaguid, addedAt, lastUsedAt, backedUp, suspendedFor }) => ({
          id,
          name,
          provider: passkeyName(aaguid) === 'Passkey' ? null : passkeyName(aaguid),
          synced: backedUp,
          suspended: suspendedFor !== null,
          added_at: addedAt.toISOString(),
          last_used_at: at(lastUsedAt),
        })),
        second_step: {
          apps: apps.map(({ id, name, addedAt, lastUsedAt }) => {
            return { id, name, added_at: addedAt.toISOString(), last_used_at: at(lastUsedAt) };
          }),
          recovery_codes_left: codes?.left ?? 0,
        },
      };
    },
  }),
  operation({
    method: 'DELETE',
    path: `${WAYS}/password`,
    scope: 'account:security:write',
    sensitive: true,
    summary: 'Takes the password away; the last way in stays (409).',
    run: async call => settled(await droppingPassword(call)),
  }),
  operation({
    method: 'PATCH',
    path: `${WAYS}/passkeys/:id`,
    scope: 'account:security:write',
    summary: 'Gives a passkey another name.',
    input: naming,
    run: async ({ parts, me, actor, params, input }) => {
      const id = uuid(params['id']);
      if (!id || !(await findPasskey(parts.db, me.accountId, id))) throw missing();
      const name = nameIn(input);
      if (!(await openWork(parts.db, actor, work => renamePasskey(work, me.accountId, id, name))))
        throw missing();
    },
  }),
  operation({
    method: 'DELETE',
    path: `${WAYS}/passkeys/:id`,
    scope: 'account:security:write',
    sensitive: true,
    summary:
      'Takes a passkey away; the last way in, and the last second factor of somebody who must have one, stay (409).',
    run: async call => {
      const id = uuid(call.params['id']);
      if (!id) throw missing();
      settled(await droppingPasskey(call, id));
    },
  }),
  operation({
    method: 'PATCH',
    path: `${WAYS}/apps/:id`,
    scope: 'account:security:write',
    summary: 'Gives an authenticator app another name.',
    input: naming,
    run: async ({ parts, me, actor, params, input }) => {
      const id = uuid(params['id']);
      const { apps } = await findFactors(parts.db, me.accountId);
      if (!id || !apps.some(app => app.id === id)) throw missing();
      const name = nameIn(input);
      if (!(await openWork(parts.db, actor, work => renameApp(work, me.accountId, id, name))))
        throw missing();
    },
  }),
  operation({
    method: 'DELETE',
    path: `${WAYS}/apps/:id`,
    scope: 'account:security:write',
    sensitive: true,
    summary: 'Takes an authenticator app away; the last one stays (409).',
    run: async call => {
      const id = uuid(call.params['id']);
      if (!id) throw missing();
      settled(await dropping(call, 'app_removed', (work, accountId) => dropApp(work, accountId, id)));
    },
  }),
];
