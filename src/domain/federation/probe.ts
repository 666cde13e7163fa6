import { openBreakers } from './breaker.js';
import { byPassword, protocolOf, redirecting } from './protocols.js';
import { type Reaching, reachAnyway } from './upstreams.js';

/** Tries whether a provider can be spoken with, as far as that can be known without a person; throws why it cannot. */
export async function probeProvider(
  reaching: Omit<Reaching, 'breakers' | 'memories'>,
  id: string,
): Promise<void> {
  const upstream = await reachAnyway({ ...reaching, breakers: openBreakers(), memories: new Map() }, id);
  const { kind, settings } = upstream.provider;
  await protocolOf(kind).checkSecrets?.(settings, upstream.secrets);
  await byPassword(kind)?.probe(upstream);
  const protocol = redirecting(kind);
  await (protocol?.probe?.(upstream) ?? protocol?.depart(upstream, { state: 'probe' }));
}
