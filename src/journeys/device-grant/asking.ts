import { type Limit, PROTECTION_FACTS, type Protection } from '../../domain/protection/protection.js';
import type { MayDeviceAsk } from '../../oidc/device-asking.js';
import { requestScope } from '../../oidc/request-scope.js';
import { networkOf } from '../../platform/addresses.js';

const QUARTER = 900;

/*
 * Each device that asks leaves a row and takes one of the codes to type. Anybody may ask in the name of an app without a
 * secret, so that an app is counted in one network only: nobody uses up what others of the same app need.
 */
function limitsOf(clientId: string, address: string): readonly Limit[] {
  const network = networkOf(address);
  const limit = (per: string, subject: string, max: number): Limit => ({
    name: 'device',
    per,
    subject,
    max,
    window: QUARTER,
  });
  return [limit('app-and-network', `${clientId} ${network}`, 60), limit('network', network, 120)];
}

/** Counts a device that asks to be let in; how many seconds one too many has to wait (RFC 8628 §5). */
export function countDevices(protection: Protection): MayDeviceAsk {
  return async ({ clientId, address }) => {
    const verdict = await protection.count(limitsOf(clientId, address));
    if (verdict.allowed) return undefined;
    const { reached, retryAfter } = verdict;
    if (reached) {
      const fact = {
        type: PROTECTION_FACTS[0],
        clientId,
        detail: { limit: reached.name, per: reached.per },
      };
      requestScope().record(fact, { kind: 'client', id: clientId });
    }
    return retryAfter;
  };
}
