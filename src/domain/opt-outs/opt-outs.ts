import type { SaleChoice } from '../accounts/accounts.js';
import { ageOn, needsParent, regimeFor, type Whereabouts } from './regime.js';

export { needsParent, type Regime, regimeFor, type Whereabouts } from './regime.js';

/** Where somebody lives and how old they are, as far as they said so in their profile. */
export function whereaboutsOf(
  profile: Readonly<Record<string, unknown>> | null | undefined,
  day: Date,
): Whereabouts {
  const address = (profile?.['address'] ?? {}) as { readonly country?: unknown; readonly region?: unknown };
  const code = (value: unknown) =>
    typeof value === 'string' && /^[A-Za-z]{2}$/.test(value) ? value : undefined;
  return {
    country: code(address.country),
    region: code(address.region),
    age: ageOn(profile?.['birthdate'], day),
  };
}

/** Whether data about somebody may be sold, or shared for advertising across contexts, at this moment. */
export function maySell(choice: SaleChoice | undefined, whereabouts: Whereabouts): boolean {
  if (choice === 'opted_out' || needsParent(whereabouts)) return false;
  return choice === 'opted_in' || regimeFor(whereabouts) === 'opt_out';
}
