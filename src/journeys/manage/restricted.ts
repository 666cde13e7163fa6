import { isHeldBack } from '../../domain/accounts/accounts.js';
import type { AccountScope } from '../../domain/resources/resources.js';
import type { Caller } from '../../oidc/bearer.js';
import type { Parts } from '../journey.js';

/* What somebody does for their rights and their safety goes on, whatever they have had restricted. */
const GOES_ON: readonly AccountScope[] = [
  'account:rights:read',
  'account:rights:write',
  'account:exports:read',
  'account:exports:write',
  'account:deletion:read',
  'account:deletion:write',
  'account:consents:write',
  'account:history:object',
  'account:security:write',
];

/* Which attributes the operations of a scope tell; the others tell none, and stop where everything is restricted. */
const TELLS: Readonly<Partial<Record<AccountScope, readonly string[] | 'any'>>> = {
  'account:profile:read': 'any',
  'account:profile:write': 'any',
  'account:overview:read': 'any',
  'account:contacts:read': ['email', 'phone_number'],
  'account:contacts:write': ['email', 'phone_number'],
  'account:preferences:read': ['locale', 'zoneinfo'],
  'account:preferences:write': ['locale', 'zoneinfo'],
};

/**
 * Whether an app is told nothing by an operation because its person had that restricted (GDPR Art. 18, 21), decided before
 * anything is done. The apps of the house are how people run their account, as its pages are.
 */
export function isRestricted(
  { profile }: Pick<Parts, 'profile'>,
  { restriction, firstParty }: Pick<Caller, 'restriction' | 'firstParty'>,
  scope: AccountScope,
): boolean {
  if (!restriction || firstParty || GOES_ON.includes(scope)) return false;
  if (restriction.all) return true;
  const told = TELLS[scope] ?? [];
  return profile.attributes.some(
    ({ name: attribute, purpose }) =>
      (told === 'any' || told.includes(attribute)) && isHeldBack(restriction, { attribute, purpose }),
  );
}
