import type Koa from 'koa';
import { type Limit, PROTECTION_FACTS } from '../domain/protection/protection.js';
import { networkOf } from '../platform/addresses.js';
import { Refusal } from '../platform/errors.js';
import { openWork } from '../platform/storage/work.js';
import { visitOf } from '../platform/web/surface.js';
import type { SamlParts } from './parts.js';

/** What this floor says happened. */
export const SAML_FACTS = [
  'saml.refused',
  'saml_key.published',
  'saml_key.activated',
  'saml_key.retired',
] as const;

const QUARTER = 900;

/* Anybody may send us what no app signed: the record shall show it, and not be filled by it. */
const limitsOf = (address: string): readonly Limit[] => {
  const limit = (per: string, subject: string, max: number): Limit => ({
    name: 'saml-refused',
    per,
    subject,
    max,
    window: QUARTER,
  });
  return [limit('network', networkOf(address), 20), limit('everywhere', '', 1_000)];
};

/** Does what an app's message asks; where it is refused, that is on record with the app that it was about. */
export async function noting<T>(
  ctx: Koa.Context,
  { db, protection }: Pick<SamlParts, 'db' | 'protection'>,
  clientId: string,
  act: () => T | Promise<T>,
): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const verdict = await protection.count(limitsOf(visitOf(ctx).address));
    const { code: reason } = error;
    await openWork(db, { kind: 'client', id: clientId }, async work => {
      if (verdict.allowed) work.record({ type: 'saml.refused', clientId, detail: { reason } });
      else if (verdict.reached) {
        const { name, per } = verdict.reached;
        work.record({ type: PROTECTION_FACTS[0], detail: { limit: name, per } });
      }
    });
    throw error;
  }
}
