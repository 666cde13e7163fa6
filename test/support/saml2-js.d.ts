/** What of saml2-js the tests use; it comes without types. */
declare module 'saml2-js' {
  export interface Asserted {
    readonly user: {
      readonly name_id: string;
      readonly session_index: string;
      readonly attributes: Readonly<Record<string, readonly string[]>>;
    };
    readonly response_header: { readonly in_response_to?: string };
  }
  type Done<Result extends readonly unknown[]> = (error: Error | null, ...result: Result) => void;
  class IdentityProvider {
    constructor(options: object);
  }
  class ServiceProvider {
    constructor(options: object);
    create_metadata(): string;
    create_login_request_url(
      to: IdentityProvider,
      options: object,
      done: Done<[url: string, id: string]>,
    ): void;
    post_assert(from: IdentityProvider, options: object, done: Done<[asserted: Asserted]>): void;
  }
  const saml2: { IdentityProvider: typeof IdentityProvider; ServiceProvider: typeof ServiceProvider };
  export default saml2;
}
