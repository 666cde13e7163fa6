import { z } from 'zod';
import { Refusal } from '../../../platform/errors.js';
import { type ApiOperation, operation } from '../api.js';
import { LINKED } from './add.js';
import { untie } from './remove.js';
import { myLinks } from './shown.js';

const time = z.iso.datetime();

const missing = () => new Refusal('missing', 'not_found', 'There is nothing at this address.');

/** The accounts elsewhere that let a person in, for apps that they let: seen and taken away. */
export const LINKED_OPERATIONS: readonly ApiOperation[] = [
  operation({
    method: 'GET',
    path: '/api/me/linked',
    scope: 'account:security:read',
    summary:
      'Accounts elsewhere that sign the person in, and those that they could add, in the browser, at `add_url`.',
    answer: z.strictObject({
      linked: z.array(
        z.strictObject({
          id: z.uuid(),
          provider: z.string(),
          name: z.string(),
          usable: z.boolean(),
          linked_at: time,
          last_used_at: time.nullable(),
        }),
      ),
      offered: z.array(z.strictObject({ provider: z.string(), name: z.string() })),
      add_url: z.url(),
    }),
    run: async ({ parts, me }) => {
      const [links, offered] = await Promise.all([myLinks(parts, me.accountId), parts.federation.offered()]);
      return {
        linked: links.map(({ id, providerId, provider, linkedAt, lastUsedAt }) => ({
          id,
          provider: providerId,
          name: provider?.name ?? providerId,
          usable: provider !== undefined,
          linked_at: linkedAt.toISOString(),
          last_used_at: lastUsedAt?.toISOString() ?? null,
        })),
        offered: offered.map(({ id, name }) => ({ provider: id, name })),
        add_url: new URL(LINKED, parts.issuer).href,
      };
    },
  }),
  operation({
    method: 'DELETE',
    path: '/api/me/linked/:id',
    scope: 'account:security:write',
    sensitive: true,
    summary:
      'Takes an account elsewhere away as a way in, with every session that began by such a one; the last way in stays (409).',
    run: async call => {
      const id = z.uuid().safeParse(call.params['id']).data;
      const untied = id === undefined ? 'missing' : await untie(call, id);
      if (untied === 'missing') throw missing();
      if (untied === 'last')
        throw new Refusal('conflict', 'last_way_in', 'Without this one nothing would be left.');
    },
  }),
];
