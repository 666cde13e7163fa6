import {
  type KeptAttribute,
  keptAttributes,
  type ProfileSchema,
  readValue,
} from '../../domain/profiles/profiles.js';
import type { ProblemWord } from '../page-models.js';

/** The name as it is declared, where people may give it themselves and nobody has to allow it first. */
export function nameAsked(profile: ProfileSchema): KeptAttribute | undefined {
  return keptAttributes(profile).find(
    ({ name, type, change, limits }) =>
      name === 'name' && type === 'text' && change.includes('person') && !limits.approval,
  );
}

/** What is wrong with a name that somebody gave when they signed up. */
export function nameProblem(profile: ProfileSchema, given: string): ProblemWord | undefined {
  const asked = given === '' ? undefined : nameAsked(profile);
  const read = asked && readValue(asked, given, new Date());
  if (!read || !('problem' in read)) return undefined;
  return read.problem === 'too_long' ? 'name_too_long' : 'value_not_like_that';
}
