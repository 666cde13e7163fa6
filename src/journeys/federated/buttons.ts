import type { OfferedProvider } from '../../domain/federation/federation.js';
import { allowFormTarget } from '../../platform/web/headers.js';
import type { Turn } from '../turn.js';
import type { ProviderButton, WithProviders } from './models.js';

/** The buttons of the providers that are offered, and leave for their forms to lead there; from memory. */
export async function providerButtons({ ctx, parts }: Pick<Turn, 'ctx' | 'parts'>): Promise<WithProviders> {
  const offered = await parts.federation.offered();
  if (offered.length === 0) return {};
  for (const { origins } of offered) for (const origin of origins) allowFormTarget(ctx, origin);
  return { providers: offered.map(buttonOf) };
}

function buttonOf({ id, name, resting, preset }: OfferedProvider): ProviderButton {
  return { id, name, resting, ...(preset !== undefined && { preset }) };
}

/** What a provider is called, also one that may not be used any more. */
export async function providerName({ parts }: Pick<Turn, 'parts'>, id: string): Promise<string> {
  const offered = await parts.federation.enabled();
  return offered.find(each => each.id === id)?.name ?? id;
}
