import * as oauth from 'oauth4webapi';
import { type Dispatcher, fetch } from 'undici';
import type { Issuing, RegisteredClient } from './relying-party.js';

/** An answer with nothing hidden. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** The JSON members, or none where the body is no JSON object. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** A client that shows every answer as it came, errors included, and sends what a proper library would not. */
export interface RawClient {
  readonly server: oauth.AuthorizationServer;
  /** Trades a code; `verifier` and `redirectUri` as in the authorization request. */
  code(code: string, verifier: string, redirectUri: string): Promise<RawAnswer>;
  refresh(refreshToken: string): Promise<RawAnswer>;
  clientCredentials(parameters?: Readonly<Record<string, string>>): Promise<RawAnswer>;
  introspect(token: string): Promise<RawAnswer>;
  revoke(token: string): Promise<RawAnswer>;
  userInfo(accessToken: string): Promise<RawAnswer>;
  /** Any form to any path, authenticated or with headers of its own. */
  post(
    path: string,
    form: Readonly<Record<string, string>>,
    headers?: Readonly<Record<string, string>>,
  ): Promise<RawAnswer>;
}

/** Discovers the provider by oauth4webapi and speaks for this client. */
export async function openRawClient(
  keyhold: Pick<Issuing, 'issuer'>,
  registered: RegisteredClient,
  dispatcher?: Dispatcher,
): Promise<RawClient> {
  const through = async (url: string, init: object): Promise<Response> => {
    const answer = await fetch(url, { ...init, ...(dispatcher ? { dispatcher } : {}) });
    return new Response((await answer.text()) || null, {
      status: answer.status,
      headers: [...answer.headers],
    });
  };
  const options = {
    [oauth.customFetch]: through,
    [oauth.allowInsecureRequests]: keyhold.issuer.startsWith('http:'),
  };
  const issuer = new URL(keyhold.issuer);
  const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, options));
  const client: oauth.Client = { client_id: registered.client_id };
  const authentication = authenticationOf(registered);
  const shown = async (response: Promise<Response>) => show(await response);

  return {
    server,
    code: (code, verifier, redirectUri) => {
      const form = new URLSearchParams({ code, redirect_uri: redirectUri, code_verifier: verifier });
      return shown(
        oauth.genericTokenEndpointRequest(
          server,
          client,
          authentication,
          'authorization_code',
          form,
          options,
        ),
      );
    },
    refresh: token => shown(oauth.refreshTokenGrantRequest(server, client, authentication, token, options)),
    clientCredentials: (parameters = {}) =>
      shown(oauth.clientCredentialsGrantRequest(server, client, authentication, { ...parameters }, options)),
    introspect: token => shown(oauth.introspectionRequest(server, client, authentication, token, options)),
    revoke: token => shown(oauth.revocationRequest(server, client, authentication, token, options)),
    userInfo: token => shown(oauth.userInfoRequest(server, client, token, options)),
    post: (path, form, headers = {}) =>
      shown(
        through(new URL(path, issuer).href, { method: 'POST', body: new URLSearchParams(form), headers }),
      ),
  };
}

function authenticationOf(registered: RegisteredClient): oauth.ClientAuth {
  const secret = registered.client_secret ?? '';
  /* Whoever signs assertions brings them along to `post`. */
  if (['none', 'private_key_jwt'].includes(registered.token_endpoint_auth_method)) return oauth.None();
  if (registered.token_endpoint_auth_method === 'client_secret_post') return oauth.ClientSecretPost(secret);
  return oauth.ClientSecretBasic(secret);
}

async function show(response: Response): Promise<RawAnswer> {
  const text = await response.text();
  let body: RawAnswer['body'] = {};
  try {
    const parsed: unknown = JSON.parse(text);
    if (parsed && typeof parsed === 'object') body = { ...parsed };
  } catch {
    // Not JSON; `text` says what it is.
  }
  return { status: response.status, headers: response.headers, body, text };
}
