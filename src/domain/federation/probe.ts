import { Refusal } from '../../platform/errors.js';
import { openBreakers } from './breaker.js';
import { byPassword, protocolOf, redirecting } from './protocols.js';
import type { IdentityProvider } from './provider.js';
import type { UpstreamIdentity } from './upstream.js';
import { type Reaching, reachAnyway } from './upstreams.js';

/** Tries whether a provider can be spoken with, as far as that can be known without a person; throws why it cannot. */
export async function probeProvider(
  reaching: Omit<Reaching, 'breakers' | 'memories'>,
  id: string,
): Promise<void> {
  const upstream = await alone(reaching, id);
  const { kind, settings } = upstream.provider;
  await protocolOf(kind).checkSecrets?.(settings, upstream.secrets);
  await byPassword(kind)?.probe(upstream);
  const protocol = redirecting(kind);
  await (protocol?.probe?.(upstream) ?? protocol?.depart(upstream, { state: 'probe' }));
}

/** Who somebody is by the password that they have there, whatever the provider's state: for operators, who try it out. */
export async function proveAnyway(
  reaching: Omit<Reaching, 'breakers' | 'memories'>,
  id: string,
  typed: { readonly address: string; readonly password: string },
): Promise<{ readonly provider: IdentityProvider; readonly identity: UpstreamIdentity }> {
  const upstream = await alone(reaching, id);
  const { provider } = upstream;
  const protocol = byPassword(provider.kind);
  if (!protocol)
    throw new Refusal('invalid', 'no_directory', `${id} asks for no password here: leave the address out.`);
  return { provider, identity: await protocol.prove(upstream, typed) };
}

/* With a breaker of its own, which the next try knows nothing of. */
function alone(reaching: Omit<Reaching, 'breakers' | 'memories'>, id: string) {
  return reachAnyway({ ...reaching, breakers: openBreakers(), memories: new Map() }, id);
}
