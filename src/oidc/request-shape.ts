import type Provider from 'oidc-provider';

/*
 * The engine gives each request a getter of its own, `ctx.oidc`. V8 keeps the pair that holds a getter among its old objects: all
 * that a request left stays with it until the next great collection, and no two requests are of one shape. That is a sixth of
 * UserInfo's time. One getter for all requests, on what they inherit from, says the same.
 */
const CONTEXT = Symbol('oidc');

interface Request {
  [CONTEXT]?: () => unknown;
}

const define = Object.defineProperty;

/** Keeps what the engine has to say of a request in one place for all requests of this provider. */
export function oneShape(provider: Provider): void {
  const inherited = provider.context as unknown as Request;
  inherited[CONTEXT] = () => undefined;
  define(inherited, 'oidc', {
    configurable: true,
    get(this: Request) {
      return this[CONTEXT]?.();
    },
  });
  if (Object.defineProperty === define) Object.defineProperty = definePlainly as typeof define;
}

function definePlainly<T extends object>(
  target: T,
  key: PropertyKey,
  descriptor: PropertyDescriptor & ThisType<unknown>,
): T {
  if (key !== 'oidc' || !descriptor.get || !(CONTEXT in target)) return define(target, key, descriptor);
  (target as Request)[CONTEXT] = descriptor.get;
  return target;
}
