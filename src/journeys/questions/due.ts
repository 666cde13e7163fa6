import { z } from 'zod';
import { ADDRESS_PARTS, isAskable, type KeptAttribute } from '../../domain/profiles/profiles.js';
import { demandOf, meets } from '../manage/freshness.js';
import type { ProfileEntry } from '../manage/profile/entries.js';
import type { ShownBlock } from '../manage/profile/models.js';
import type { Turn } from '../turn.js';

const questionsSchema = z.array(
  z.object({ attribute: z.string(), claims: z.array(z.string()), required: z.boolean() }),
);

/** One thing to ask, of an attribute that stands. */
export interface Due {
  readonly attribute: KeptAttribute;
  readonly claims: readonly string[];
  readonly required: boolean;
}

/** All that this request asks: what was missing as it came in, less what is not declared any more. */
export function questionsOf({ pending, parts }: Pick<Turn, 'pending' | 'parts'>): readonly Due[] {
  const asked = questionsSchema.parse(pending.prompt.details['questions'] ?? []);
  return asked.flatMap(({ attribute: name, claims, required }) => {
    const attribute = parts.profile.attributes.find(each => each.name === name);
    return attribute && isAskable(attribute) ? [{ attribute, claims, required }] : [];
  });
}

/** The first of them that is not over; undefined when all are. */
export function dueOf(turn: Turn): Due | undefined {
  const over = turn.progress.settled ?? [];
  return questionsOf(turn).find(({ attribute }) => !over.includes(attribute.name));
}

/** Whether it was given or left out on another way since this one began. */
export function isOverBy({ attribute, required }: Due, entry: ProfileEntry | undefined): boolean {
  return entry?.kept !== undefined || (!required && entry?.skipped?.purpose === attribute.purpose);
}

/** The fields that are asked for: whoever is to say a country need not say a street. */
export function fieldNamesOf({ attribute, claims }: Due): readonly string[] {
  if (attribute.type !== 'address') return ['value'];
  return claims.every(claim => claim === 'country') ? ['country'] : ADDRESS_PARTS;
}

/** Whether the proof of who they are that they came with still counts for what needs a fresh one. */
export function isFresh({ pending: { prompt, acr } }: Turn): boolean {
  const provedAt = Number(prompt.details['provedAt']);
  const demand = demandOf({ sensitive: true, showing: false, secondFactor: 'none' });
  return meets({ authenticatedAt: new Date(provedAt * 1_000), acr }, demand, new Date());
}

/** Why nobody can give it at this moment; undefined when they can. */
export function blockOf(
  turn: Turn,
  { attribute }: Due,
  entry: ProfileEntry | undefined,
): ShownBlock | undefined {
  if (entry?.blocked) return entry.blocked;
  return attribute.limits.step_up && !isFresh(turn) ? { why: 'step_up' } : undefined;
}
