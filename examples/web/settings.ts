import { readFileSync } from 'node:fs';

/** What this app was told about itself and about Keyhold. */
export interface Settings {
  readonly issuer: URL;
  readonly port: number;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly redirectUri: string;
  readonly afterSignOut: string;
  /** Where Keyhold says what is to be done about a person. */
  readonly commandEndpoint: string | undefined;
}

/** What `keyhold clients add` printed, as far as this app needs it. */
interface ClientFile {
  readonly client_id: string;
  readonly client_secret: string;
  readonly redirect_uris: readonly string[];
  readonly post_logout_redirect_uris?: readonly string[];
  readonly command_endpoint?: string;
}

/** Reads EXAMPLE_ISSUER, EXAMPLE_PORT and EXAMPLE_CLIENT_FILE. */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const file = env.EXAMPLE_CLIENT_FILE;
  if (!file) throw new Error('EXAMPLE_CLIENT_FILE must name the file that `keyhold clients add` printed.');
  const client: ClientFile = JSON.parse(readFileSync(file, 'utf8'));
  const redirectUri = client.redirect_uris[0];
  if (!redirectUri) throw new Error(`${file} has no redirect_uris.`);
  return {
    issuer: new URL(env.EXAMPLE_ISSUER ?? 'http://localhost:3000'),
    port: Number(env.EXAMPLE_PORT ?? new URL(redirectUri).port),
    clientId: client.client_id,
    clientSecret: client.client_secret,
    redirectUri,
    afterSignOut: client.post_logout_redirect_uris?.[0] ?? new URL('/', redirectUri).href,
    commandEndpoint: client.command_endpoint,
  };
}
