import { z } from 'zod';
import { REPORT_DAYS } from './minimisation.js';

/** Where the report on what may be too much is read. */
export const MINIMISATION_PATH = '/api/v1/reports/minimisation';

/** What can be said about it. */
export const querySchema = z.strictObject({
  days: z
    .string()
    .regex(/^[1-9]\d{0,2}$/, 'is a whole number')
    .transform(Number)
    .refine(days => days <= REPORT_DAYS.most, `is ${REPORT_DAYS.most} at most`)
    .default(REPORT_DAYS.usual),
});

/** A number of people, in fives. */
const people = z.union([z.int().multipleOf(5).min(0), z.literal('<5')]);

/** All that the report may hold, by the names that `keyhold report minimisation --json` has for it. */
export const minimisationSchema = z.strictObject({
  since: z.iso.date(),
  people,
  attributes: z.array(
    z.strictObject({
      attribute: z.string(),
      purpose: z.string(),
      held: people.optional(),
      apps: z.int().min(0),
      told: people,
      asked: z.strictObject({ answered: people, skipped: people }).optional(),
      says: z.array(z.enum(['never_told', 'used_here_alone', 'left_empty', 'often_left_out'])),
    }),
  ),
  purposes_nobody_needs: z.array(z.string()),
  apps: z.array(z.strictObject({ client_id: z.string(), name: z.string(), never_told: z.array(z.string()) })),
  sign_ups_finished: people,
  given_up: z.array(z.strictObject({ step: z.string(), people })),
});
