import type Koa from 'koa';
import type Provider from 'oidc-provider';
import { type Client, errors, type KoaContextWithOIDC } from 'oidc-provider';
import served from 'oidc-provider/lib/helpers/als.js';
import clientAuthentication from 'oidc-provider/lib/shared/client_auth.js';

/** An app could not prove that it is one; told as the engine tells it (RFC 6749 §5.2). */
export class ClientRefusal extends Error {
  readonly status: number;
  readonly error: string;

  constructor({ statusCode, error, error_description: description }: errors.OIDCProviderError) {
    super(description ?? error);
    this.status = statusCode;
    this.error = error;
  }
}

/** What an app sends of itself where it does not prove itself in the header (RFC 6749 §2.3.1, RFC 7521 §4.2). */
export const CLIENT_PARAMETERS = [
  'client_id',
  'client_secret',
  'client_assertion_type',
  'client_assertion',
] as const;

/** What was sent of these. */
export type ClientParameters = Readonly<Partial<Record<(typeof CLIENT_PARAMETERS)[number], string>>>;

/**
 * The app that proves itself to an endpoint of ours, in each of the ways that it may at the engine's own: the very same code
 * looks at secrets, assertions and their replays. The engine offers it nowhere, so that it is fetched out of its files.
 */
export async function authenticatedClient(
  ctx: Koa.Context,
  provider: Provider,
  parameters: ClientParameters,
): Promise<Client> {
  const context = new provider.OIDCContext(ctx as unknown as KoaContextWithOIDC);
  Object.assign(context, { route: 'access_evaluation', params: { ...parameters } });
  const here = ctx.origin + ctx.path;
  const audiences = () => new Set([provider.issuer, new URL('/token', provider.issuer).href, here]);
  Object.assign(context, { clientJwtAuthExpectedAudience: audiences });
  Object.defineProperty(ctx, 'oidc', { value: context, configurable: true });
  try {
    await served.run(ctx, () => through(ctx as unknown as KoaContextWithOIDC));
  } catch (error) {
    if (!(error instanceof errors.OIDCProviderError) || error.statusCode >= 500) throw error;
    provider.emit('access_evaluation.error' as 'introspection.error', ctx as never, error);
    throw new ClientRefusal(error);
  }
  const { client } = context;
  if (!client) throw new Error('the engine let nobody through');
  return client;
}

async function through(ctx: KoaContextWithOIDC): Promise<void> {
  const run = async ([first, ...rest]: typeof clientAuthentication): Promise<void> =>
    first?.(ctx, () => run(rest));
  await run(clientAuthentication);
}
