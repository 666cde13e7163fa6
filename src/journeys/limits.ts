import type { Limit } from '../domain/protection/protection.js';

const QUARTER = 900;
const HOUR = 3_600;

/** How often a password may be tried for one address, and from one network (SECURITY: C10, C11). */
export function passwordLimits(email: string, network: string): readonly Limit[] {
  return [
    { name: 'password', per: 'identifier', subject: email, max: 10, window: QUARTER },
    { name: 'password', per: 'network', subject: network, max: 100, window: QUARTER },
  ];
}

/** How often codes may be tried for one address and from one network, over all requests together. */
export function codeLimits(email: string, network: string): readonly Limit[] {
  return [
    { name: 'code', per: 'identifier', subject: email, max: 20, window: HOUR },
    { name: 'code', per: 'network', subject: network, max: 200, window: HOUR },
  ];
}

/** How many mails one address gets, and one network makes us send. */
export function mailLimits(email: string, network: string): readonly Limit[] {
  return [
    { name: 'mail', per: 'identifier', subject: email, max: 6, window: HOUR },
    { name: 'mail', per: 'network', subject: network, max: 60, window: HOUR },
  ];
}

/** How many passkey challenges one network may ask for. */
export function challengeLimits(network: string): readonly Limit[] {
  return [{ name: 'challenge', per: 'network', subject: network, max: 300, window: QUARTER }];
}
