import { type OfferedProvider, presetOf } from '../../domain/federation/federation.js';
import { allowFormTarget } from '../../platform/web/headers.js';
import type { Parts } from '../journey.js';
import type { Turn } from '../turn.js';
import type { ProviderButton, WithProviders } from './models.js';

/**
 * The buttons of the providers that are offered, and leave for their forms to lead there; from memory. Not of the one that
 * somebody has just come from.
 */
export async function providerButtons({
  ctx,
  parts,
  progress,
}: Pick<Turn, 'ctx' | 'parts'> & Partial<Pick<Turn, 'progress'>>): Promise<WithProviders> {
  const all = await parts.federation.offered();
  const offered = all.filter(({ id }) => id !== progress?.federated?.provider);
  if (offered.length === 0) return {};
  for (const { origins } of offered) for (const origin of origins) allowFormTarget(ctx, origin);
  return { providers: offered.map(each => buttonOf(parts, each)) };
}

function buttonOf(
  parts: Pick<Parts, 'assets'>,
  { id, name, resting, preset }: OfferedProvider,
): ProviderButton {
  const mark = markOf(parts, preset);
  return { id, name, resting, ...(mark !== undefined && { mark }) };
}

/** The address of the logo of one of the shipped providers. */
export function markOf({ assets }: Pick<Parts, 'assets'>, preset: string | undefined): string | undefined {
  const logo = presetOf(preset)?.logo;
  return logo === undefined ? undefined : assets.url(logo);
}

/** What a provider is called, also one that may not be used any more. */
export async function providerName({ parts }: Pick<Turn, 'parts'>, id: string): Promise<string> {
  const offered = await parts.federation.enabled();
  return offered.find(each => each.id === id)?.name ?? id;
}
