import type { Payload } from './preset.js';

/** The `id` of a profile, a whole number or a text of digits: never one that JSON has already rounded to a neighbour's. */
export function numberedSubject({ id }: Payload): string | undefined {
  if (typeof id === 'string') return /^[1-9]\d{0,39}$/.test(id) ? id : undefined;
  return typeof id === 'number' && Number.isSafeInteger(id) && id > 0 ? String(id) : undefined;
}
