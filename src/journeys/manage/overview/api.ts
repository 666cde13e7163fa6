import { z } from 'zod';
import { type ApiOperation, operation } from '../api.js';
import { ATTENTIONS, attentionOf } from './attention.js';
import { setUpOf } from './pages.js';

/** What is set up, in numbers: which addresses there are is for another scope. */
export const OVERVIEW_OPERATIONS: readonly ApiOperation[] = [
  operation({
    method: 'GET',
    path: '/api/me',
    scope: 'account:overview:read',
    summary: 'What is set up, and what needs attention.',
    answer: z.strictObject({
      password: z.boolean(),
      passkeys: z.int().min(0),
      second_step: z.boolean(),
      email_addresses: z.strictObject({ proved: z.int().min(0), unproved: z.int().min(0) }),
      attention: z.array(z.enum(ATTENTIONS)),
    }),
    run: async call => {
      const setUp = await setUpOf(call);
      const { password, passkeys, secondStep, emails } = setUp;
      const attention = [...attentionOf(setUp)];
      return { password, passkeys, second_step: secondStep, email_addresses: emails, attention };
    },
  }),
];
