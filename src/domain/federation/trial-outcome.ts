import { z } from 'zod';
import { Refusal } from '../../platform/errors.js';
import { type IdentityProvider, isTrustedFor, strengthThere } from './provider.js';
import { type UpstreamIdentity, UpstreamTrouble } from './upstream.js';

/** What came of a sign-in that was tried out, as it is kept until it is read. */
export const outcomeSchema = z.discriminatedUnion('came', [
  z.strictObject({
    came: z.literal(true),
    subject: z.string(),
    /** Whether the provider says that it is proved, and whether that counts here. */
    email: z.strictObject({ address: z.string(), proved: z.boolean(), counts: z.boolean() }).optional(),
    /** What it told of how strong the sign-in was, and what that counts as here. */
    strength: z.strictObject({ told: z.string().optional(), counts: z.string() }),
    attributes: z.array(
      z.strictObject({
        attribute: z.string(),
        from: z.string(),
        value: z.unknown().optional(),
        left: z.enum(['unknown', 'unreadable']).optional(),
      }),
    ),
    claims: z.record(z.string(), z.unknown()),
  }),
  z.strictObject({
    came: z.literal(false),
    trouble: z.enum(['unreachable', 'refused', 'untrue', 'changed']),
    reason: z.string(),
    detail: z.string().optional(),
  }),
]);

/** What came of a sign-in that an operator tried out, and how it would be read. */
export type TrialOutcome = z.output<typeof outcomeSchema>;

/** Who somebody is there, and what would be made of it here. */
export function tellTrial(
  { provider, identity }: { readonly provider: IdentityProvider; readonly identity: UpstreamIdentity },
  leftOut: ReadonlyMap<string, 'unknown' | 'unreadable'>,
): TrialOutcome {
  const { subject, email, acr, claims } = identity;
  const proved = email && { ...email, counts: isTrustedFor(provider, email) };
  return {
    came: true,
    subject,
    ...(proved && { email: { address: proved.address, proved: proved.verified, counts: proved.counts } }),
    strength: { ...(acr !== undefined && { told: acr }), counts: strengthThere(provider, identity).acr },
    attributes: Object.entries(provider.mapping.attributes)
      .sort(byName)
      .map(([attribute, { from }]) => ({
        attribute,
        from,
        ...(Object.hasOwn(claims, from) && { value: claims[from] }),
        ...(leftOut.has(attribute) && { left: leftOut.get(attribute) }),
      })),
    claims,
  };
}

/** Why nobody came, as the protocol says it; anything that is no trouble of the provider is thrown on. */
export function tellTrouble(error: unknown): TrialOutcome {
  if (error instanceof Refusal && error.code === 'provider_unavailable') {
    return { came: false, trouble: 'changed', reason: error.code };
  }
  if (!(error instanceof UpstreamTrouble)) throw error;
  const { kind: trouble, reason, cause } = error;
  return { came: false, trouble, reason, ...(cause instanceof Error && { detail: innermost(cause) }) };
}

/* The last of a chain says what happened, those before it where. */
function innermost(error: Error): string {
  const next = error.cause;
  return (next instanceof Error ? innermost(next) : error.message).slice(0, 500);
}

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]) => (a < b ? -1 : 1);
