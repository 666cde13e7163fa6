/* samlp brings no types; what of it the tests use. */
declare module 'samlp' {
  import type { ExpressLike, ExpressRequest, Next } from './saml-peer.js';

  interface Options {
    readonly issuer: string;
    readonly cert: string;
    readonly key: string;
    readonly [name: string]: unknown;
  }
  type Middleware = (request: ExpressRequest, response: ExpressLike, next: Next) => void;

  const samlp: {
    auth(options: Options): Middleware;
    logout(options: Options): Middleware;
    metadata(options: Options): Middleware;
    parseRequest(
      request: ExpressRequest,
      options: object,
      done: (error: Error | null, request?: { readonly id: string; readonly issuer: string }) => void,
    ): void;
    getSamlResponse(
      options: Options,
      user: object,
      done: (error: Error | null, response: string) => void,
    ): void;
  };
  export default samlp;
}
