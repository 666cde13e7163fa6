declare module 'oidc-provider/lib/helpers/als.js' {
  import type { AsyncLocalStorage } from 'node:async_hooks';

  /** The request that the engine serves. */
  const served: AsyncLocalStorage<object>;
  export default served;
}

declare module 'oidc-provider/lib/shared/client_auth.js' {
  import type { KoaContextWithOIDC } from 'oidc-provider';

  /** What the engine has before each endpoint that apps prove themselves to. */
  const stack: readonly ((ctx: KoaContextWithOIDC, next: () => Promise<void>) => Promise<void>)[];
  export default stack;
}
